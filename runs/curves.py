"""Learning curves: what a training run measured on its evaluation episodes as it went on."""

import csv
from pathlib import Path

from anysense.common.files import write_csv
from anysense.envs.world import World

__all__ = ["LearningCurve", "curve_label", "read_curve", "write_curve"]

LearningCurve = tuple[list[float], list[float]]
"""Environment steps, and the score at each of them."""

STEPS, VALUE = "steps", "score"


def curve_label(world: World) -> str:
    """What the values of a learning curve are."""
    score = "average reward per step" if world.score == "average_reward" else "return"
    return f"{score} on evaluation episodes"


def read_curve(path: Path) -> LearningCurve | None:
    """The curve in a CSV file, `metrics.csv` or what `write_curve` wrote; None if there is no such file or value."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get(VALUE)]
    return ([float(row[STEPS]) for row in rows], [float(row[VALUE]) for row in rows]) if rows else None


def write_curve(path: Path, curve: LearningCurve) -> Path:
    """Write a curve so that `read_curve` reads it."""
    return write_csv(path, (STEPS, VALUE), [{STEPS: x, VALUE: y} for x, y in zip(*curve, strict=True)])
