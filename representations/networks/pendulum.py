"""Networks of the multimodal pendulum: images are uint8, everything else is sound: tones, or stacks of audio."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks, no_network
from anysense.representations.networks.convolution import ConvolutionDecoder, ConvolutionTrunk
from anysense.representations.networks.decoder import Decoder, ScaledDecoder
from anysense.representations.networks.dense import DenseDecoder, DenseTrunk, layers
from anysense.representations.networks.generic import GenericNetworks
from anysense.representations.networks.pendulum_sound import sound_normalisation
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.settings import PendulumNetworkSettings
from anysense.representations.networks.trunk import PreparedTrunk, Trunk
from anysense.representations.settings import NetworkSettings

__all__ = ["PendulumNetworkSettings", "PendulumNetworks"]

KNOWN = "uint8 images (stack, height, width) and float32 sounds (stack, receivers, 2)"
STACKED_AUDIO = ("waveform:scn", "spectrogram:sctf")
IMAGE_WIDTH = 128
"""Published width of the layer between convolutions and latent, of encoder and decoder."""
POOL = 2
"""Side of the squares of pixels that are averaged first; anti-aliased edges keep their place to less than a pixel."""
CHANGE_SCALE = 10.0
"""Factor on the change between frames, which is small against what the frames have in common."""


class PendulumNetworks(Networks):
    """Published convolutions or networks of single frames for the image, fully connected layers for the tones.

    Stacks of waveforms and of spectrograms get the networks of ``generic``.
    """

    name: ClassVar[str] = "pendulum"
    settings_class: ClassVar[type[NetworkSettings]] = PendulumNetworkSettings

    settings: PendulumNetworkSettings

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder of contrastive methods."""
        return self._trunk(modality, ())

    def generative_trunk(self, modality: Modality) -> Trunk:
        """Encoder of generative methods; the published convolutions are followed by one layer of 128 with SiLU."""
        return self._trunk(modality, (IMAGE_WIDTH,))

    def _trunk(self, modality: Modality, on_top: tuple[int, ...]) -> Trunk:
        if _is_audio(modality):
            return GenericNetworks().trunk(modality)
        _check(modality, "encoder")
        settings = self.settings
        if modality.dtype != "uint8":
            normalise = sound_normalisation(settings.sound_normalisation, modality)
            return SoundTrunk(modality, normalise, settings.sound_widths)
        if settings.image_encoder == "frames":
            return FramesTrunk(modality, settings.frame_widths, settings.frame_dim)
        return ConvolutionTrunk(modality, UnitInterval(modality), settings.image_channels, on_top)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder from latents of size ``latent_dim``: mirror image of the encoder."""
        if _is_audio(modality):
            return GenericNetworks().decoder(modality, latent_dim)
        _check(modality, "decoder")
        settings = self.settings
        if modality.dtype != "uint8":
            scale: nn.Module = sound_normalisation(settings.sound_normalisation, modality, unit=True)
            return SoundDecoder(modality, latent_dim, scale, settings.sound_widths[::-1])
        if any(size % 4 for size in modality.shape[1:]):
            raise ValueError(
                f"modality {modality.name!r} must have height and width that are multiples of 4; got {modality.shape}."
            )
        scale = UnitInterval(modality)
        if settings.image_encoder == "convolution":
            return ConvolutionDecoder(modality, latent_dim, scale, settings.image_channels, IMAGE_WIDTH, "bernoulli")
        return FramesDecoder(modality, latent_dim, scale, settings.frame_widths[::-1])


class SoundTrunk(DenseTrunk):
    """Normalised sound through fully connected layers with SiLU; always float32, whose last digits hold the state."""

    def features(self, prepared: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        with torch.autocast(prepared.device.type, enabled=False):
            return super().features(prepared)


class SoundDecoder(DenseDecoder):
    """Fully connected layers to normalised sound; always float32, whose last digits hold the state."""

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, stack, receivers, 2)."""
        with torch.autocast(latent.device.type, enabled=False):
            return super().logits(latent.float())


