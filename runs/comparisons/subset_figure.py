"""The figure of every subset of modalities: bars while they fit on a page, otherwise a map, a row for each subset."""

import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.runs.comparisons.cells import estimate, methods_in
from anysense.runs.comparisons.figures import TITLE_WIDTH, bars_in_rows, draw_inputs
from anysense.runs.comparisons.limits import drawn_limits
from anysense.runs.figures import LINE, column_label, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["draw_subsets"]

MOST_ROWS_OF_BARS = 4
"""Rows of bars that a page shows at once."""
ROW_HEIGHT, COLUMN_WIDTH, DOT_WIDTH = 0.175, 0.52, 0.26
"""Of the map, in inches."""
UNDEFINED = "#dddddd"
BRIGHTNESS = (0.299, 0.587, 0.114)
"""How bright red, green and blue are seen (ITU-R BT.601)."""

Subset = tuple[str, ...]


def draw_subsets(
    records: Sequence[Record], column: Column, subsets: Sequence[Subset], modalities: Sequence[str], title: str
) -> "Figure":
    """Score of every method with each of the subsets of ``modalities``, mean over seeds."""
    names = [subset_name(subset, len(modalities)) for subset in subsets]
    methods = methods_in(record for record in records if record.subset in names and not record.condition)
    if len(bars_in_rows(names, methods)) <= MOST_ROWS_OF_BARS:
        return draw_inputs(records, column, [(name, "") for name in names], lambda one: one[0], title)
    return _draw_map(records, column, subsets, modalities, methods, title)


def _draw_map(
    records: Sequence[Record],
    column: Column,
    subsets: Sequence[Subset],
    modalities: Sequence[str],
    methods: Sequence[str],
    title: str,
) -> "Figure":
    """Left: dots for the modalities of a subset. Right: its score with each method, as number and as colour."""
    rows = _rows(subsets)
    widths = [DOT_WIDTH * len(modalities), COLUMN_WIDTH * len(methods)]
    figure = new_figure(max(7.0, 0.8 + sum(widths)), 2.2 + ROW_HEIGHT * len(rows))
    given, scores = figure.subplots(1, 2, sharey=True, width_ratios=widths)
    _draw_dots(given, rows, modalities)
    _draw_scores(scores, records, column, rows, len(modalities), methods)
    for ax, names in ((given, modalities), (scores, methods)):
        ax.set_xticks(np.arange(len(names)), names, fontsize=9, rotation=90)
        ax.tick_params(length=0, labeltop=True, labelleft=False)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.spines[:].set_visible(False)
    figure.suptitle(
        textwrap.fill(f"{title}: mean over seeds; dots: modalities that are given", TITLE_WIDTH), fontsize=10
    )
    return figure


def _rows(subsets: Sequence[Subset]) -> list[Subset | int]:
    """Subsets from many modalities to one; before those of a size a row for its heading, which is this size."""
    rows: list[Subset | int] = []
    for size, group in itertools.groupby(sorted(subsets, key=len, reverse=True), key=len):
        rows += [size, *group]
    return rows


def _draw_dots(ax: "Axes", rows: Sequence[Subset | int], modalities: Sequence[str]) -> None:
    for place, row in enumerate(rows):
        if isinstance(row, int):
            words = f"{row} modalities" if row > 1 else "1 modality"
            ax.text(-0.5, place + 0.1, words, fontsize=8, va="center", weight="bold")
        else:
            given = [column for column, name in enumerate(modalities) if name in row]
            ax.plot(np.arange(len(modalities)), [place] * len(modalities), "o", color=UNDEFINED, ms=4)
            ax.plot(given, [place] * len(given), "o-", color=LINE, ms=4, lw=0.8)


def _draw_scores(
    ax: "Axes",
    records: Sequence[Record],
    column: Column,
    rows: Sequence[Subset | int],
    complete: int,
    methods: Sequence[str],
) -> None:
    from matplotlib import colormaps

    table = np.full((len(rows), len(methods)), np.nan)
    for place, row in enumerate(rows):
        if not isinstance(row, int):
            found = [estimate(records, method, subset_name(row, complete), column.key).value for method in methods]
            table[place] = column.factor * np.array(found)
    low, high = _ends(column, table)
    colours = colormaps["cividis" if column.better == "higher" else "cividis_r"].with_extremes(bad=UNDEFINED)
    for place, row in enumerate(rows):
        if not isinstance(row, int):
            mesh = _draw_row(ax, place, table[place], column, colours, (low, high))
    chance = "" if column.chance is None else f"; chance {column.factor * column.chance:.3g}"
    ax.figure.colorbar(mesh, ax=ax, location="bottom", aspect=50, pad=0.01, label=column_label(column) + chance)


def _draw_row(
    ax: "Axes",
    place: int,
    values: NDArray[np.float64],
    column: Column,
    colours: "Colormap",
    ends: tuple[float, float],
) -> "QuadMesh":
    edges, span = np.arange(len(values) + 1) - 0.5, (ends[1] - ends[0]) or 1.0
    low, high = ends
    for x, value in enumerate(values):
        shade = np.dot(colours((value - low) / span)[:3], BRIGHTNESS)
        shown = "undefined" if np.isnan(value) else f"{value:z.{1 if column.percent else column.digits}f}"
        ink = "black" if shade > 0.5 else "white"
        text = ax.text(x, place, shown, fontsize=7, ha="center", va="center", color=ink)
        text.set_in_layout(False)  # It lies in its cell, and to lay out hundreds of them takes seconds.
    return ax.pcolormesh(
        edges, [place - 0.5, place + 0.5], values[None], cmap=colours, vmin=low, vmax=high, edgecolor="white", lw=0.6
    )


def _ends(column: Column, table: NDArray[np.float64]) -> tuple[float, float]:
    """What the colours begin and end with: limits of the values, else the least and the greatest value."""
    found = table[np.isfinite(table)]
    ends = zip(drawn_limits(column), (found.min(initial=np.inf), found.max(initial=-np.inf)), strict=True)
    low, high = (column.factor * limit if np.isfinite(limit) else float(end) for limit, end in ends)
    return (low, high) if np.isfinite([low, high]).all() else (0.0, 1.0)
