"""Encoder and decoder of images that the published methods share (Poklukar et al., ICML 2022).

Letters: B images (stack, height, width).
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Likelihood, ScaledDecoder
from anysense.representations.networks.dense import layers
from anysense.representations.networks.kernels.filled_blocks import silu_convolutions
from anysense.representations.networks.trunk import PreparedTrunk

__all__ = ["ConvolutionDecoder", "ConvolutionTrunk"]

KERNEL, STRIDE, PADDING = 4, 2, 1


class ConvolutionTrunk(PreparedTrunk):
    """Two convolutions (kernel 4, stride 2, padding 1, no bias), flattened place by place, then layers; all with SiLU.

    Args:
        modality: Image (stack, height, width), at least 4 x 4.
        scale: From raw images (B, stack, height, width) to floats in [0, 1].
        channels: Channels after the first and after the second convolution.
        widths: Widths of fully connected layers on top.

    Raises:
        ValueError: The modality is no such image.
    """

    def __init__(
        self, modality: Modality, scale: nn.Module, channels: tuple[int, int], widths: tuple[int, ...]
    ) -> None:
        super().__init__()
        if len(modality.shape) != 3 or min(modality.shape[1:]) < KERNEL:
            raise ValueError(
                f"modality {modality.name!r} must be an image (stack, height, width), {KERNEL} x {KERNEL} or larger; "
                f"got {modality.shape}."
            )
        stack, height, width = modality.shape
        self.scale = scale
        self.first = nn.Conv2d(stack, channels[0], KERNEL, STRIDE, PADDING, bias=False)
        self.second = nn.Conv2d(channels[0], channels[1], KERNEL, STRIDE, PADDING, bias=False)
        flat = channels[1] * (height // 4) * (width // 4)
        self.layers = layers(flat, widths)
        self.feature_dim = widths[-1] if widths else flat

    def prepare(self, value: Tensor) -> Tensor:
        """Images in [0, 1]."""
        scaled: Tensor = self.scale(value)
        return scaled

    def features(self, prepared: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(silu_convolutions(prepared, self.first, self.second))
        return features.float()


class ConvolutionDecoder(ScaledDecoder):
    """Latent through two layers to (channels, height/4, width/4), then two transposed convolutions; SiLU between.

    Args:
        modality: Image (stack, height, width) whose height and width are multiples of 4.
        latent_dim: Size of the latent.
        scale: See `ScaledDecoder`.
        channels: Channels before the second and before the first transposed convolution.
        width: Width of the first layer.
        likelihood: See `Decoder`.
    """

    def __init__(
        self,
        modality: Modality,
        latent_dim: int,
        scale: nn.Module,
        channels: tuple[int, int],
        width: int,
        likelihood: Likelihood,
    ) -> None:
        super().__init__(modality, scale, likelihood)
        stack, height, pixels = modality.shape
        self.start = (channels[1], height // 4, pixels // 4)
        self.layers = layers(latent_dim, (width, math.prod(self.start)))
        self.first = nn.ConvTranspose2d(channels[1], channels[0], KERNEL, STRIDE, PADDING, bias=False)
        self.second = nn.ConvTranspose2d(channels[0], stack, KERNEL, STRIDE, PADDING, bias=False)

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, stack, height, width)."""
        hidden = functional.silu(self.first(self.layers(latent).view(-1, *self.start)))
        pixels: Tensor = self.second(hidden)
        return pixels
