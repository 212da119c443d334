"""Networks of MHD (multimodal handwritten digits): image, sound, trajectory and label, told apart by name."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks, no_network
from anysense.representations.networks.convolution import ConvolutionDecoder, ConvolutionTrunk
from anysense.representations.networks.decoder import Decoder, Likelihood, ScaledDecoder
from anysense.representations.networks.dense import DenseDecoder, DenseTrunk, RowBatchNorm
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.settings import MHDNetworkSettings
from anysense.representations.networks.trunk import PreparedTrunk, Trunk
from anysense.representations.settings import NetworkSettings

__all__ = ["MHDNetworkSettings", "MHDNetworks"]

SHAPES = {"image": (1, 28, 28), "sound": (1, 32, 128), "trajectory": (200,), "label": (10,)}
KNOWN = ", ".join(f"{name} {shape}" for name, shape in SHAPES.items())
Widths = tuple[int, ...]


class MHDNetworks(Networks):
    """Published encoders (Poklukar et al., ICML 2022) and decoders of its baselines.

    Values lie in [0, 1], or are scaled there by the bounds of the modality; the image may also be uint8. The label is
    one-hot.
    """

    name: ClassVar[str] = "mhd"
    bounds_from_data = False  # without bounds they are scaled already
    settings_class: ClassVar[type[NetworkSettings]] = MHDNetworkSettings
    generative_only: ClassVar[tuple[str, ...]] = ("label_encoder", "decoder_batch_norm")

    settings: MHDNetworkSettings

    def trunk(self, modality: Modality) -> Trunk:
        """Base encoder of GMC without its last layer; the label enters raw."""
        return self._trunk(modality, (), (512, 512), ())

    def generative_trunk(self, modality: Modality) -> Trunk:
        """Encoder of the baselines without its heads."""
        label = (64, 64) if self.settings.label_encoder == "relu-64" else (512, 512)
        return self._trunk(modality, (512,), (512, 512, 512), label)

    def _trunk(self, modality: Modality, image: Widths, trajectory: Widths, label: Widths) -> Trunk:
        scale = UnitInterval(modality, unbounded=True)
        match _known(modality, "encoder"):
            case "image":
                return ConvolutionTrunk(modality, scale, (64, 128), image)
            case "sound":
                return SoundTrunk(scale)
            case "trajectory":
                return DenseTrunk(modality, scale, trajectory)
            case _ if not label:
                return DenseTrunk(modality, nn.Identity(), label)
            case _:
                return DenseTrunk(modality, scale, label, nn.ReLU if label == (64, 64) else nn.SiLU)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder of the baselines: mirror image of the encoder."""
        kind, scale = _known(modality, "decoder"), UnitInterval(modality, unbounded=True)
        match kind:
            case "image":
                return ConvolutionDecoder(modality, latent_dim, scale, (64, 128), 512, "gaussian")
            case "sound":
                return SoundDecoder(modality, latent_dim, scale, self.settings.decoder_batch_norm)
            case _:
                likelihood: Likelihood = "categorical" if kind == "label" else "gaussian"
                return DenseDecoder(modality, latent_dim, scale, (512, 512), likelihood)


class SoundTrunk(PreparedTrunk):
    """Sound (B, 1, 32 frames, 128 mel bins): three convolutions with batch normalisation and ReLU, flattened (2048).

    The first convolution spans all mel bins of one frame, so it is a linear layer; the others run over time. Flattened
    frame by frame.
    """

    feature_dim = 2048

    def __init__(self, scale: nn.Module) -> None:
        super().__init__()
        self.scale = scale
        self.frames = nn.Linear(128, 128, bias=False)
        self.halving = nn.ModuleList(nn.Conv1d(128, channels, 4, 2, 1, bias=False) for channels in (128, 256))
        self.norms = nn.ModuleList([RowBatchNorm(128), nn.BatchNorm1d(128), nn.BatchNorm1d(256)])

    def prepare(self, value: Tensor) -> Tensor:
        """Frames (B, 32, 128)."""
        scaled: Tensor = self.scale(value)
        return scaled.squeeze(1)

    def features(self, prepared: Tensor) -> Tensor:
        """Features (B, 2048)."""
        hidden = torch.relu(self.norms[0](self.frames(prepared))).transpose(1, 2)
        for convolution, norm in zip(self.halving, self.norms[1:], strict=True):
            hidden = torch.relu(norm(convolution(hidden)))
        return hidden.transpose(1, 2).flatten(1).float()


class SoundDecoder(ScaledDecoder):
    """Latent to 2048, (8 frames, 256), then two transposed convolutions over time and one layer to the mel bins.

    Args:
        modality: The sound, (1, 32 frames, 128 mel bins).
        latent_dim: Size of the latent.
        scale: See `ScaledDecoder`.
        batch_norm: Batch normalisation before every ReLU.
    """

    def __init__(self, modality: Modality, latent_dim: int, scale: nn.Module, batch_norm: bool) -> None:
        super().__init__(modality, scale, "gaussian")
        self.start = nn.Linear(latent_dim, 2048)
        self.doubling = nn.ModuleList(nn.ConvTranspose1d(inputs, 128, 4, 2, 1, bias=False) for inputs in (256, 128))
        self.frames = nn.Linear(128, 128, bias=False)
        norms = [RowBatchNorm(2048), nn.BatchNorm1d(128), nn.BatchNorm1d(128)] if batch_norm else [nn.Identity()] * 3
        self.norms = nn.ModuleList(norms)

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, 1, 32, 128)."""
        hidden = torch.relu(self.norms[0](self.start(latent))).view(-1, 8, 256).transpose(1, 2)
        for convolution, norm in zip(self.doubling, self.norms[1:], strict=True):
            hidden = torch.relu(norm(convolution(hidden)))
        bins: Tensor = self.frames(hidden.transpose(1, 2))
        return bins.unsqueeze(1)


def _known(modality: Modality, part: str) -> str:
    """Name of a modality of MHD; any other raises ValueError."""
    if SHAPES.get(modality.name) != modality.shape or (modality.dtype == "uint8" and modality.name != "image"):
        raise ValueError(no_network(modality, part, "mhd", KNOWN))
    return modality.name
