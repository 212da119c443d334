"""The decoder of images that the published baselines share (Poklukar et al., ICML 2022)."""

import math

from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Likelihood, ScaledDecoder
from anysense.representations.networks.dense import layers

__all__ = ["ConvolutionDecoder"]


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
        self.first = nn.ConvTranspose2d(channels[1], channels[0], 4, 2, 1, bias=False)
        self.second = nn.ConvTranspose2d(channels[0], stack, 4, 2, 1, bias=False)

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, stack, height, width)."""
        hidden = functional.silu(self.first(self.layers(latent).view(-1, *self.start)))
        pixels: Tensor = self.second(hidden)
        return pixels
