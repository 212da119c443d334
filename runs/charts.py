"""Charts: functions that draw data on axes. Nothing here reads a run or computes a result."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anysense.runs.figures import INTERVAL, LINE, Look, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Bar",
    "Line",
    "draw_bars",
    "draw_learning_curves",
    "draw_lines",
    "label_inputs",
    "legend_below",
    "show_all",
    "within",
]

ENLARGED_SHARE = 0.1
"""Share of its range, up to its best value, that a learning curve also shows enlarged."""
LABEL_WIDTH = 22
"""Characters in a line of a label below an axis."""
_STROKES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)), (0, (1, 3)))
_SEED_STROKES: tuple[Any, ...] = ("-", *_STROKES)

FloatArray = npt.NDArray[np.float64]
Curve = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its mean and the interval around it; NaN where there is none."""

    label: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """A line through (x, mean, low, high); ends of intervals are NaN where there is none."""

    label: str
    points: Sequence[tuple[float, float, float, float]]
    look: Look
    stroke: str = "-"


def draw_bars(
    bars: Sequence[Bar], references: Mapping[str, float], ylabel: str, digits: int = 3, colour: str = "#4477aa"
) -> tuple[Figure, Axes]:
    """One bar per condition with its interval and its number, and lines for the references.

    References that would squeeze the bars (further from them than the bars are from zero) are named in the title
    instead of drawn.
    """
    figure = new_figure(max(7.0, 0.6 + 1.25 * len(bars)), 4.4)
    ax = figure.add_subplot()
    places, means = np.arange(len(bars)), np.array([bar.mean for bar in bars])
    errors = np.nan_to_num([[bar.mean - bar.low, bar.high - bar.mean] for bar in bars]).reshape(-1, 2).T
    drawn = ax.bar(places, np.nan_to_num(means), yerr=errors, capsize=4, color=colour, ecolor=INTERVAL, width=0.6)
    ground = {"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.8}  # No line crosses a number.
    ax.bar_label(drawn, [_number(mean, digits) for mean in means], padding=2, fontsize=9, bbox=ground)
    label_inputs(ax, [bar.label for bar in bars])
    lows, highs = np.nan_to_num(means) - errors[0], np.nan_to_num(means) + errors[1]
    reach = 1.3 * np.abs(np.nan_to_num(means)).max(initial=0.0)
    reach = max(reach, -lows.min(initial=0.0), highs.max(initial=0.0)) or 1.0
    inside = {name: value for name, value in references.items() if abs(value) <= reach}
    for stroke, (name, value) in zip(_strokes(len(inside)), inside.items(), strict=True):
        ax.axhline(value, linestyle=stroke, color=LINE, lw=1.2, label=f"{name} {value:.{digits}f}")
    outside = ", ".join(f"{name} {value:.2f}" for name, value in references.items() if name not in inside)
    if outside:
        ax.set_title("\n".join(textwrap.wrap(f"outside the chart: {outside}", 90)), fontsize=9)
    if inside:
        legend_below(figure, *ax.get_legend_handles_labels())
    show_all(ax, [0.0, *lows, *highs, *inside.values()])
    ax.set_ylabel(ylabel)
    return figure, ax


def _strokes(count: int) -> list[Any]:
    return [_STROKES[place % len(_STROKES)] for place in range(count)]


def _number(value: float, digits: int) -> str:
    return "undefined" if np.isnan(value) else f"{value:z.{digits}f}"


def label_inputs(ax: Axes, labels: Sequence[str]) -> None:
    """A tick with a label for each place 0, 1, ..., in several lines or turned where they are long."""
    texts = [_wrapped(label) for label in labels]
    turned = len(texts) > 4 and max(map(_longest, texts)) > 12
    ax.set_xticks(
        np.arange(len(texts)), texts, fontsize=9, rotation=35 if turned else 0, ha="right" if turned else "center",
        rotation_mode="anchor" if turned else "default",
    )  # fmt: skip


def _wrapped(label: str) -> str:
    """Lines of at most `LABEL_WIDTH` characters, broken after commas, plus signs, colons, underscores or blanks."""
    parts = label.replace(" + ", " +\n").replace(", ", ",\n").splitlines()
    breakable = [re.sub("([_:])", "\\1\0 ", part) for part in parts]
    lines = [line for part in breakable for line in textwrap.wrap(part, LABEL_WIDTH) or [""]]
    return "\n".join(line.replace("\0 ", "").replace("\0", "") for line in lines)


def _longest(text: str) -> int:
    return max(map(len, text.splitlines()))


def show_all(ax: Axes, values: Sequence[float] | FloatArray, turned: bool = False) -> None:
    """Limits of the y axis that hold all values with a margin; upside down if turned."""
    finite = [float(value) for value in values if np.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    margin = 0.1 * (high - low) or 0.5
    ax.set_ylim(low - margin * (low != 0.0), high + margin * (high != 0.0 or low == 0.0))
    if turned:
        ax.invert_yaxis()


def within(ax: Axes, low: float, high: float) -> None:
    """Let the y axis show no values below ``low`` or above ``high``, but for room so that points there are whole."""
    turned, ends = ax.yaxis_inverted(), sorted(ax.get_ylim())
    room = 0.04 * (ends[1] - ends[0])
    ax.set_ylim(max(ends[0], low - room), min(ends[1], high + room))
    if turned:
        ax.invert_yaxis()


def draw_lines(ax: Axes, lines: Sequence[Line], ylabel: str, turned: bool = False) -> None:
    """Lines with intervals at each point, a little beside each other so that none hides another."""
    places = [point[0] for line in lines for point in line.points]
    step = min(0.008, 0.06 / len(lines)) * (max(places) - min(places)) if places else 0.0
    for place, line in enumerate(lines):
        table = np.array(line.points, dtype=np.float64).reshape(-1, 4)
        x, middle = table[:, 0] + step * (place - (len(lines) - 1) / 2), table[:, 1]
        errors = np.nan_to_num(np.abs(table[:, 2:] - table[:, 1:2]).T)
        ax.errorbar(
            x, middle, yerr=errors, label=line.label, color=line.look.colour, marker=line.look.marker, ms=4,
            ls=line.stroke, lw=1.4, elinewidth=1.0 if errors.any() else 0.0,
        )  # fmt: skip
    ax.set_ylabel(ylabel)
    if turned:
        ax.invert_yaxis()


def draw_learning_curves(curves: Mapping[str, Curve], ylabel: str, look: Look) -> Figure:
    """One line per name: (environment steps, value at each of them).

    Where most values lie close to the best one, a second panel shows these (the upper `ENLARGED_SHARE` of the whole
    range) enlarged, so that the end can be read.
    """
    values = np.array([value for _, curve in curves.values() for value in curve], dtype=np.float64)
    best, span = values.max(initial=-np.inf), ENLARGED_SHARE * np.ptp(values) if values.size else 0.0
    enlarged = len(values) > 4 and span > 0.0 and bool(np.median(values) > best - span)
    figure = new_figure(11.0 if enlarged else 7.0)
    axes = list(figure.subplots(1, 2 if enlarged else 1, squeeze=False)[0])
    for ax in axes:
        for index, (name, (steps, curve)) in enumerate(curves.items()):
            stroke = _SEED_STROKES[index % len(_SEED_STROKES)]
            ax.plot(steps, curve, marker=look.marker, ms=3, color=look.colour, ls=stroke, label=name)
        ax.set_xlabel("environment steps")
    axes[0].set_ylabel(textwrap.fill(ylabel, 60))
    if enlarged:
        axes[1].set_ylim(best - span, best + 0.1 * span)
        axes[1].set_title(f"the same, the upper {ENLARGED_SHARE:.0%} of the range enlarged", fontsize=9)
    if curves:
        legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


def legend_below(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """The legend below everything, in as many columns as there is room for; lines of no method (chance) come last."""
    order = sorted(range(len(names)), key=lambda place: names[place] == "chance")
    room = int(13 * figure.get_figwidth())
    columns = max(1, min(6, len(names), room // (max(map(len, names), default=0) + 8)))
    figure.legend(
        [handles[place] for place in order], [names[place] for place in order],
        loc="outside lower center", ncols=columns, fontsize=9, frameon=False,
    )  # fmt: skip
