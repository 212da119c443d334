"""Convolutions over time, kernel 4, stride 2, padding 1, as one matrix product on pairs of steps.

The two of a pair of steps sit next to each other in memory, so a window of four steps is two neighbouring pairs: the
product of every pair with both halves of the kernel, shifted by one pair and added, is the convolution, without copying
overlapping windows. Time comes before channels: (B, time, channels).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
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
        """The convolution; follows autocast."""
        weight, device = self.weight, value.device.type
        if torch.is_autocast_enabled(device):
            precision = torch.get_autocast_dtype(device)
            value, weight = value.to(precision), weight.to(precision)
        convolved: Tensor = _Halving.apply(value, weight)
        return convolved


class _Halving(torch.autograd.Function):
    """The samples of a batch form one long row of pairs: the sum for the last pair of each is computed in vain."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor) -> Tensor:
        """Values (B, T, inputs) and weight (2 * outputs, 2 * inputs) to (B, T/2, outputs)."""
        rows, steps, inputs = value.shape
        pairs = functional.pad(value, (0, 0, 1, 1)).view(-1, 2 * inputs)
        ctx.save_for_backward(pairs, weight)
        ctx.shape = value.shape
        early, late = weight.chunk(2)
        convolved = pairs @ early.t()
        convolved[:-1].addmm_(pairs[1:], late.t())
        return convolved.view(rows, steps // 2 + 1, -1)[:, :-1]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of values and weight."""
        pairs, weight = ctx.saved_tensors
        rows, steps, inputs = ctx.shape
        early, late = weight.chunk(2)
        gradient = functional.pad(gradient, (0, 0, 0, 1)).view(len(pairs), -1)
        of_pairs = gradient @ early
        of_pairs[1:].addmm_(gradient[:-1], late)
        of_weight = torch.cat([gradient.t() @ pairs, gradient[:-1].t() @ pairs[1:]])
        return of_pairs.view(rows, steps + 2, inputs)[:, 1:-1], of_weight


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
