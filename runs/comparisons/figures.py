"""Figures of comparisons, drawn from records: scores by input, and scores by how often modalities are missing."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from anysense.representations.evaluation.records import Column, Record
from anysense.runs.comparisons.cells import estimate, methods_in, values_of
from anysense.runs.figures import colour_of, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Input", "draw_inputs", "draw_rates"]

GROUPS_PER_ROW = 8
"""Inputs side by side in one row of bars."""

Input = tuple[str, str]
"""(subset, condition) of a `Record`."""


def draw_inputs(
    records: Sequence[Record], column: Column, inputs: Sequence[Input], label: Callable[[Input], str], title: str
) -> "Figure":
    """Bars: one group per input, one bar per method with its interval over seeds, a dot for each seed."""
    methods = methods_in(record for record in records if (record.subset, record.condition) in inputs)
    rows = -(-len(inputs) // GROUPS_PER_ROW)
    per_row = -(-len(inputs) // rows)
    figure = new_figure(9.0, 0.9 + 2.6 * rows)
    axes = figure.subplots(rows, squeeze=False, sharey=True)[:, 0]
    for row, ax in enumerate(axes):
        part = inputs[row * per_row : (row + 1) * per_row]
        _draw_groups(ax, records, column, part, methods)
        ax.set_xticks(np.arange(len(part)), [label(one).replace(" + ", "\n") for one in part], fontsize=8)
        ax.set_xlim(-0.6, per_row - 0.4)
    figure.supylabel(axis_label(column), fontsize=9)
    figure.suptitle(title, fontsize=10)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, ncols=min(len(names), 6), fontsize=8, loc="outside lower center", frameon=False)
    return figure


def _draw_groups(
    ax: "Axes", records: Sequence[Record], column: Column, inputs: Sequence[Input], methods: Sequence[str]
) -> None:
    width, factor = 0.85 / len(methods), _factor(column)
    for place, method in enumerate(methods):
        centres = np.arange(len(inputs)) + (place - (len(methods) - 1) / 2) * width
        found = [estimate(records, method, subset, column.key, condition) for subset, condition in inputs]
        halves = [factor * np.nan_to_num((one.high - one.low) / 2) for one in found]
        heights = [factor * np.nan_to_num(one.value) for one in found]
        bars = {"lw": 1 if any(halves) else 0}
        ax.bar(centres, heights, width, yerr=halves, color=colour_of(method), label=method, error_kw=bars)
        for centre, (subset, condition) in zip(centres, inputs, strict=True):
            values = [factor * value for _, value in values_of(records, method, subset, column.key, condition)]
            if len(values) > 1:
                ax.plot([centre] * len(values), values, "k.", ms=3)
    if column.chance is not None:
        ax.axhline(factor * column.chance, ls=":", color="#222222", lw=1, label="chance")
    if column.percent:
        ax.set_ylim(0, 105)  # Intervals of few seeds reach further than percentages can.


def draw_rates(
    records: Sequence[Record], column: Column, curves: Sequence[tuple[str, Sequence[tuple[float, str]]]], title: str
) -> "Figure":
    """Lines with their interval over seeds: score against the chance that a modality is missing.

    Args:
        records: All values.
        column: What is drawn.
        curves: Label of each kind of curve, and its points: (rate, condition of the records). The first kind is drawn
            solid, the others dashed.
        title: Title.
    """
    figure = new_figure()
    ax = figure.add_subplot()
    factor = _factor(column)
    wanted = {condition for _, points in curves for _, condition in points}
    for method in methods_in(record for record in records if record.condition in wanted):
        for place, (_, points) in enumerate(curves):
            found = [estimate(records, method, "", column.key, condition) for _, condition in points]
            rates = [rate for rate, _ in points]
            middle = [factor * one.value for one in found]
            label, style = (None, "--") if place else (method, "-")
            ax.plot(rates, middle, marker="o", ms=3, label=label, color=colour_of(method), ls=style)
            low, high = ([factor * getattr(one, end) for one in found] for end in ("low", "high"))
            ax.fill_between(rates, low, high, color=colour_of(method), alpha=0.15, lw=0)
    if column.chance is not None:
        ax.axhline(factor * column.chance, ls=":", color="#222222", lw=1, label="chance")
    from matplotlib.ticker import PercentFormatter

    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("chance that a modality is missing")
    ax.set_ylabel(axis_label(column))
    others = "; dashed: " + ", ".join(label for label, _ in curves[1:]) if len(curves) > 1 else ""
    ax.set_title(f"{title}{others}", fontsize=10)
    figure.legend(fontsize=8, loc="outside right center", frameon=False)
    return figure


def axis_label(column: Column) -> str:
    """Title, unit and direction, for example ``accuracy (%), higher is better``."""
    return f"{column.title}{' (%)' if column.percent and '%' not in column.title else ''}, {column.better} is better"


def _factor(column: Column) -> float:
    return 100.0 if column.percent else 1.0
