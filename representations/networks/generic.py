"""Networks for any data: small encoders and decoders chosen by dtype and shape alone."""

import math
from typing import ClassVar

from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks, no_network
from anysense.representations.networks.decoder import Decoder, ScaledDecoder
from anysense.representations.networks.dense import DenseDecoder, DenseTrunk, layers
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.trunk import Trunk

__all__ = ["GenericNetworks", "GridDecoder", "GridTrunk", "SequenceTrunk", "grid_channels"]

HIDDEN = 256
"""Width of fully connected layers."""
CHANNELS = 64
"""Most channels of a convolution."""
SMALLEST_SIDE = 4
"""Layers over a grid go on halving until its longer side is no longer than this."""
KNOWN = "uint8 images (channels, height, width) and float32 arrays"


class GenericNetworks(Networks):
    """A sensible start for your own data.

    ============================================== ======================= ==========================
    modality                                       encoder                 decoder
    ============================================== ======================= ==========================
    uint8 (channels, height, width): image         convolutions            transposed convolutions
    float32 (channels, T, F): spectrogram          convolutions            transposed convolutions
    float32 (T, F): sequence                       convolutions over time  fully connected
    float32 (N,), or of more axes: vector          fully connected         fully connected
    ============================================== ======================= ==========================

    Bounds scale the input; without them an encoder squashes it by a logarithm, and there is no decoder. For another
    encoder or decoder of some modalities see `networks.catalogue.PerModality`.
    """

    name: ClassVar[str] = "generic"

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder, of 256 features."""
        match _axes(modality, "encoder"):
            case 3:
                return GridTrunk(modality)
            case 2:
                return SequenceTrunk(modality)
            case _:
                return DenseTrunk(modality, Centred(modality), (HIDDEN, HIDDEN))

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder of squared errors; ValueError for a float32 modality without bounds."""
        if _axes(modality, "decoder") == 3:
            return GridDecoder(modality, latent_dim)
        return DenseDecoder(modality, latent_dim, UnitInterval(modality, clamped=True), (HIDDEN, HIDDEN))


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


class SequenceTrunk(Trunk):
    """A sequence (B, T, F): convolutions over time that halve it, then one fully connected layer; all with SiLU."""

    feature_dim = HIDDEN

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        steps, inputs = modality.shape
        self.centre = Centred(modality)
        self.convolutions = nn.Sequential(nn.Conv1d(inputs, CHANNELS, 3, 1, 1), nn.SiLU())
        while steps > SMALLEST_SIDE:
            self.convolutions.extend([nn.Conv1d(CHANNELS, CHANNELS, 3, 2, 1), nn.SiLU()])
            steps = math.ceil(steps / 2)
        self.layers = layers(CHANNELS * steps, (HIDDEN,))

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(self.convolutions(self.centre(value).transpose(1, 2)).flatten(1))
        return features.float()


class GridTrunk(Trunk):
    """Image or spectrogram (B, C, H, W): convolutions that halve it, then one fully connected layer; all with SiLU."""

    feature_dim = HIDDEN

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        inputs, *sides = modality.shape
        self.centre = Centred(modality)
        self.convolutions = nn.Sequential()
        for channels in grid_channels(modality):
            self.convolutions.extend([nn.Conv2d(inputs, channels, 3, 2, 1), nn.SiLU()])
            inputs, sides = channels, [math.ceil(side / 2) for side in sides]
        self.layers = layers(inputs * math.prod(sides), (HIDDEN,))

    def forward(self, value: Tensor) -> Tensor:
        """Features (B, feature_dim)."""
        features: Tensor = self.layers(self.convolutions(self.centre(value)).flatten(1))
        return features.float()


class GridDecoder(ScaledDecoder):
    """Latent through fully connected layers to a small grid, then transposed convolutions that double it."""

    def __init__(self, modality: Modality, latent_dim: int) -> None:
        super().__init__(modality, UnitInterval(modality, clamped=True), "gaussian")
        channels = grid_channels(modality)[::-1]
        self.start = (channels[0], *(math.ceil(side / 2 ** len(channels)) for side in modality.shape[1:]))
        self.layers = layers(latent_dim, (HIDDEN, math.prod(self.start)))
        self.convolutions = nn.Sequential()
        for inputs, outputs in zip(channels, (*channels[1:], modality.shape[0]), strict=True):
            self.convolutions.extend([nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.SiLU()])
        del self.convolutions[-1]

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, C, H, W); what reaches over the edge is cut off."""
        pixels: Tensor = self.convolutions(self.layers(latent).view(-1, *self.start))
        return pixels[..., : self.shape[1], : self.shape[2]].contiguous()


def grid_channels(modality: Modality) -> tuple[int, ...]:
    """Channels after each layer that halves the grid (C, H, W); at least one layer."""
    count = max(1, math.ceil(math.log2(max(modality.shape[1:]) / SMALLEST_SIDE)))
    return tuple(min(CHANNELS, 16 * 2**layer) for layer in range(count))


def _axes(modality: Modality, part: str) -> int:
    """Number of axes; ValueError for bytes that are no image."""
    axes = len(modality.shape)
    if modality.dtype == "uint8" and axes != 3:
        raise ValueError(no_network(modality, part, "generic", KNOWN))
    return axes
