"""Whether training was long enough: how the validation loss of each method fell, and how much of it came late."""

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anysense.runs.charts import legend_below
from anysense.runs.comparisons.contents import Section
from anysense.runs.comparisons.done import Done
from anysense.runs.figures import Draw, look_of, new_figure
from anysense.runs.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CURVE", "curves_of", "draw_validation", "late_share", "read_validation", "validation_part"]

CURVE = "validation"
"""Key of a job's result: its validation loss after each epoch."""
LATE = 0.2
"""Share of the epochs that counts as late."""
LEAST = 1e-3
"""Smallest share of the fall that the figure shows."""

Losses = NDArray[np.float64]


def read_validation(path: Path) -> list[float] | None:
    """The validation losses in the table of a pretraining, to six digits; None where there is no such table."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        return [float(f"{float(row['validation/total']):.6g}") for row in csv.DictReader(file)]


def curves_of(done: Sequence[Done]) -> dict[str, list[Losses]]:
    """Losses by method, of the seeds that kept them; at least two epochs, of which the last is below the first."""
    found: dict[str, list[Losses]] = {}
    for one in done:
        losses = np.array(one.result.get(CURVE) or (), dtype=np.float64)
        if len(losses) > 1 and losses[-1] < losses[0]:
            found.setdefault(one.method, []).append(losses)
    return found


def late_share(losses: Losses) -> float:
    """How much of the fall from the first epoch to the last came in the last fifth of the epochs."""
    late = len(losses) - 1 - max(1, round(LATE * len(losses)))
    return float((losses[late] - losses[-1]) / (losses[0] - losses[-1]))


def validation_part(done: Sequence[Done], title: str) -> tuple[list[Section], dict[str, Draw]]:
    """The section of a report and its figure; nothing if no job kept its losses."""
    curves = curves_of(done)
    if not curves:
        return [], {}
    rows = []
    for method, losses in curves.items():
        shares = f"{100 * np.mean([late_share(one) for one in losses]):.1f}"
        epochs = str(max(len(one) for one in losses))
        rows.append((method, epochs, *(f"{np.mean([one[place] for one in losses]):.4g}" for place in (0, -1)), shares))
    table = Table(("method", "epochs", "first loss", "last loss", "late share of the fall (%)"), rows)
    words = (
        "Validation loss after the first and the last epoch, and how much of the fall between them came in the last "
        "fifth of the epochs: little means that more epochs would change little. Losses of different methods are not "
        "on one scale; the figure shows, for each, what was left of its own fall (mean over seeds)."
    )
    section = Section("Was the training long enough?", words, table, CURVE)
    return [section], {CURVE: partial(draw_validation, curves, title)}


def draw_validation(curves: Mapping[str, Sequence[Losses]], title: str) -> "Figure":
    """One line per method: the share of the fall of the validation loss that was left after each epoch."""
    figure = new_figure(7.0, 4.2)
    ax = figure.add_subplot()
    for method, found in curves.items():
        length, look = min(len(losses) for losses in found), look_of(method)
        left = np.mean([(one - one.min())[:length] / (one[0] - one.min()) for one in found], axis=0)
        ax.plot(
            np.arange(1, length + 1), np.clip(left, LEAST, None), label=method, color=look.colour, marker=look.marker,
            ms=3, lw=1.4, markevery=max(1, length // 15),
        )  # fmt: skip
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    ax.set_ylim(LEAST * 0.9, 1.5)
    ax.set_xlabel("epoch")
    ax.set_ylabel("share of the fall of the validation loss that is left", fontsize=9)
    ax.set_title(title, fontsize=10)
    legend_below(figure, *ax.get_legend_handles_labels())
    return figure
