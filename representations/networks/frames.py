"""How raw values become what convolutions read: shrunk and grey frames, and axes in one order.

Letters: B samples, C channels, H x W a grid.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysense.representations.kinds import grid_order
from anysense.representations.modality import Modality

__all__ = ["Arrangement", "Frames", "area_weights"]

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


class Arrangement:
    """Between the axes of a modality and those that networks read: channels first, then one or two axes.

    Args:
        modality: Of any known kind but a vector.

    Attributes:
        grid: Shape in which networks read it, (channels, ...).
    """

    def __init__(self, modality: Modality) -> None:
        assert modality.kind is not None
        order, wanted = grid_order(modality.kind)
        self.shape, self.grid = modality.shape, modality.grid_shape
        self.there = [order.index(letter) for letter in wanted]
        self.back = [wanted.index(letter) for letter in order]

    def __call__(self, value: Tensor) -> Tensor:
        """Values (B, *shape) as (B, *grid)."""
        return value.permute(0, *(1 + axis for axis in self.there)).reshape(-1, *self.grid)

    def inverse(self, grid: Tensor) -> Tensor:
        """Values (B, *grid) as (B, *shape)."""
        sizes = [self.shape[axis] for axis in self.there]
        return grid.reshape(-1, *sizes).permute(0, *(1 + axis for axis in self.back)).contiguous()


class Frames(nn.Module):
    """Images as their modality asks for them: shrunk by area averaging, in grey, channels first.

    Each pixel is the mean of the area that it covers, also where sizes do not divide. Colours become
    0.299 R + 0.587 G + 0.114 B; an alpha channel is left out. Bytes stay bytes (rounded).

    Args:
        modality: An image; without `Modality.image_size` and `Modality.grey` nothing is done.
    """

    rows: Tensor
    columns: Tensor
    colours: Tensor

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.raw, self.prepared = modality.shape, modality.prepared.shape
        self.asked = modality.prepared is not modality
        if not self.asked:
            return
        self.arranged = Arrangement(modality)
        (channels, height, width), (fewer, *sides) = self.arranged.grid, self.prepared
        self.mixed = channels // fewer
        weights = [1.0] if self.mixed == 1 else [*LUMA, *[0.0] * (self.mixed - 3)]
        for name, values in (
            ("rows", area_weights(height, sides[0])),
            ("columns", area_weights(width, sides[1])),
            ("colours", np.array(weights)),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        """Raw images (B, *shape), or prepared ones as they are, as (B, *prepared shape) in the same dtype."""
        if not self.asked or tuple(value.shape[1:]) == self.prepared:
            return value
        with torch.autocast(value.device.type, enabled=False):
            frames = self.arranged(value).float().contiguous()
            if self.mixed > 1:
                split = frames.view(len(frames), -1, self.mixed, *frames.shape[2:])
                frames = torch.einsum("bscHW,c->bsHW", split, self.colours)
            frames = self.rows @ frames @ self.columns.T
        return frames.round().to(torch.uint8) if value.dtype == torch.uint8 else frames


def area_weights(size: int, smaller: int) -> NDArray[np.float64]:
    """How much each of ``size`` places counts in each of ``smaller`` equal parts, (smaller, size); rows sum to 1."""
    edges, places = np.arange(smaller + 1) * (size / smaller), np.arange(size)
    shared = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    weights: NDArray[np.float64] = np.maximum(shared, 0.0) * (smaller / size)
    return weights
