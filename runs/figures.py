"""Pictures: functions that draw data on axes. Nothing here reads a run or computes a result."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anysense.common.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Bar", "colour_of", "draw_bars", "draw_learning_curves", "modality_colours", "new_figure", "save_figure"]

CURVE_SHARE = 0.1
"""Share of its range that a learning curve shows below its best value."""

FloatArray = npt.NDArray[np.float64]

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
_METHOD_COLOURS = {
    "gmc": "#4477aa", "gmc-published": "#99b8d6", "gram": "#66ccee", "mvae": "#228833", "mmvae": "#ccbb44",
    "nexus": "#ee6677", "muse": "#aa3377", "mfm": "#bbbbbb", "baseline": "#228833", "dropout": "#ccbb44",
}  # fmt: skip
"""One colour per method in all figures."""


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its mean and the interval around it."""

    label: str
    mean: float
    low: float
    high: float


def colour_of(method: str) -> str:
    """The colour of a method in every figure; names that are not known get one by a checksum of the name."""
    if method in _METHOD_COLOURS:
        return _METHOD_COLOURS[method]
    return _COLOURS[zlib.crc32(method.encode()) % len(_COLOURS)]


def modality_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each modality, in their order."""
    return {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}


def new_figure(width: float = 7.0, height: float = 4.0) -> Figure:
    """A figure of some inches, without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path, dpi: int = 130) -> Path:
    """Write the figure as PNG, completely or not at all."""
    image = BytesIO()
    figure.savefig(image, format="png", dpi=dpi, metadata={"Software": None})
    return write_bytes(path, image.getvalue())


def draw_bars(
    bars: Sequence[Bar], references: Mapping[str, float], ylabel: str, digits: int = 3
) -> tuple[Figure, Axes]:
    """One bar per condition with its interval, and dashed lines for the references.

    References that would squeeze the bars (further from them than the bars are from zero) are named in the title
    instead of drawn.
    """
    figure = new_figure(max(7.0, 1.1 * len(bars)), 4.4)
    ax = figure.add_subplot()
    places, means = np.arange(len(bars)), np.array([bar.mean for bar in bars])
    errors = np.nan_to_num([[bar.mean - bar.low, bar.high - bar.mean] for bar in bars]).reshape(-1, 2).T
    ax.bar(places, means, yerr=errors, capsize=4, color=_COLOURS[0], width=0.6)
    turned = len(bars) > 4
    labels = [bar.label.replace(", ", ",\n") for bar in bars]
    ax.set_xticks(places, labels, rotation=20 if turned else 0, ha="right" if turned else "center", fontsize=9)
    lows, highs = means - errors[0], means + errors[1]
    reach = max(1.3 * np.abs(means).max(initial=0.0), 1.05 * max(-lows.min(initial=0.0), highs.max(initial=0.0))) or 1.0
    inside = {name: value for name, value in references.items() if abs(value) <= reach}
    outside = {name: value for name, value in references.items() if name not in inside}
    for index, (name, value) in enumerate(inside.items()):
        ax.axhline(value, linestyle="--", color=_COLOURS[1 + index % 5], label=f"{name} {value:.{digits}f}")
    for place, mean in zip(places, means, strict=True):
        ax.annotate(f"{mean:.{digits}f}", (place, mean / 2), ha="center", color="white")
    if outside:
        listed = ", ".join(f"{name} {value:.2f}" for name, value in outside.items())
        ax.set_title(f"outside the chart: {listed}", fontsize=9)
    if inside:
        figure.legend(loc="outside lower center", ncols=len(inside), fontsize=9, frameon=False)
    if means.max(initial=-1.0) <= 0:
        ax.set_ylim(-reach, max(0.0, 1.05 * highs.max(initial=0.0)))
    else:
        ax.set_ylim(min(0.0, 1.3 * means.min(), 1.05 * lows.min()), reach)
    ax.set_ylabel(ylabel)
    return figure, ax


def draw_learning_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], ylabel: str
) -> tuple[Figure, Axes]:
    """One line per name: (environment steps, value at each of them).

    Early values far below the best one (`CURVE_SHARE` of the whole range) leave the picture at the bottom, so that the
    end can be read; the title says so.
    """
    figure = new_figure()
    ax = figure.add_subplot()
    for index, (name, (steps, values)) in enumerate(curves.items()):
        ax.plot(steps, values, marker="o", markersize=3, color=_COLOURS[index % len(_COLOURS)], label=name)
    values = [value for _, curve in curves.values() for value in curve]
    shown = CURVE_SHARE * (max(values) - min(values)) if values else 0.0
    if len(values) > 4 and shown > 0.0:
        ax.set_ylim(max(values) - shown, max(values) + 0.1 * shown)
        below = sum(value < max(values) - shown for value in values)
        if below:
            ax.set_title(f"{below} early values lie below the chart", fontsize=9)
    ax.set_xlabel("environment steps")
    ax.set_ylabel(ylabel)
    if curves:
        ax.legend(loc="lower right")
    return figure, ax
