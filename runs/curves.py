"""Learning curves: what a training run measured on its evaluation episodes as it went on."""

import csv
import math
from pathlib import Path

from anysense.common.errors import reading
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
    """The curve in a CSV file, `metrics.csv` or what `write_curve` wrote; None if there is no such file or value.

    Raises:
        FileFormatError: It is no table of steps and finite values.
    """
    if not path.is_file():
        return None
    with (
        reading(path, "Restore it, or remove it to do without its curve."),
        path.open(newline="", encoding="utf-8") as file,
    ):
        rows = [row for row in csv.DictReader(file) if row.get(VALUE)]
        steps, values = ([float(row[name]) for row in rows] for name in (STEPS, VALUE))
        if not all(map(math.isfinite, (*steps, *values))):
            raise ValueError("a step or a value is not finite")
    return (steps, values) if rows else None


def write_curve(path: Path, curve: LearningCurve) -> Path:
    """Write a curve so that `read_curve` reads it."""
    return write_csv(path, (STEPS, VALUE), [{STEPS: x, VALUE: y} for x, y in zip(*curve, strict=True)])
