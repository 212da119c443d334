"""Convolutions over time, kernel 4, stride 2, padding 1, as matrix products without copies of overlapping windows."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["DoubleTime", "HalveTime", "halving_order"]

TAPS = 4


class HalveTime(nn.Module):
    """Convolution (T, B, inputs) to (T/2, B, outputs) for even T; no bias. Even times come first, then odd ones.

    So every tap of the kernel reads rows that are next to each other: the convolution is a sum of matrix products, and
    nothing is copied.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        steps: T.
        later: How many more halvings follow; their even times come first, too. See `halving_order`.

    Attributes:
        weight: (2 * outputs, 2 * inputs): rows by half of the kernel, columns by tap of that half. Drawn as
            ``nn.Conv1d`` draws its weights.
    """

    def __init__(self, inputs: int, outputs: int, steps: int, later: int = 0) -> None:
        super().__init__()
        self.runs = _runs(halving_order(steps, later + 1), halving_order(steps // 2, later))
        self.weight = nn.Parameter(torch.empty(2 * outputs, 2 * inputs))
        bound = 1.0 / math.sqrt(TAPS * inputs)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, value: Tensor) -> Tensor:
        """The convolution; follows autocast."""
        weight: Tensor = self.weight
        if torch.is_autocast_enabled(value.device.type):
            precision = torch.get_autocast_dtype(value.device.type)
            value, weight = value.to(precision), weight.to(precision)
        convolved: Tensor = _Halving.apply(value, weight, self.runs)  # type: ignore[no-untyped-call]
        return convolved


class Run(NamedTuple):
    """Times that follow each other in input and output: a tap of the kernel, both starts, how many."""

    tap: int
    read: int
    written: int
    length: int


class _Halving(torch.autograd.Function):
    """Sum over runs of a slice of the input times the weight of the tap."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor, runs: tuple[Run, ...]) -> Tensor:
        """Values (T, B, inputs) and weight (2 * outputs, 2 * inputs) to (T/2, B, outputs)."""
        steps, rows, inputs = value.shape
        ctx.save_for_backward(value, weight)
        ctx.runs = runs
        convolved = value.new_zeros(steps // 2, rows, len(weight) // 2)
        for run in runs:
            read, written = _slices(value, convolved, run)
            written.addmm_(read, _tap(weight, run, inputs).t())
        return convolved

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of values and weight."""
        value, weight = ctx.saved_tensors
        gradient, inputs = gradient.contiguous(), value.shape[2]
        of_value, of_weight = torch.zeros_like(value), torch.zeros_like(weight)
        for run in ctx.runs:
            read, written = _slices(value, gradient, run)
            _slices(of_value, gradient, run)[0].addmm_(written, _tap(weight, run, inputs))
            _tap(of_weight, run, inputs).addmm_(written.t(), read)
        return of_value, of_weight, None


def halving_order(steps: int, halvings: int) -> list[int]:
    """Times 0 to ``steps`` - 1 in the order that so many halvings want: even ones first, and so on in both parts."""
    if halvings == 0:
        return list(range(steps))
    half = halving_order(steps // 2, halvings - 1)
    return [2 * time for time in half] + [2 * time + 1 for time in half]


def _runs(read: list[int], written: list[int]) -> tuple[Run, ...]:
    """Runs that make up the convolution, for the times of the input and of the output in their order."""
    places = {time: place for place, time in enumerate(read)}
    runs: list[Run] = []
    for tap in range(TAPS):
        for place, time in enumerate(written):
            source = places.get(2 * time + tap - 1)
            if source is None:
                continue
            last = runs[-1] if runs else None
            if last and last.tap == tap and (last.read + last.length, last.written + last.length) == (source, place):
                runs[-1] = last._replace(length=last.length + 1)
            else:
                runs.append(Run(tap, source, place, 1))
    return tuple(runs)


def _slices(value: Tensor, convolved: Tensor, run: Run) -> tuple[Tensor, Tensor]:
    """What a run reads and writes, (length * B, channels) each."""
    read = value[run.read : run.read + run.length].view(-1, value.shape[2])
    return read, convolved[run.written : run.written + run.length].view(-1, convolved.shape[2])


def _tap(weight: Tensor, run: Run, inputs: int) -> Tensor:
    """Weight (outputs, inputs) of the tap of a run."""
    half, part = divmod(run.tap, 2)
    return weight.chunk(2)[half][:, part * inputs : (part + 1) * inputs]


class DoubleTime(nn.Module):
    """Transposed convolution (B, T, inputs) to (B, 2T, outputs); no bias.

    Every step makes two pairs of steps, one product for both; neighbouring pairs overlap by one and are added.

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
