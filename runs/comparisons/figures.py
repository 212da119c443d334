"""Figures of comparisons, drawn from records: scores by input, and scores by how often modalities are missing."""

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from anysense.common.statistics import Estimate
from anysense.representations.evaluation.records import Column, Record
from anysense.runs.charts import Line, draw_lines, label_inputs, legend_below, show_all, within
from anysense.runs.comparisons.cells import estimate, methods_in, values_of
from anysense.runs.comparisons.limits import drawn_limits, within_limits
from anysense.runs.figures import INTERVAL, LINE, axis_label, look_of, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TITLE_WIDTH", "Input", "bars_in_rows", "draw_inputs", "draw_rates"]

BARS_PER_ROW = 32
"""Bars side by side in one row."""
TITLE_WIDTH = 80
"""Characters in a line of a title."""
STROKES = ("-", "--", ":", "-.")

T = TypeVar("T")
Input = tuple[str, str]
"""(subset, condition) of a `Record`."""


def draw_inputs(
    records: Sequence[Record], column: Column, inputs: Sequence[Input], label: Callable[[Input], str], title: str
) -> "Figure":
    """Bars: one group per input, one bar per method with its interval over seeds, a dot for each seed."""
    methods = methods_in(record for record in records if (record.subset, record.condition) in inputs)
    parts = bars_in_rows(inputs, methods)
    rows, per_row = len(parts), len(parts[0])
    figure = new_figure(max(7.0, 1.5 + 0.22 * per_row * len(methods), 1.2 * per_row), 1.2 + 2.6 * rows)
    axes = figure.subplots(rows, squeeze=False, sharey=True)[:, 0]
    shown: list[float] = [0.0, *([100.0] if column.percent else [])]
    for part, ax in zip(parts, axes, strict=True):
        shown += _draw_groups(ax, records, column, part, methods)
        label_inputs(ax, [label(one) for one in part])
        ax.set_xlim(-0.6, per_row - 0.4)
    show_all(axes[0], shown, turned=column.better == "lower")
    _show_possible(axes[0], column)
    axes[rows // 2].set_ylabel(axis_label(column), fontsize=9, y=1.0 if rows % 2 == 0 else 0.5)
    figure.suptitle(textwrap.fill(title, TITLE_WIDTH), fontsize=10)
    legend_below(figure, *axes[0].get_legend_handles_labels())
    return figure


def bars_in_rows(inputs: Sequence[T], methods: Sequence[str]) -> list[Sequence[T]]:
    """The inputs whose bars stand in each row: as many as there is room for, alike in all rows but the last."""
    most = min(8, max(2, BARS_PER_ROW // max(len(methods), 1)))
    rows = max(1, -(-len(inputs) // most))
    per_row = max(1, -(-len(inputs) // rows))
    return [inputs[start : start + per_row] for start in range(0, max(1, len(inputs)), per_row)]


def _draw_groups(
    ax: "Axes", records: Sequence[Record], column: Column, inputs: Sequence[Input], methods: Sequence[str]
) -> list[float]:
    """Draw a row; give all values and ends of intervals in it."""
    width, factor, drawn = 0.85 / max(len(methods), 1), column.factor, []
    for place, method in enumerate(methods):
        centres, look = np.arange(len(inputs)) + (place - (len(methods) - 1) / 2) * width, look_of(method)
        found = [_possible(records, method, subset, column, condition) for subset, condition in inputs]
        heights = np.array([one.value for one in found])
        errors = np.nan_to_num([[one.value - one.low, one.high - one.value] for one in found]).T
        bars = {"lw": 1.5 if errors.any() else 0, "ecolor": INTERVAL}
        ax.bar(
            centres, np.nan_to_num(heights), width, yerr=errors, color=look.colour, hatch=look.hatch, label=method,
            edgecolor="white", lw=0.4, error_kw=bars,
        )  # fmt: skip
        drawn += [*(heights - errors[0]), *(heights + errors[1])]
        for centre, height, (subset, condition) in zip(centres, heights, inputs, strict=True):
            values = [factor * value for _, value in values_of(records, method, subset, column.key, condition)]
            if len(values) > 1:
                ax.plot([centre] * len(values), values, "o", color="white", mec=LINE, mew=0.7, ms=3)
            if np.isnan(height):
                ax.annotate("undefined", (centre, 0.0), ha="center", va="bottom", rotation=90, fontsize=7)
            drawn += values
    if column.chance is not None:
        _draw_chance(ax, column)
        drawn.append(factor * column.chance)
    return drawn


def _possible(records: Sequence[Record], method: str, subset: str, column: Column, condition: str) -> Estimate:
    """An estimate as it is drawn: in the unit of the axis, within what is possible."""
    return within_limits(estimate(records, method, subset, column.key, condition), column).scaled(column.factor)


def _show_possible(ax: "Axes", column: Column) -> None:
    low, high = drawn_limits(column)
    within(ax, column.factor * min(low, 0.0), column.factor * max(high, 0.0))  # bars begin at zero


def _draw_chance(ax: "Axes", column: Column) -> None:
    if column.chance is not None:
        ax.axhline(column.factor * column.chance, ls=":", color=LINE, lw=1.2, label="chance")


def draw_rates(
    records: Sequence[Record], column: Column, curves: Sequence[tuple[str, Sequence[tuple[float, str]]]], title: str
) -> "Figure":
    """Lines with their interval over seeds: score against the chance that a modality is missing.

    Args:
        records: All values.
        column: What is drawn.
        curves: Label of each kind of curve, and its points: (rate, condition of the records). The first kind is drawn
            solid, the others in other strokes, which the legend names.
        title: Title.
    """
    figure = new_figure(7.0, 4.4)
    ax = figure.add_subplot()
    wanted = {condition for _, points in curves for _, condition in points}
    lines = []
    for method in methods_in(record for record in records if record.condition in wanted):
        for place, (_, points) in enumerate(curves):
            found = [_possible(records, method, "", column, condition) for _, condition in points]
            values = [(rate, one.value, one.low, one.high) for (rate, _), one in zip(points, found, strict=True)]
            label, stroke = "_" if place else method, STROKES[place % len(STROKES)]
            lines.append(Line(label, values, look_of(method), stroke))
    _draw_chance(ax, column)
    draw_lines(ax, lines, axis_label(column), turned=column.better == "lower")
    _show_possible(ax, column)
    if len(curves) > 1:
        for place, (kind, _) in enumerate(curves):
            ax.plot([], [], color=LINE, ls=STROKES[place % len(STROKES)], label=kind)
    from matplotlib.ticker import PercentFormatter

    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("chance that a modality is missing")
    ax.set_title(textwrap.fill(title, TITLE_WIDTH), fontsize=10)
    legend_below(figure, *ax.get_legend_handles_labels())
    return figure
