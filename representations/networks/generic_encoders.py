"""Encoders for data that no other family knows, chosen by the shape of a modality."""

import math

from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.dense import layers
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.trunk import Trunk

__all__ = ["HIDDEN", "GridTrunk", "SequenceTrunk", "VectorTrunk", "grid_channels"]

HIDDEN = 256
"""Width of fully connected layers."""
CHANNELS = 64
"""Most channels of a convolution."""
SMALLEST_SIDE = 4
"""Layers over a grid go on halving until its longer side is no longer than this."""


class Centred(nn.Module):
    """Raw values as float32 around 0: [-1, 1] over the bounds.

    Without bounds sign(x) * log(1 + abs(x)), which is finite for every finite input and keeps small values apart.
    """

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.unit = UnitInterval(modality) if modality.dtype == "uint8" or modality.low is not None else None

    def forward(self, value: Tensor) -> Tensor:
        """Values of the same shape."""
        if self.unit is None:
            return value.float().sign() * value.float().abs().log1p()
        unit: Tensor = self.unit(value)
        return 2.0 * unit - 1.0


class VectorTrunk(Trunk):
    """A vector (B, N) through two fully connected layers with SiLU."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.centre = Centred(modality)
        self.layers = layers(math.prod(modality.shape), (HIDDEN, HIDDEN))
        self.feature_dim = HIDDEN

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(self.centre(value).flatten(1))
        return features.float()


class SequenceTrunk(Trunk):
    """A sequence (B, T, F): convolutions over time that halve it, then one fully connected layer; all with SiLU."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        steps, inputs = modality.shape
        self.centre = Centred(modality)
        self.convolutions = nn.Sequential(nn.Conv1d(inputs, CHANNELS, 3, 1, 1), nn.SiLU())
        while steps > SMALLEST_SIDE:
            self.convolutions.extend([nn.Conv1d(CHANNELS, CHANNELS, 3, 2, 1), nn.SiLU()])
            steps = math.ceil(steps / 2)
        self.layers = layers(CHANNELS * steps, (HIDDEN,))
        self.feature_dim = HIDDEN

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        hidden = self.convolutions(self.centre(value).transpose(1, 2))
        features: Tensor = self.layers(hidden.flatten(1))
        return features.float()


class GridTrunk(Trunk):
    """Image or spectrogram (B, C, H, W): convolutions that halve it, then one fully connected layer; all with SiLU."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        inputs, *sides = modality.shape
        self.centre = Centred(modality)
        self.convolutions = nn.Sequential()
        for channels in grid_channels(modality):
            self.convolutions.extend([nn.Conv2d(inputs, channels, 3, 2, 1), nn.SiLU()])
            inputs, sides = channels, [math.ceil(side / 2) for side in sides]
        self.layers = layers(inputs * math.prod(sides), (HIDDEN,))
        self.feature_dim = HIDDEN

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(self.convolutions(self.centre(value)).flatten(1))
        return features.float()


def grid_channels(modality: Modality) -> tuple[int, ...]:
    """Channels after each layer that halves the grid (C, H, W); at least one layer."""
    count = max(1, math.ceil(math.log2(max(modality.shape[1:]) / SMALLEST_SIDE)))
    return tuple(min(CHANNELS, 16 * 2**layer) for layer in range(count))
