"""The hand-written computations of `representations/networks/kernels`, each against its best plain form in torch.

Both sides have the same weights and inputs of real size, and are checked to give the same values first. They take turns
in one process, forward and backward, and what counts is the ratio of their processor times in the same round: other
programs on the machine then slow down both.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.envs.pendulum.raster import rod_frame
from anysense.representations.data.offline.digits import draw_digits, handwritten_digits
from anysense.representations.modality import Modality
from anysense.representations.networks.kernels.dropout import dropped
from anysense.representations.networks.kernels.filled_blocks import silu_convolutions
from anysense.representations.networks.kernels.stacked_transformer import StackedTransformer, normalised
from anysense.representations.networks.mult import MulT
from bench.measure import SMOKE, Bench, Figure, ratio
from bench.mosei import FEATURES, STEPS
from tests.oracles import convolutions
from tests.oracles.mult import PlainMulT, batched_cross, columns_norm, shared_parameters

__all__ = ["LEAST_RATIO", "Pair", "Part", "milliseconds", "pairs"]

LEAST_RATIO = 1.3
"""What does not reach this goes, and the plain form takes its place."""


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Processor time of each hand-written computation, forward and backward, against its best plain form."""

    smoke: ClassVar = {**SMOKE, "repeats": 1, "rows": 2}

    repeats: int = 9
    """How often each side is measured; the medians are reported."""
    seconds: float = 0.5
    """Processor time of one measurement."""
    device: Literal["cpu"] = "cpu"
    """The kernels are for processors."""
    threads: int | None = 1
    """Processor threads of torch."""
    rows: int = 24
    """Batch size of the transformers."""

    def measure(self) -> list[Figure]:
        """Milliseconds of both sides of each computation, and how many times faster ours is."""
        figures = []
        for pair in pairs(self.seed, self.rows):
            plain, ours = milliseconds(pair, self.repeats, self.seconds)
            figures += [
                Figure(f"{pair.name}: {pair.plain_form}", "ms", plain),
                Figure(f"{pair.name}: ours", "ms", ours),
                ratio(f"{pair.name}: ours against plain", plain, ours, target=LEAST_RATIO),
            ]
        return figures


class Pair(NamedTuple):
    """One computation, done both ways; ``modules`` are put into evaluation mode to compare values."""

    name: str
    plain_form: str
    ours: Callable[[], Tensor]
    plain: Callable[[], Tensor]
    modules: Sequence[nn.Module] = ()
    random: bool = False


def pairs(seed: int, rows: int) -> list[Pair]:
    """All comparisons; ``rows`` is the batch size of transformers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [*_convolutions(seed), *_layers(rows), *_transformers(rows)]


def _convolutions(seed: int) -> list[Pair]:
    rng = np.random.default_rng(seed)
    rods = torch.from_numpy(rod_frame(rng.uniform(-np.pi, np.pi, (512, 1)) + np.array([-0.1, 0.0]))) / 255.0
    ink, _ = handwritten_digits()
    digits = draw_digits(ink, rng.integers(0, len(ink), 64), rng)
    cases = (("128 pairs of frames", rods[:128], 32), ("512 pairs of frames", rods, 32), ("64 digits", digits, 64))
    return [_convolution(name, images, channels) for name, images, channels in cases]


def _convolution(name: str, images: Tensor, channels: int) -> Pair:
    first = nn.Conv2d(images.shape[1], channels, 4, 2, 1, bias=False)
    second = nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False)
    return Pair(
        f"convolutions of {name}",
        "conv2d, channels last",
        lambda: silu_convolutions(images, first, second),
        lambda: convolutions.silu_convolutions(images, first.weight, second.weight),
    )


def _layers(rows: int) -> list[Pair]:
    columns = torch.randn(6, 30, rows * STEPS, requires_grad=True)
    hidden = torch.randn(6, 120, rows * STEPS, requires_grad=True)
    return [
        Pair(
            f"layer norm of 6 x {rows * STEPS} columns of 30 channels",
            "the same sums by autograd",
            lambda: normalised(columns),
            lambda: columns_norm(columns),
        ),
        Pair(
            f"dropout of 6 x 120 x {rows * STEPS} numbers",
            "torch's dropout",
            lambda: dropped(hidden, 0.1, training=True),
            lambda: functional.dropout(hidden, 0.1),
            random=True,
        ),
    ]


def _transformers(rows: int) -> list[Pair]:
    inputs = {name: torch.randn(rows, STEPS, size) for name, size in FEATURES.items()}
    ours = MulT({name: Modality(name, (STEPS, size), "float32") for name, size in FEATURES.items()}, 60)
    plain = PlainMulT(FEATURES)
    with torch.no_grad():
        for mine, other, where in shared_parameters(ours, plain):
            mine.copy_(other[where].view(mine.shape))
    stack = StackedTransformer([0.0] * 4 + [0.1] * 2, width=30, heads=5, layers=5)
    query, key, value = streams = [torch.randn(6, 30, rows * STEPS, requires_grad=True) for _ in range(3)]
    by_row = [stream.detach().view(6, 30, rows, STEPS).permute(0, 2, 3, 1).contiguous() for stream in streams]
    by_row = [stream.requires_grad_() for stream in by_row]
    return [
        Pair(
            f"multimodal transformer, {rows} rows",
            "9 stacks of MultiheadAttention",
            lambda: ours(inputs),
            lambda: plain(inputs),
            (ours, plain),
        ),
        Pair(
            f"6 cross-modal transformers, {rows} rows",
            "batched scaled_dot_product_attention",
            lambda: stack.cross(query, key, value, rows),
            lambda: batched_cross(stack, *by_row).permute(0, 3, 1, 2).flatten(2),
            (stack,),
        ),
    ]


def milliseconds(pair: Pair, repeats: int, seconds: float) -> tuple[list[float], list[float]]:
    """Processor milliseconds of the plain side and of ours in each round.

    Raises:
        ArithmeticError: The two sides do not give the same values.
    """
    _check(pair)
    sides = [_with_backward(pair.plain), _with_backward(pair.ours)]
    counts = [max(1, int(seconds / max(_milliseconds(side, 1) / 1e3, 1e-6))) for side in sides]
    rounds: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats):
        for side in (0, 1) if repeat % 2 else (1, 0):
            rounds[side].append(_milliseconds(sides[side], counts[side]))
    return rounds


def _check(pair: Pair) -> None:
    for module in pair.modules:
        module.eval()
    ours, plain = pair.ours().detach(), pair.plain().detach()
    for module in pair.modules:
        module.train()
    if not pair.random and not torch.allclose(ours, plain, rtol=1e-3, atol=1e-4):
        raise ArithmeticError(
            f"{pair.name}: the two sides must give the same values; they differ by {(ours - plain).abs().max():g}."
        )


def _with_backward(forward: Callable[[], Tensor]) -> Callable[[], None]:
    along = torch.randn_like(forward().detach())

    def work() -> None:
        torch.autograd.backward(forward(), along)

    work()
    return work


def _milliseconds(work: Callable[[], None], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        work()
    return 1e3 * (time.process_time() - start) / count
