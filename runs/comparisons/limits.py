"""What values of a report can be: a file that says otherwise was altered."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anysense.common.errors import FileFormatError
from anysense.common.statistics import Estimate
from anysense.representations.evaluation.records import Column

__all__ = ["COSTS", "check_values", "drawn_limits", "limits_of", "within_limits"]

COSTS = (
    "latent_dim",
    "parameters",
    "epochs",
    "samples_per_second",
    "training_minutes",
    "pretraining_minutes",
    "evaluation_seconds",
    "peak_memory",
)
"""Numbers of jobs, which are never negative."""
_LIMITS = (
    ("accuracy.*|f1.*|retrieval|(back_)?recall_.*|(class|label)_(volume|cosine)", 0.0, 1.0),
    ("precision|recall|network_.*|noise", 0.0, 1.0),
    ("cosine|correlation", -1.0, 1.0),
    ("(back_)?rank_.*", 1.0, math.inf),
    ("mae|length|clusters|score_.*", 0.0, math.inf),
)
"""Names of metrics, and between which numbers their values lie; others may have any."""
_ROUNDING = 1e-6


def limits_of(metric: str) -> tuple[float, float]:
    """Between which numbers the values of a metric lie."""
    found = next((limits for pattern, *limits in _LIMITS if re.fullmatch(pattern, metric)), (-math.inf, math.inf))
    return found[0], found[1]


def drawn_limits(column: Column) -> tuple[float, float]:
    """The same for a column: those of its metric, and of the world where it was measured."""
    low, high = limits_of(column.key)
    return max(low, column.limits[0]), min(high, column.limits[1])


def within_limits(found: Estimate, column: Column) -> Estimate:
    """An estimate as it is drawn: its interval ends where no value can be."""
    low, high = np.clip([found.low, found.high], *drawn_limits(column))
    low, high = np.minimum(low, found.value), np.maximum(high, found.value)  # a value may be off by a rounding
    return Estimate(found.value, float(low), float(high))


def check_values(path: Path, records: Sequence[Mapping[str, Any]], jobs: Iterable[Mapping[str, Any]]) -> None:
    """Raise FileFormatError, which names file and entry, where a value of a report is impossible."""
    for number, record in enumerate(records):
        low, high = limits_of(record["metric"])
        for name in ("value", "low", "high"):
            value = record.get(name)
            if value is not None and not low - _ROUNDING <= value <= high + _ROUNDING:
                subset = f", {record['subset']}" if record["subset"] else ""
                what = f"{record['metric']} of {record['method']}, seed {record['seed']}{subset}"
                expected = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
                raise FileFormatError(
                    f"`{path}` is damaged: `records[{number}].{name}` ({what}) must be {expected}; got {value!r}. "
                    "Make the report again."
                )
    for number, job in enumerate(jobs):
        for name in COSTS:
            if job.get(name, 0) < 0:
                raise FileFormatError(
                    f"`{path}` is damaged: `jobs[{number}].{name}` ({job['method']}, seed {job['seed']}) must be at "
                    f"least 0; got {job[name]!r}. Make the report again."
                )
