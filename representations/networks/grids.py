"""Encoder and decoder of images and spectrograms of any size.

Letters: B samples, C channels, H x W a grid.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import ScaledDecoder
from anysense.representations.networks.dense import layers
from anysense.representations.networks.frames import Arrangement, Frames
from anysense.representations.networks.padding import without_padding
from anysense.representations.networks.scaling import Centred, UnitInterval
from anysense.representations.networks.trunk import ConvolutionTrunk

__all__ = ["GridDecoder", "GridTrunk", "first_step", "grid_channels"]

CHANNELS = 64
"""Most channels of a convolution."""
SMALLEST_SIDE = 4
"""Layers over a grid go on halving until its longer side is no longer than this."""
LONGEST_SIDE, COARSE_SIDE = 128, 48
"""A grid with a side longer than the first is read in steps after which no side is longer than the second."""


class GridTrunk(ConvolutionTrunk):
    """Image or spectrogram: convolutions that halve the grid, then one fully connected layer; all with SiLU.

    The first convolution of a grid with a side longer than 128 takes larger steps.

    Args:
        modality: An image or a spectrogram of known kind.
        width: Number of features.
    """

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.feature_dim = width
        self.frames, seen = Frames(modality), modality.prepared
        self.centre, self.arranged = Centred(seen), Arrangement(seen)
        inputs, *sides = self.arranged.grid
        step = first_step(sides)
        self.convolutions = nn.Sequential()
        for channels in grid_channels(sides):
            self.convolutions.extend([nn.Conv2d(inputs, channels, step | 1, step, step // 2), nn.SiLU()])
            inputs, sides, step = channels, [math.ceil(side / step) for side in sides], 2
        self.layers = layers(inputs * math.prod(sides), (width,))

    def prepare(self, value: Tensor) -> Tensor:
        """Frames (B, C, H, W) around 0, from raw ones."""
        return self.arranged(self.centre(self.frames(value)))


class GridDecoder(ScaledDecoder):
    """Latent through fully connected layers to a small grid, then transposed convolutions that double it.

    Decoded units are (C, H, W). A grid with a side longer than 128 is decoded as the means of blocks, which stand for
    all places of the block in the raw value.

    Args:
        modality: An image or a spectrogram of known kind.
        latent_dim: Size of the latent.
        width: Width of the first layer.
    """

    def __init__(self, modality: Modality, latent_dim: int, width: int) -> None:
        seen = modality.prepared
        super().__init__(seen, UnitInterval(seen, clamped=True), "gaussian")
        self.frames, self.arranged = Frames(modality), Arrangement(seen)
        outputs, *sides = self.arranged.grid
        self.block = 1 if max(sides) <= LONGEST_SIDE else first_step(sides)
        sides = [math.ceil(side / self.block) for side in sides]
        self.shape = (outputs, *sides)
        channels = grid_channels(sides)[::-1]
        self.start = (channels[0], *(math.ceil(side / 2 ** len(channels)) for side in sides))
        self.layers = layers(latent_dim, (width, math.prod(self.start)))
        self.convolutions = nn.Sequential()
        for inputs, made in zip(channels, (*channels[1:], outputs), strict=True):
            self.convolutions.extend([nn.ConvTranspose2d(inputs, made, 4, 2, 1), nn.SiLU()])
        del self.convolutions[-1]

    def logits(self, latent: Tensor) -> Tensor:
        """Logits (B, C, H, W); what reaches over the edge is cut off."""
        pixels: Tensor = self.convolutions(self.layers(latent).view(-1, *self.start))
        return pixels[..., : self.shape[1], : self.shape[2]].contiguous()

    def target(self, value: Tensor) -> Tensor:
        """Raw values in [0, 1], (B, C, H, W)."""
        grid = self.arranged(self.scale(self.frames(value)))
        if self.block == 1:
            return grid
        grid, padding = without_padding(grid)
        means = functional.avg_pool2d(grid, self.block, ceil_mode=True)
        if padding is None:
            return means
        # Means of what is no padding; a block of nothing else is 0 / 0, padding again.
        return means / functional.avg_pool2d((~padding).float(), self.block, ceil_mode=True)

    def raw(self, mean: Tensor) -> Tensor:
        """Decoded units in raw ones: of the shape of the modality, or of the prepared frames."""
        _, height, width = self.arranged.grid
        if self.block > 1:
            mean = mean.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)[..., :height, :width]
        return super().raw(self.arranged.inverse(mean))


def first_step(sides: Sequence[int]) -> int:
    """Stride of the first convolution."""
    return 2 if max(sides) <= LONGEST_SIDE else math.ceil(max(sides) / COARSE_SIDE)


def grid_channels(sides: Sequence[int]) -> tuple[int, ...]:
    """Channels after each convolution over a grid with the given sides; at least one."""
    left = max(sides) if max(sides) <= LONGEST_SIDE else 2 * math.ceil(max(sides) / first_step(sides))
    count = max(1, math.ceil(math.log2(left / SMALLEST_SIDE)))
    return tuple(min(CHANNELS, 16 * 2**layer) for layer in range(count))
