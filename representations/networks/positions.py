"""Sinusoidal positions of time steps, with the rule that makes padded steps positionless.

Letters: B rows, T time steps, D channels.
"""

import math

import torch
from torch import Tensor

__all__ = ["positioned", "sinusoid"]


def sinusoid(steps: int, width: int) -> Tensor:
    """Table (steps + 1, width) of positions, float32; row 0 is zero and stands for padding.

    Row p is ``[sin(p f_0) .. sin(p f_h-1), cos(p f_0) .. cos(p f_h-1)]`` with ``h = width // 2`` and
    ``f_i = 10000 ** (-i / (h - 1))``; an odd width ends in a column of zeros. (Vaswani et al., "Attention is all you
    need", 2017, section 3.5, not interleaved.)

    Raises:
        ValueError: ``width`` is below 4, or ``steps`` below 1.
    """
    if width < 4 or steps < 1:
        raise ValueError(f"`width` must be at least 4 and `steps` at least 1; got {width} and {steps}.")
    half = width // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float64) * (-math.log(10_000.0) / (half - 1)))
    angles = torch.arange(steps + 1, dtype=torch.float64)[:, None] * frequencies
    table = torch.zeros(steps + 1, width, dtype=torch.float64)
    table[1:, :half], table[1:, half : 2 * half] = angles[1:].sin(), angles[1:].cos()
    return table.float()


def positioned(frames: Tensor, table: Tensor) -> Tensor:
    """``sqrt(D) * frames`` plus the position of each step: step t (from 0) has position t + 1.

    A step whose channel 0 is exactly 0 counts as padding and gets no position; the steps after it are not shifted.
    Frames of zeros stay zeros when they are projected without a bias, so padding is found after the projection.

    Args:
        frames: (..., D, B, T), channels first.
        table: (T + 1 or more, D) from `sinusoid`.
    """
    width, steps = frames.shape[-3], frames.shape[-1]
    positions = table[1 : steps + 1].T[:, None, :].to(frames.dtype)
    filled = (frames.narrow(-3, 0, 1) != 0.0).to(frames.dtype)
    return torch.addcmul(math.sqrt(width) * frames, positions, filled)
