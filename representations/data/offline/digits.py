"""Pictures of digits: real handwriting of 8x8 pixels, brought to 28x28 with random shape and pen."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

__all__ = ["draw_digits", "handwritten_digits"]

SIZE = 28
_BOX = 0.74
"""Part of the picture that a digit of normal size fills."""
_BATCH = 2000


def handwritten_digits() -> tuple[Tensor, NDArray[np.int64]]:
    """The 1797 digits of scikit-learn (UCI optical recognition): ink float32 (1797, 8, 8) in [0, 1]; labels int64."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return torch.from_numpy(digits.images / 16.0).float(), digits.target.astype(np.int64)


def draw_digits(
    ink: Tensor,
    chosen: NDArray[np.int64],
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """Random variants of sources: turned, stretched, slanted, bent, with another pen: float32 (N, 1, 28, 28) in [0, 1].

    ``ink`` holds the sources, float32 (S, 8, 8) in [0, 1], ``chosen`` the source of each picture, int64 (N,);
    ``progress`` is called with the number of pictures done.
    """
    pictures = torch.empty(len(chosen), 1, SIZE, SIZE)
    for start in range(0, len(chosen), _BATCH):
        sources = ink[torch.from_numpy(chosen[start : start + _BATCH])][:, None]
        grid = _affine_grid(len(sources), rng) + _elastic_grid(len(sources), rng)
        drawn = grid_sample(sources, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
        pictures[start : start + _BATCH] = _with_pen(drawn, rng)
        progress(min(start + _BATCH, len(chosen)))
    return pictures


def _affine_grid(count: int, rng: np.random.Generator) -> Tensor:
    """Where in the source each pixel looks (count, 28, 28, 2), after rotation, slant, scale and shift."""
    angle = np.radians(rng.normal(0, 7, count))
    slant, width, height = rng.normal(0, 0.14, count), rng.uniform(0.8, 1.12, count), rng.uniform(0.88, 1.12, count)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.empty((count, 2, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos / width, (sin + slant * cos) / width
    matrix[:, 1, 0], matrix[:, 1, 1] = -sin / height, (cos - slant * sin) / height
    matrix[:, :, 2] = rng.uniform(-0.09, 0.09, (count, 2))
    matrix[:, :, :2] /= _BOX
    return torch.nn.functional.affine_grid(
        torch.from_numpy(matrix).float(), [count, 1, SIZE, SIZE], align_corners=False
    )


def _elastic_grid(count: int, rng: np.random.Generator) -> Tensor:
    """Smooth random displacements (count, 28, 28, 2)."""
    coarse = torch.from_numpy(rng.normal(0, 0.08, (count, 2, 5, 5))).float()
    return interpolate(coarse, size=(SIZE, SIZE), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)


def _with_pen(drawn: Tensor, rng: np.random.Generator) -> Tensor:
    """Sharper edges; the level that counts as ink decides how thick the stroke is."""
    level = torch.from_numpy(rng.uniform(0.36, 0.57, (len(drawn), 1, 1, 1))).float()
    sharpness = torch.from_numpy(rng.uniform(1.6, 3.2, (len(drawn), 1, 1, 1))).float()
    return (0.5 + sharpness * (drawn - level)).clamp(0, 1)
