"""Decoders of the multimodal pendulum: published ones (Poklukar et al., ICML 2022), and one that is cheap on a CPU."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Decoder, Likelihood
from anysense.representations.networks.dense import layers
from anysense.representations.networks.pendulum_sound import SoundNormalisation, sound_normalisation
from anysense.representations.networks.scaling import UnitInterval

__all__ = ["ConvolutionDecoder", "FramesDecoder", "SoundDecoder"]

LIMIT = math.sqrt(3.0)
"""The physical normalisation of sound ends at plus and minus this."""


class ImageDecoder(Decoder):
    """What the image decoders share: uint8 frames (stack, height, width), each pixel lit with a probability.

    Args:
        modality: uint8 image whose height and width are multiples of 4.

    Raises:
        ValueError: The modality is no such image.
    """

    likelihood: Likelihood = "bernoulli"

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        if len(modality.shape) != 3 or modality.dtype != "uint8" or any(size % 4 for size in modality.shape[1:]):
            raise ValueError(
                f"modality {modality.name!r} must be a uint8 image (stack, height, width) whose height and width are "
                f"multiples of 4; got {modality.dtype} {modality.shape}."
            )
        self.shape = modality.shape
        self.scale = UnitInterval(modality)

    def target(self, value: Tensor) -> Tensor:
        """Pixels / 255."""
        target: Tensor = self.scale(value)
        return target

    def raw(self, mean: Tensor) -> Tensor:
        """Bytes: 255 times the probabilities, rounded."""
        return self.scale.inverse(mean)


class ConvolutionDecoder(ImageDecoder):
    """As published: latent to 128, to (channels, height/4, width/4), then two transposed convolutions, SiLU between.

    Args:
        modality: See `ImageDecoder`.
        latent_dim: Size of the latent.
        channels: Channels after the first and the second layer of the encoder.
        width: Width of the first layer.
    """

    def __init__(self, modality: Modality, latent_dim: int, channels: tuple[int, int], width: int = 128) -> None:
        super().__init__(modality)
        stack, height, pixels = modality.shape
        self.start = (channels[1], height // 4, pixels // 4)
        self.layers = layers(latent_dim, (width, math.prod(self.start)))
        self.first = nn.ConvTranspose2d(channels[1], channels[0], 4, 2, 1, bias=False)
        self.second = nn.ConvTranspose2d(channels[0], stack, 4, 2, 1, bias=False)

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, stack, height, width)."""
        hidden = functional.silu(self.first(self.layers(latent).view(-1, *self.start)))
        pixels: Tensor = self.second(hidden)
        return pixels


class FramesDecoder(ImageDecoder):
    """Latent through fully connected layers to all frames at half resolution, then enlarged bilinearly.

    Not in the paper; the counterpart of `FramesTrunk`.

    Args:
        modality: See `ImageDecoder`.
        latent_dim: Size of the latent.
        widths: Widths of the hidden layers.
    """

    enlarge_rows: Tensor
    enlarge_columns: Tensor

    def __init__(self, modality: Modality, latent_dim: int, widths: tuple[int, ...]) -> None:
        super().__init__(modality)
        stack, height, width = modality.shape
        self.small = (stack, height // 2, width // 2)
        self.layers = nn.Sequential(layers(latent_dim, widths), nn.Linear(widths[-1], math.prod(self.small)))
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


class SoundDecoder(Decoder):
    """Latent through fully connected layers with SiLU to normalised sound, in [0, 1] over the bounds; always float32.

    Args:
        modality: Sound (stack, receivers, 2) with bounds.
        latent_dim: Size of the latent.
        normalisation: ``min_max`` or ``physical``, see `networks.pendulum_sound`.
        widths: Widths of the hidden layers.

    Raises:
        ValueError: The modality is no such sound, or the normalisation is unknown.
    """

    likelihood: Likelihood = "gaussian"

    def __init__(
        self, modality: Modality, latent_dim: int, normalisation: SoundNormalisation, widths: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.shape = modality.shape
        self.normalise = sound_normalisation(normalisation, modality)
        self.physical = normalisation == "physical"
        self.layers = nn.Sequential(layers(latent_dim, widths), nn.Linear(widths[-1], math.prod(modality.shape)))

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, stack, receivers, 2)."""
        with torch.autocast(latent.device.type, enabled=False):
            outputs: Tensor = self.layers(latent.float())
        return outputs.view(-1, *self.shape)

    def target(self, value: Tensor) -> Tensor:
        """Normalised sound (B, stack, receivers, 2), in [0, 1] over the bounds; ``physical`` saturates outside."""
        with torch.autocast(value.device.type, enabled=False):
            normal: Tensor = self.normalise(value.float())
            if self.physical:
                normal = ((normal + LIMIT) / (2.0 * LIMIT)).clamp(0.0, 1.0)
            return normal.view(-1, *self.shape)

    def raw(self, mean: Tensor) -> Tensor:
        """Frequency in Hz and amplitude (B, stack, receivers, 2)."""
        normal = (2.0 * mean - 1.0) * LIMIT if self.physical else mean
        sound: Tensor = self.normalise.inverse(normal.float())
        return sound
