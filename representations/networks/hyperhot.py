"""Networks of Hyperhot: images are uint8, sound is the tones of its sources.

Letters: B rows, F frames of the stack, R receivers, S sources.
"""

from typing import ClassVar

import torch
from torch import Tensor

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.dense import DenseDecoder, layers
from anysense.representations.networks.generic import GenericNetworks
from anysense.representations.networks.pendulum import POOL, FramesTrunk
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.settings import HyperhotNetworkSettings
from anysense.representations.networks.trunk import PreparedTrunk, Trunk
from anysense.representations.settings import NetworkSettings

__all__ = ["HyperhotNetworks", "PooledFramesTrunk", "TonesTrunk"]

DECAY_UNIT = 0.25
"""Scale of the log amplitude: amplitudes of 1 to e^-4 become distances of 0 to 1."""
FREQUENCY_UNIT = 500.0
"""Scale of the frequency in Hz."""
QUIETEST = 1e-6
"""Amplitudes below are silence."""


class HyperhotNetworks(Networks):
    """One encoder for each frame of the image and for each source of the tones; for other data those of ``generic``."""

    name: ClassVar[str] = "hyperhot"
    settings_class: ClassVar[type[NetworkSettings]] = HyperhotNetworkSettings

    settings: HyperhotNetworkSettings

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder."""
        settings = self.settings
        if modality.dtype == "uint8" and len(modality.shape) == 3:
            return PooledFramesTrunk(modality, settings.frame_widths, settings.frame_dim)
        if _is_tones(modality):
            return TonesTrunk(modality, settings.source_widths, settings.sound_widths)
        return GenericNetworks().trunk(modality)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder of squared errors."""
        if not _is_tones(modality):
            return GenericNetworks().decoder(modality, latent_dim)
        scale = UnitInterval(modality, clamped=True)
        return DenseDecoder(modality, latent_dim, scale, self.settings.sound_widths[::-1])


class PooledFramesTrunk(FramesTrunk):
    """`FramesTrunk` that pools bytes as whole numbers, several times as fast for these large pictures."""

    columns: Tensor

    def __init__(self, modality: Modality, widths: tuple[int, ...], frame_dim: int) -> None:
        super().__init__(modality, widths, frame_dim)
        width = modality.shape[2] // POOL
        pooling = torch.eye(width).repeat_interleave(POOL, dim=0) / (255.0 * POOL**2)
        self.register_buffer("columns", pooling, persistent=False)

    def prepare(self, value: Tensor) -> Tensor:
        """As in the base class."""
        if value.dtype != torch.uint8:
            return super().prepare(value)
        height, width = (size // POOL * POOL for size in value.shape[2:])
        value = value[:, :, :height, :width]
        rows = torch.add(value[:, :, ::POOL], value[:, :, 1::POOL].to(torch.int16))
        return (rows.float() @ self.columns).flatten(2)


class TonesTrunk(PreparedTrunk):
    """Each source by itself, the sum over the sources of a frame, then layers on the frames and their change.

    The logarithm of an amplitude is a distance, and differences of squared distances to two receivers are linear in the
    place of a source, so a source comes in as frequency, distances and squared distances. Silent sources add nothing.

    Args:
        modality: Tones (F, R, S, 2).
        source_widths: Widths of the layers that read one source.
        widths: Widths of the layers on the sums.
    """

    def __init__(self, modality: Modality, source_widths: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        frames, receivers, _, _ = modality.shape
        self.source = layers(2 * receivers + 1, source_widths)
        self.compare = layers((2 * frames - 1) * source_widths[-1], widths)
        self.feature_dim = widths[-1]

    def prepare(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Tones (B, F, R, S, 2) to sources (B, F, S, 2R + 1) and which of them sound (B, F, S, 1)."""
        tones = value.float().transpose(2, 3)
        distances = -DECAY_UNIT * tones[..., 1].clamp(QUIETEST, 1.0).log()
        pitch = tones[..., 0].amax(dim=-1, keepdim=True) / FREQUENCY_UNIT
        heard = (tones[..., 1].amax(dim=-1, keepdim=True) > QUIETEST).float()
        return torch.cat([pitch, distances - 0.5, distances.square() - 0.25], dim=-1), heard

    def features(self, prepared: tuple[Tensor, Tensor]) -> Tensor:
        """Features (B, feature_dim); always float32."""
        sources, heard = prepared
        with torch.autocast(sources.device.type, enabled=False):
            frames = (self.source(sources) * heard).sum(dim=2)
            features: Tensor = self.compare(torch.cat([frames.flatten(1), frames.diff(dim=1).flatten(1)], dim=1))
            return features


def _is_tones(modality: Modality) -> bool:
    """Whether it is tones (F, R, S, 2)."""
    return modality.dtype == "float32" and len(modality.shape) == 4 and modality.shape[-1] == 2
