"""Convolutions over time, kernel 4, stride 2, padding 1, as one matrix product on pairs of steps.

The two of a pair of steps sit next to each other in memory, so a window of four steps is two neighbouring pairs: the
product of every pair with both halves of the kernel, shifted by one pair and added, is the convolution, without copying
overlapping windows. Time comes before channels: (B, time, channels).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["DoubleTime", "HalveTime"]

TAPS = 4


class HalveTime(nn.Module):
    """Convolution (B, T, inputs) to (B, T/2, outputs) for even T; no bias.

    Attributes:
        weight: (2 * outputs, 2 * inputs): rows by half of the kernel, columns by tap of that half. Drawn as
            ``nn.Conv1d`` draws its weights.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.empty(2 * outputs, 2 * inputs))
        bound = 1.0 / math.sqrt(TAPS * inputs)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, value: Tensor) -> Tensor:
        """The convolution."""
        rows, steps, inputs = value.shape
        pairs = functional.pad(value, (0, 0, 1, 1)).view(rows, steps // 2 + 1, 2 * inputs)
        halves = functional.linear(pairs, self.weight)
        return halves[:, :-1, : self.outputs] + halves[:, 1:, self.outputs :]


class DoubleTime(nn.Module):
    """Transposed convolution (B, T, inputs) to (B, 2T, outputs); no bias.

    Attributes:
        weight: (4 * outputs, inputs): rows by tap of the kernel. Drawn as ``nn.ConvTranspose1d`` draws its weights.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.empty(TAPS * outputs, inputs))
        bound = 1.0 / math.sqrt(TAPS * outputs)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, value: Tensor) -> Tensor:
        """The transposed convolution."""
        rows, steps, _ = value.shape
        first, last = torch.split(functional.linear(value, self.weight), 2 * self.outputs, dim=2)
        pairs = functional.pad(first, (0, 0, 0, 1)) + functional.pad(last, (0, 0, 1, 0))
        return pairs.view(rows, 2 * steps + 2, self.outputs)[:, 1:-1]
