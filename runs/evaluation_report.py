"""The rows of an evaluation as a table, a chart and plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anysense.agents.summary import Row
from anysense.envs.pendulum.references import OPTIMAL, RANDOM, ZERO
from anysense.runs.figures import Bar, draw_bars
from anysense.runs.tables import print_table, with_interval

__all__ = ["COLUMNS", "cells", "draw_rows", "label", "print_rows", "sentence"]

COLUMNS = ("modalities", "average reward per step", "return", "gap to optimal", "random to optimal")
REFERENCES = (OPTIMAL, ZERO, RANDOM)
_REFERENCE_LABELS = {OPTIMAL: "optimal (true state)", ZERO: "no torque", RANDOM: "random torque"}


class Labelled(Protocol):
    """What decides about the label of a row."""

    @property
    def name(self) -> str:
        """Who acted."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities it had."""

    @property
    def corruption(self) -> tuple[str, ...]:
        """Corruptions of these modalities."""

    @property
    def missing(self) -> str:
        """Dropout in words."""


def label(row: Labelled) -> str:
    """For example `image and sound, image:gaussian_noise:0.1`."""
    if row.name in _REFERENCE_LABELS:
        return _REFERENCE_LABELS[row.name]
    parts = [" and ".join(row.modalities), *row.corruption]
    return ", ".join([*parts, f"dropout {row.missing}"] if row.missing else parts)


def cells(row: Row) -> tuple[str, ...]:
    """The texts of one line of the table, in the order of `COLUMNS`; intervals are 95%."""
    average, gap = row.average_reward, row.gap
    return (
        label(row),
        with_interval(average.value, average.low, average.high),
        f"{row.episode_return.value:.1f}",
        with_interval(gap.value, gap.low, gap.high),
        f"{row.share.value:.1%}",
    )


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Print the table, the reference controllers below a rule."""
    last = sum(row.name not in REFERENCES for row in rows) - 1
    print_table(title, COLUMNS, [cells(row) for row in rows], rules=[last])
    print("In brackets: 95% bootstrap intervals over episodes; the gap is taken start by start.")


def draw_rows(rows: Sequence[Row], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Bar chart of the average reward per step."""
    bars = [
        Bar(label(row), row.average_reward.value, row.average_reward.low, row.average_reward.high)
        for row in rows
        if row.name not in REFERENCES
    ]
    references = {row.name: row.average_reward.value for row in rows if row.name in REFERENCES}
    return draw_bars(bars, references, "average reward per step", ax)


def sentence(rows: Sequence[Row], trained_with: Sequence[str]) -> str:
    """What happened, in one sentence."""
    plain = [row for row in rows if row.name not in REFERENCES and not row.corruption and not row.missing]
    text = f"Trained with {' and '.join(trained_with)}, the agent reaches an average reward per step of "
    for row in plain:
        reached = f"{row.average_reward.value:.2f} ({row.share.value:.1%} of the way from random to optimal)"
        if set(row.modalities) == set(trained_with):
            text += reached
        else:
            alone = f"{row.modalities[0]} alone" if len(row.modalities) == 1 else " and ".join(row.modalities)
            text += f", on {alone} without further training {reached}"
    optimal = next(row for row in rows if row.name == OPTIMAL)
    return f"{text}; optimal control reaches {optimal.average_reward.value:.2f}."
