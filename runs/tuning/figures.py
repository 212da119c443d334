"""Figures of a search: the best score so far, the importance of settings, scores against the values tried."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anysense.representations.evaluation.records import Column
from anysense.runs.charts import legend_below, show_all
from anysense.runs.figures import axis_label, look_of, new_figure
from anysense.runs.tuning.space import Dimension

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_history", "draw_importances", "draw_settings"]

Tried = Mapping[str, Sequence[tuple[Dimension, Sequence[tuple[float, float]]]]]
"""(setting, [(value, score)]) by method."""


def draw_history(trials: Sequence[Mapping[str, Any]], column: Column, title: str) -> "Figure":
    """One line per method, the best score up to each trial, and a point for each of its trials."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(7.0, 4.2)
    ax = figure.add_subplot()
    factor, best = column.factor, np.maximum if column.better == "higher" else np.minimum
    shown: list[float] = []
    for method in dict.fromkeys(one["method"] for one in trials):
        own = [(one["number"], one["value"]) for one in trials if one["method"] == method and one["value"] is not None]
        if not own:
            continue
        numbers, look = np.array([number for number, _ in own]), look_of(method)
        values = factor * np.array([value for _, value in own], dtype=np.float64)
        ax.plot(numbers, values, look.marker, color=look.colour, ms=4, alpha=0.45)
        ax.step(numbers, best.accumulate(values), where="post", color=look.colour, lw=1.6, label=method)
        shown += list(values)
    show_all(ax, shown, turned=column.better == "lower")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("trial")
    ax.set_ylabel(axis_label(column), fontsize=9)
    ax.set_title(title, fontsize=10)
    legend_below(figure, *ax.get_legend_handles_labels())
    return figure


def draw_importances(importances: Mapping[str, Mapping[str, float]]) -> "Figure":
    """One panel per method, a bar for each setting."""
    known = {method: values for method, values in importances.items() if values}
    figure = new_figure(7.0, 0.8 + sum(0.55 + 0.28 * len(values) for values in known.values()))
    heights = [len(values) + 1.0 for values in known.values()]
    axes = figure.subplots(len(known), squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for ax, (method, values) in zip(axes, known.items(), strict=True):
        look = look_of(method)
        ordered = sorted(values.items(), key=lambda one: one[1])
        ax.barh(
            [name for name, _ in ordered], [100 * share for _, share in ordered], color=look.colour, hatch=look.hatch,
            edgecolor="white", lw=0.4,
        )  # fmt: skip
        ax.set_title(method, fontsize=9, loc="left")
        ax.tick_params(labelsize=8)
    axes[-1].set_xlim(0, 100)
    axes[-1].set_xlabel("importance (% of the differences in score)")
    return figure


def draw_settings(tried: Tried, column: Column) -> "Figure":
    """Rows of methods, a panel for each setting: scores against the values that were tried."""
    from matplotlib.ticker import LogLocator, NullFormatter

    columns = max(map(len, tried.values()))
    figure = new_figure(1.0 + 2.3 * columns, 0.8 + 1.9 * len(tried))
    panels, factor = figure.subplots(len(tried), columns, squeeze=False, sharey="row"), column.factor
    for row, (method, settings) in zip(panels, tried.items(), strict=True):
        look = look_of(method)
        for ax in row[len(settings) :]:
            ax.set_axis_off()
        for ax, (one, points) in zip(row, settings, strict=False):
            ax.plot(
                [value for value, _ in points], [factor * score for _, score in points], look.marker, color=look.colour,
                ms=4, alpha=0.7,
            )  # fmt: skip
            if one.log:
                ax.set_xscale("log")
                ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
                ax.xaxis.set_minor_formatter(NullFormatter())
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.set_xlabel(one.name, fontsize=8)
            ax.tick_params(labelsize=7)
        if column.better == "lower":
            row[0].invert_yaxis()
        row[0].set_title(method, fontsize=9, loc="left")
    figure.supylabel(axis_label(column), fontsize=9)
    return figure
