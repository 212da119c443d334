"""Figures of a comparison: scores by subset of modalities, and by how often modalities are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from anysense.representations.benchmarks import Benchmark
from anysense.runs.comparisons.classify_scores import (
    Cell,
    Score,
    methods_in,
    modalities_label,
    robustness_estimate,
    scores_of,
    subset_estimate,
)
from anysense.runs.figures import new_axes

__all__ = ["draw_robustness", "draw_subsets"]

COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#ee6677", "#bbbbbb", "#222222")
GROUPS_PER_ROW = 8
"""Subsets of modalities side by side in one row of bars."""


def draw_subsets(found: Benchmark, cells: Sequence[Cell]) -> Figure:
    """Bars: one group per subset of modalities, one bar per method, with 95% intervals over seeds."""
    score, methods, subsets = scores_of(found)[0], methods_in(cells), found.subsets()
    rows = -(-len(subsets) // GROUPS_PER_ROW)
    per_row = -(-len(subsets) // rows)
    figure = Figure(figsize=(9.0, 0.5 + 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, squeeze=False, sharey=True)[:, 0]
    for row, ax in enumerate(axes):
        _draw_groups(ax, found, cells, subsets[row * per_row : (row + 1) * per_row])
        ax.set_xlim(-0.6, per_row - 0.4)
        ax.set_ylabel(_axis(score))
    figure.suptitle(found.title, fontsize=10)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, ncols=min(len(methods), 8), fontsize=8, loc="outside lower center", frameon=False)
    return figure


def _draw_groups(ax: Axes, found: Benchmark, cells: Sequence[Cell], subsets: Sequence[tuple[str, ...]]) -> None:
    score, methods = scores_of(found)[0], methods_in(cells)
    width, factor = 0.85 / len(methods), 100.0 if score.percent else 1.0
    for place, method in enumerate(methods):
        estimates = [subset_estimate(cells, method, modalities, score.key) for modalities in subsets]
        centres = np.arange(len(subsets)) + (place - (len(methods) - 1) / 2) * width
        halves = [factor * np.nan_to_num((one.high - one.low) / 2) for one in estimates]
        heights = [factor * one.value for one in estimates]
        colour, bars = COLOURS[place % len(COLOURS)], {"lw": 1 if any(halves) else 0}
        ax.bar(centres, heights, width, yerr=halves, color=colour, label=method, error_kw=bars)
    if score.percent:
        ax.set_ylim(0, 105)  # Intervals of few seeds reach further than accuracies can.
    labels = [modalities_label(modalities, found).replace(" + ", "\n") for modalities in subsets]
    ax.set_xticks(np.arange(len(subsets)), labels, fontsize=8)


def draw_robustness(found: Benchmark, cells: Sequence[Cell]) -> Figure:
    """Lines: score against the chance that a modality is missing; dashed where the label is never given."""
    score, methods = scores_of(found)[0], methods_in(cells)
    figure, ax = new_axes()
    factor = 100.0 if score.percent else 1.0
    kinds = list(dict.fromkeys(row.get("with_label", True) for row in cells[0].result["robustness"]))
    rates = sorted({row["rate"] for row in cells[0].result["robustness"]})
    for place, method in enumerate(methods):
        for with_label in kinds:
            values = [factor * robustness_estimate(cells, method, rate, with_label, score.key).value for rate in rates]
            style = "-" if with_label else "--"
            label = method if with_label else None
            ax.plot(rates, values, style, marker="o", ms=3, color=COLOURS[place % len(COLOURS)], label=label)
    ax.set_xticks(rates)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("chance that a modality is missing")
    ax.set_ylabel(_axis(score))
    dashed = f"; dashed: {found.label} never given" if len(kinds) > 1 else ""
    ax.set_title(f"{found.title}{dashed}", fontsize=10)
    figure.legend(fontsize=8, loc="outside right center", frameon=False)
    return figure


def _axis(score: Score) -> str:
    return "accuracy (%)" if score.percent else score.title
