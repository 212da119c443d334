"""Figures of a comparison: scores by subset of modalities, and by how often modalities are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from anysense.representations.benchmarks import Benchmark
from anysense.runs.classify_scores import (
    Cell,
    methods_in,
    robustness_estimate,
    scores_of,
    senses_label,
    subset_estimate,
)
from anysense.runs.figures import new_axes

__all__ = ["draw_robustness", "draw_subsets"]

COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#ee6677", "#bbbbbb", "#222222")


def draw_subsets(found: Benchmark, cells: Sequence[Cell]) -> Figure:
    """Bars: one group per subset of modalities, one bar per method, with 95% intervals over seeds."""
    score, methods = scores_of(found)[0], methods_in(cells)
    subsets = found.subsets()
    figure, ax = new_axes(width=max(7.0, 1.1 * len(subsets)), height=4.4)
    width, factor = 0.85 / len(methods), 100.0 if score.percent else 1.0
    for place, method in enumerate(methods):
        estimates = [subset_estimate(cells, method, senses, score.key) for senses in subsets]
        centres = np.arange(len(subsets)) + (place - (len(methods) - 1) / 2) * width
        halves = [factor * np.nan_to_num((one.high - one.low) / 2) for one in estimates]
        heights = [factor * one.value for one in estimates]
        ax.bar(
            centres, heights, width, yerr=halves, color=COLOURS[place % len(COLOURS)], label=method, error_kw={"lw": 1}
        )
    labels = [senses_label(senses, found).replace(" + ", "\n") for senses in subsets]
    ax.set_xticks(np.arange(len(subsets)), labels, fontsize=8)
    ax.set_ylabel("accuracy (%)" if score.percent else score.title)
    ax.set_title(found.title, fontsize=10)
    ax.legend(ncols=min(len(methods), 7), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.06), frameon=False)
    return figure


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
    ax.set_xlabel("chance that a modality is missing")
    ax.set_ylabel("accuracy (%)" if score.percent else score.title)
    dashed = f"; dashed: {found.label} never given" if len(kinds) > 1 else ""
    ax.set_title(f"{found.title}{dashed}", fontsize=10)
    ax.legend(fontsize=8)
    return figure
