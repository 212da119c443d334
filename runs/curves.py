"""Learning curves: what a training run measured on its evaluation episodes as it went on."""

from __future__ import annotations

import csv
from pathlib import Path

from anysense.common.files import write_csv
from anysense.envs.world import World

__all__ = ["LearningCurve", "curve_label", "curve_of_agent", "read_curve", "write_curve"]

LearningCurve = tuple[list[float], list[float]]
"""Environment steps, and the score at each of them."""

STEPS, VALUE = "steps", "score"


def curve_label(world: World) -> str:
    """What the values of a learning curve are."""
    score = "average reward per step" if world.score == "average_reward" else "return"
    return f"{score} on evaluation episodes"


def curve_of_agent(agent: Path) -> LearningCurve | None:
    """The curve of the training run that an exported agent lies in, or None if it lies elsewhere."""
    metrics = agent.parent / "metrics.csv"
    return read_curve(metrics) if metrics.is_file() else None


def read_curve(path: Path) -> LearningCurve | None:
    """Read a curve from a CSV file with the columns of `metrics.csv`; rows without a value are left out."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get(VALUE)]
    if not rows:
        return None
    return [float(row[STEPS]) for row in rows], [float(row[VALUE]) for row in rows]


def write_curve(path: Path, curve: LearningCurve) -> Path:
    """Write a curve so that `read_curve` reads it."""
    return write_csv(path, (STEPS, VALUE), [{STEPS: x, VALUE: y} for x, y in zip(*curve, strict=True)])
