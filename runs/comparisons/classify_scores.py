"""Scores of a comparison: cells, columns, and estimates over seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from anysense.common.statistics import Estimate, across_seeds
from anysense.representations.benchmarks import Benchmark

__all__ = [
    "CLASSIFICATION",
    "SENTIMENT",
    "Cell",
    "Score",
    "alignment_estimate",
    "methods_in",
    "modalities_label",
    "over_seeds",
    "robustness_estimate",
    "scores_of",
    "seeds_in_words",
    "subset_estimate",
]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One method with one seed: where it was trained, and what came out."""

    method: str
    seed: int
    folder: Path
    result: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Score:
    """One column of a table."""

    key: str
    title: str
    percent: bool = False
    digits: int = 3

    @property
    def heading(self) -> str:
        """The title as it begins a line."""
        return self.title[0].upper() + self.title[1:]

    def text(self, estimate: Estimate) -> str:
        """For example `97.31 ± 0.42`: mean and half of the 95% interval; without `±` for a single seed."""
        factor, digits = (100.0, 2) if self.percent else (1.0, self.digits)
        half = (estimate.high - estimate.low) / 2
        if math.isnan(estimate.value):
            return "undefined"
        mean = f"{factor * estimate.value:.{digits}f}"
        return mean if math.isnan(half) else f"{mean} ± {factor * half:.{digits}f}"


CLASSIFICATION = (
    Score("accuracy", "classifier", percent=True),
    Score("knn", "5 nearest neighbours", percent=True),
    Score("linear", "linear probe", percent=True),
)
SENTIMENT = (
    Score("mae", "MAE"),
    Score("correlation", "Corr"),
    Score("f1", "F1"),
    Score("f1_swapped", "F1 (as published)"),
    Score("accuracy", "Acc (%)", percent=True),
    Score("accuracy_with_zeros", "Acc with zeros (%)", percent=True),
    Score("accuracy_7", "Acc-7 (%)", percent=True),
)


def scores_of(found: Benchmark) -> tuple[Score, ...]:
    """The columns of a benchmark's tables."""
    return CLASSIFICATION if found.task == "classification" else SENTIMENT


def over_seeds(values: Sequence[float]) -> Estimate:
    """Mean and 95% t interval over seeds; an interval of NaN for a single seed, all NaN if one value is."""
    if any(math.isnan(value) for value in values):
        return Estimate(math.nan, math.nan, math.nan)
    return across_seeds(list(values)) if len(values) > 1 else Estimate(values[0], math.nan, math.nan)


def seeds_in_words(seeds: Iterable[int]) -> str:
    """What the numbers of a table are, for the text above it."""
    different = sorted(set(seeds))
    if len(different) == 1:
        return f"Seed {different[0]} only, so without intervals."
    return f"Mean over the seeds {', '.join(map(str, different))} and half of the 95% t interval."


def modalities_label(modalities: Sequence[str], found: Benchmark) -> str:
    """`complete` for all modalities, else their names."""
    return "complete" if len(modalities) == len(found.modalities) else " + ".join(modalities)


def methods_in(cells: Sequence[Cell]) -> list[str]:
    """Methods in the order in which they first come."""
    return list(dict.fromkeys(cell.method for cell in cells))


def subset_estimate(cells: Sequence[Cell], method: str, modalities: Sequence[str], key: str) -> Estimate:
    """Score of one method with one subset of modalities."""
    rows = [row for cell in cells if cell.method == method for row in cell.result["subsets"]]
    return over_seeds([_number(row[key]) for row in rows if row["modalities"] == list(modalities)])


def robustness_estimate(cells: Sequence[Cell], method: str, rate: float, with_label: bool, key: str) -> Estimate:
    """Score of one method at one rate of missing modalities."""
    rows = [row for cell in cells if cell.method == method for row in cell.result["robustness"]]
    wanted = [row for row in rows if (row["rate"], row.get("with_label", True)) == (rate, with_label)]
    return over_seeds([_number(row[key]) for row in wanted])


def alignment_estimate(cells: Sequence[Cell], method: str, modality: str, key: str) -> Estimate:
    """Agreement of one modality's latents with the complete ones."""
    rows = [row for cell in cells if cell.method == method for row in cell.result["alignment"]]
    return over_seeds([_number(row[key]) for row in rows if row["modality"] == modality])


def _number(value: float | None) -> float:
    """Undefined scores are null in JSON."""
    return math.nan if value is None else float(value)