class FramesTrunk(PreparedTrunk):
    """Frame encoder shared by all frames of the stack, then layers on its outputs and on their changes over time.

    Not in the paper. Two convolutions over stacked frames have to find the speed in differences of a fraction of a
    pixel; here each frame becomes a short vector first, and the speed is read from the difference of two vectors.

    Args:
        modality: Image (stack, height, width).
        widths: Widths of the hidden layers that read one frame, and of those on vectors and changes.
        frame_dim: Size of the vector of a frame.

    Raises:
        ValueError: The image is smaller than 2 x 2 pixels.
    """

    def __init__(self, modality: Modality, widths: tuple[int, ...], frame_dim: int) -> None:
        super().__init__()
        stack, height, width = modality.shape
        if min(height, width) < POOL:
            raise ValueError(
                f"modality {modality.name!r} must be an image of at least {POOL} x {POOL} pixels; got {modality.shape}."
            )
        self.scale = UnitInterval(modality)
        self.frame = layers((height // POOL) * (width // POOL), widths)
        self.embed = nn.Linear(widths[-1], frame_dim)
        self.compare = layers((2 * stack - 1) * frame_dim, widths)
        self.feature_dim = widths[-1]

    def prepare(self, value: Tensor) -> Tensor:
        """Pixels (B, stack, height, width), uint8 or float in [0, 1], to averages (B, stack, height/2 * width/2)."""
        return functional.avg_pool2d(self.scale(value), POOL).flatten(2)

    def features(self, prepared: Tensor) -> Tensor:
        """Averages (B, stack, P) to features (B, feature_dim); float32 even under autocast."""
        with torch.autocast(prepared.device.type, enabled=False):
            frames: Tensor = self.embed(self.frame(prepared))  # (B, stack, frame_dim)
            change = CHANGE_SCALE * frames.diff(dim=1)
            features: Tensor = self.compare(torch.cat([frames.flatten(1), change.flatten(1)], dim=1))
            return features


class FramesDecoder(ScaledDecoder):
    """Latent through fully connected layers to all frames at half resolution, then enlarged bilinearly.

    Not in the paper; the counterpart of `FramesTrunk`.

    Args:
        modality: uint8 image (stack, height, width) whose height and width are even.
        latent_dim: Size of the latent.
        scale: See `ScaledDecoder`.
        widths: Widths of the hidden layers.
    """

    enlarge_rows: Tensor
    enlarge_columns: Tensor

    def __init__(self, modality: Modality, latent_dim: int, scale: nn.Module, widths: tuple[int, ...]) -> None:
        super().__init__(modality, scale, "bernoulli")
        stack, height, width = modality.shape
        self.small = (stack, height // 2, width // 2)
        self.layers = layers(latent_dim, widths, outputs=math.prod(self.small))
        self.register_buffer("enlarge_rows", _doubling(height // 2), persistent=False)
        self.register_buffer("enlarge_columns", _doubling(width // 2).T, persistent=False)

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, stack, height, width)."""
        small: Tensor = self.layers(latent)
        return self.enlarge_rows @ small.view(-1, *self.small) @ self.enlarge_columns


def _doubling(size: int) -> Tensor:
    """Matrix (2 * size, size) of bilinear interpolation; two products are faster than torch's own interpolation."""
    lines = functional.interpolate(torch.eye(size)[None], scale_factor=2, mode="linear", align_corners=False)
    return lines[0].T.contiguous()


def _is_audio(modality: Modality) -> bool:
    """Whether it is a stack of waveforms or of spectrograms."""
    tones = modality.shape[-1] == 2
    return len(modality.shape) in (3, 4) and not tones and modality.described().kind in STACKED_AUDIO


def _check(modality: Modality, part: str) -> None:
    """Raises ValueError for what is neither image nor sound by its dtype and shape."""
    image, sound = modality.dtype == "uint8", modality.dtype == "float32" and modality.shape[-1] == 2
    if len(modality.shape) != 3 or not (image or sound):
        raise ValueError(no_network(modality, part, "pendulum", KNOWN))
