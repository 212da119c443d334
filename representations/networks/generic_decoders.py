"""Decoders for data that no other family knows, mirror images of the encoders; squared error in [0, 1]."""

import math

from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Decoder, Likelihood
from anysense.representations.networks.dense import layers
from anysense.representations.networks.generic_encoders import HIDDEN, grid_channels
from anysense.representations.networks.scaling import UnitInterval

__all__ = ["DenseDecoder", "GridDecoder"]


class GenericDecoder(Decoder):
    """What all have in common: decoded units are the raw ones, scaled to [0, 1] over the bounds.

    Raises:
        ValueError: A float32 modality has no bounds, so the range of the output is unknown.
    """

    likelihood: Likelihood = "gaussian"

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        if modality.dtype != "uint8" and modality.low is None:
            raise ValueError(
                f"modality {modality.name!r} has no bounds, so its decoder does not know what range to decode to; "
                "give the modality `low` and `high`."
            )
        self.shape = modality.shape
        self.scale = UnitInterval(modality)

    def target(self, value: Tensor) -> Tensor:
        """Raw observation (B, *shape) in [0, 1] over the bounds, clamped to it."""
        target: Tensor = self.scale(value)
        return target.clamp(0.0, 1.0)

    def raw(self, mean: Tensor) -> Tensor:
        """Decoded units (B, *shape) in raw ones."""
        return self.scale.inverse(mean)


class DenseDecoder(GenericDecoder):
    """Latent through two fully connected layers with SiLU to all entries of any shape."""

    def __init__(self, modality: Modality, latent_dim: int) -> None:
        super().__init__(modality)
        self.layers = nn.Sequential(layers(latent_dim, (HIDDEN, HIDDEN)), nn.Linear(HIDDEN, math.prod(modality.shape)))

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, *shape)."""
        outputs: Tensor = self.layers(latent)
        return outputs.view(-1, *self.shape)


class GridDecoder(GenericDecoder):
    """Latent through fully connected layers to a small grid, then transposed convolutions that double it."""

    def __init__(self, modality: Modality, latent_dim: int) -> None:
        super().__init__(modality)
        channels = grid_channels(modality)[::-1]
        sides = [math.ceil(side / 2 ** len(channels)) for side in modality.shape[1:]]
        self.start = (channels[0], *sides)
        self.layers = layers(latent_dim, (HIDDEN, math.prod(self.start)))
        self.convolutions = nn.Sequential()
        for inputs, outputs in zip(channels, (*channels[1:], modality.shape[0]), strict=True):
            self.convolutions.extend([nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.SiLU()])
        del self.convolutions[-1]

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, C, H, W); what reaches over the edge is cut off."""
        pixels: Tensor = self.convolutions(self.layers(latent).view(-1, *self.start))
        return pixels[..., : self.shape[1], : self.shape[2]].contiguous()
