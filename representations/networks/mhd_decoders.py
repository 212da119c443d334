"""Decoders of MHD, mirror images of the encoders (as in the baselines of Poklukar et al., ICML 2022)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Decoder, Likelihood
from anysense.representations.networks.dense import RowBatchNorm, layers
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.strided import DoubleTime

__all__ = ["ImageDecoder", "LabelDecoder", "SoundDecoder", "VectorDecoder"]


class MHDDecoder(Decoder):
    """What all have in common: decoded units are the raw ones, scaled to [0, 1] if the modality has other bounds."""

    likelihood: Likelihood = "gaussian"

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.shape = modality.shape
        self.scale = UnitInterval(modality, unbounded=True)

    def target(self, value: Tensor) -> Tensor:
        """Raw observation (B, *shape) in [0, 1], float32."""
        target: Tensor = self.scale(value)
        return target

    def raw(self, mean: Tensor) -> Tensor:
        """Decoded units (B, *shape) in raw ones."""
        return self.scale.inverse(mean)


class ImageDecoder(MHDDecoder):
    """Latent to 512, 6272, (128, 7, 7), then two transposed convolutions to (1, 28, 28); SiLU between."""

    def __init__(self, modality: Modality, latent_dim: int) -> None:
        super().__init__(modality)
        self.layers = layers(latent_dim, (512, 6272))
        self.first = nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False)
        self.second = nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False)

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, 1, 28, 28)."""
        hidden = functional.silu(self.first(self.layers(latent).view(-1, 128, 7, 7)))
        pixels: Tensor = self.second(hidden)
        return pixels


class SoundDecoder(MHDDecoder):
    """Latent to 2048, (8 frames, 256), then two transposed convolutions over time and one layer to the mel bins.

    Args:
        modality: The sound, (1, 32 frames, 128 mel bins).
        latent_dim: Size of the latent.
        batch_norm: Batch normalisation before every ReLU.
    """

    def __init__(self, modality: Modality, latent_dim: int, batch_norm: bool = True) -> None:
        super().__init__(modality)
        self.start = nn.Linear(latent_dim, 2048)
        self.doubling = nn.ModuleList([DoubleTime(256, 128), DoubleTime(128, 128)])
        self.frames = nn.Linear(128, 128, bias=False)
        self.norms = nn.ModuleList(
            RowBatchNorm(channels) if batch_norm else nn.Identity() for channels in (2048, 128, 128)
        )

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, 1, 32, 128)."""
        hidden = torch.relu(self.norms[0](self.start(latent))).view(-1, 8, 256)
        for convolution, norm in zip(self.doubling, self.norms[1:], strict=True):
            hidden = torch.relu(norm(convolution(hidden)))
        bins: Tensor = self.frames(hidden)
        return bins.unsqueeze(1)


class VectorDecoder(MHDDecoder):
    """Latent through fully connected layers with SiLU to a vector (N,)."""

    def __init__(self, modality: Modality, latent_dim: int, widths: tuple[int, ...] = (512, 512)) -> None:
        super().__init__(modality)
        self.layers = nn.Sequential(layers(latent_dim, widths), nn.Linear(widths[-1], modality.shape[0]))

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, N)."""
        outputs: Tensor = self.layers(latent)
        return outputs


class LabelDecoder(VectorDecoder):
    """Latent to the logits of the classes."""

    likelihood: Likelihood = "categorical"
