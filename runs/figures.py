"""Pictures: functions that draw data on axes. Nothing here reads a run or computes a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anysense.runs.files import atomic_write_bytes

__all__ = ["Bar", "draw_bars", "draw_episode", "draw_learning_curves", "new_axes", "save_figure"]

CURVE_RANGE = 0.15
"""Average reward per step that a learning curve shows below its best value."""

FloatArray = npt.NDArray[np.float64]

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its mean and the interval around it."""

    label: str
    mean: float
    low: float
    high: float


def new_axes(width: float = 7.0, height: float = 4.0) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, without pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def save_figure(figure: Figure, path: str | Path, dpi: int = 130) -> Path:
    """Write the figure as PNG, completely or not at all."""
    image = BytesIO()
    figure.savefig(image, format="png", dpi=dpi, metadata={"Software": None})
    return atomic_write_bytes(path, image.getvalue())


def draw_bars(
    bars: Sequence[Bar], references: Mapping[str, float], ylabel: str, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """One bar per condition with its interval, and dashed lines for the reference controllers.

    References that would squeeze the bars (further than three times the span of bars and optimum) are named in the
    title instead of drawn.
    """
    figure, ax = _figure_of(ax)
    places = np.arange(len(bars))
    means = np.array([bar.mean for bar in bars])
    errors = np.array([[bar.mean - bar.low, bar.high - bar.mean] for bar in bars]).T
    ax.bar(places, means, yerr=errors, capsize=4, color=_COLOURS[0], width=0.6)
    ax.set_xticks(
        places,
        [bar.label for bar in bars],
        rotation=20 if len(bars) > 4 else 0,
        ha="right" if len(bars) > 4 else "center",
    )
    depth = 1.3 * min(bar.low for bar in bars)
    outside = {name: value for name, value in references.items() if value < depth}
    for index, (name, value) in enumerate(references.items()):
        if name not in outside:
            ax.axhline(value, linestyle="--", color=_COLOURS[1 + index % 5], label=f"{name} {value:.3f}")
    for place, mean in zip(places, means, strict=True):
        ax.annotate(f"{mean:.3f}", (place, mean / 2), ha="center", color="white")
    if outside:
        ax.set_title(
            "below the chart: " + ", ".join(f"{name} {value:.2f}" for name, value in outside.items()), fontsize=9
        )
    if len(outside) < len(references):
        ax.legend(loc="lower right")
    if depth < 0.0:
        ax.set_ylim(depth, 0.0)  # leaves room for the legend below the bars
    ax.set_ylabel(ylabel)
    return figure, ax


def draw_learning_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    ylabel: str,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """One line per name: (environment steps, value at each of them).

    Values more than `CURVE_RANGE` below the best one leave the picture at the bottom, so that the end can be read.
    """
    figure, ax = _figure_of(ax)
    for index, (name, (steps, values)) in enumerate(curves.items()):
        ax.plot(steps, values, marker="o", markersize=3, color=_COLOURS[index % len(_COLOURS)], label=name)
    values = [value for _, curve in curves.values() for value in curve]
    if values and min(values) < max(values) - CURVE_RANGE:
        ax.set_ylim(max(values) - CURVE_RANGE, max(values) + 0.1 * CURVE_RANGE)
    ax.set_xlabel("environment steps")
    ax.set_ylabel(ylabel)
    if curves:
        ax.legend(loc="lower right")
    return figure, ax


def draw_episode(
    frames: npt.NDArray[np.uint8],
    sounds: npt.NDArray[np.float32],
    receivers: Sequence[str],
    time_step: float,
    every: int,
) -> Figure:
    """What is seen and what is heard over one episode.

    Args:
        frames: (T, 60, 60), one frame per step.
        sounds: (T, R, 2), frequency in Hz and amplitude per receiver.
        receivers: R names.
        time_step: seconds between two steps.
        every: show each `every`-th frame in the strip.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    strip, frequency, amplitude = figure.subplots(3, 1, height_ratios=(1.25, 1, 1))
    strip.imshow(np.hstack(list(255 - frames[::every])), cmap="gray", vmin=0, vmax=255, aspect="equal")
    strip.set_axis_off()
    strip.set_title(f"seen: a frame every {every * time_step:g} s", loc="left", fontsize=10)
    seconds = np.arange(len(sounds)) * time_step
    for index, receiver in enumerate(receivers):
        label = receiver.replace("_", " ")
        frequency.plot(seconds, sounds[:, index, 0], color=_COLOURS[index % len(_COLOURS)], label=label)
        amplitude.plot(seconds, sounds[:, index, 1], color=_COLOURS[index % len(_COLOURS)])
    frequency.set_title("heard: the tone of the tip at each receiver", loc="left", fontsize=10)
    frequency.set_ylabel("frequency (Hz)")
    frequency.set_xticklabels([])
    frequency.legend(loc="upper right", ncols=len(receivers), fontsize=8)
    amplitude.set_ylabel("amplitude")
    amplitude.set_xlabel("time (s)")
    for ax in (frequency, amplitude):
        ax.set_xlim(0.0, float(seconds[-1]))
    return figure


def _figure_of(ax: Axes | None) -> tuple[Figure, Axes]:
    if ax is None:
        return new_axes()
    figure = ax.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError(f"`ax` expected axes of a figure, got axes of {type(figure).__name__}.")
    return figure, ax
