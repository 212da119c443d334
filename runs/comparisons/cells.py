"""The record of a comparison: one value of one method with one seed, and estimates over seeds.

Every comparison keeps the same record: `Record` of `anysense.representations.evaluation.records`.
"""

import math
from collections.abc import Iterable, Sequence

from anysense.common.statistics import Estimate, across_seeds
from anysense.representations.evaluation.records import Column, Record

__all__ = ["conditions_in", "estimate", "methods_in", "over_seeds", "seeds_in_words", "text", "values_of"]

FEWEST_SEEDS = 3
"""Seeds from which an interval is given; two values say nothing of their spread."""


def values_of(
    records: Iterable[Record], method: str, subset: str, metric: str, condition: str = ""
) -> list[tuple[int, float]]:
    """(seed, value) of one method under one condition."""
    wanted = (method, subset, metric, condition)
    return [
        (record.seed, record.value)
        for record in records
        if (record.method, record.subset, record.metric, record.condition) == wanted
    ]


def estimate(records: Sequence[Record], method: str, subset: str, metric: str, condition: str = "") -> Estimate:
    """Mean over seeds with its 95% t interval; of a single record its own interval; all NaN where there is none."""
    wanted = (method, subset, metric, condition)
    found = [one for one in records if (one.method, one.subset, one.metric, one.condition) == wanted]
    if len(found) == 1 and found[0].low is not None and found[0].high is not None:
        return Estimate(found[0].value, found[0].low, found[0].high)
    return over_seeds([one.value for one in found])


def over_seeds(values: Sequence[float]) -> Estimate:
    """Mean and 95% t interval over seeds; the interval is NaN below `FEWEST_SEEDS`, all is NaN if one value is."""
    if not values or any(math.isnan(value) for value in values):
        return Estimate(math.nan, math.nan, math.nan)
    if len(values) < FEWEST_SEEDS:
        return Estimate(sum(values) / len(values), math.nan, math.nan)
    return across_seeds(list(values))


def text(column: Column, found: Estimate) -> str:
    """For example `97.31 ± 0.42`: mean and half of the 95% interval; without `±` where there is no interval."""
    factor, digits = column.factor, 2 if column.percent else column.digits
    half = (found.high - found.low) / 2
    if math.isnan(found.value):
        return "undefined"
    mean = f"{factor * found.value:z.{digits}f}"
    return mean if math.isnan(half) else f"{mean} ± {factor * half:z.{digits}f}"


def methods_in(records: Iterable[Record]) -> list[str]:
    """Methods in the order in which they first come."""
    return list(dict.fromkeys(record.method for record in records))


def conditions_in(records: Iterable[Record], metric: str) -> list[tuple[str, str]]:
    """(subset, condition) of one metric in the order in which they first come."""
    return list(dict.fromkeys((record.subset, record.condition) for record in records if record.metric == metric))


def seeds_in_words(jobs: Iterable[tuple[str, int]]) -> str:
    """What the figures of a table are, from the method and the seed of every job."""
    seeds: dict[str, list[int]] = {}
    for method, seed in dict.fromkeys(jobs):
        seeds.setdefault(method, []).append(seed)
    groups: dict[str, list[str]] = {}
    for method, own in seeds.items():
        groups.setdefault(", ".join(map(str, sorted(own))), []).append(method)
    if len(groups) > 1:
        listed = "; ".join(f"{listed} for {', '.join(methods)}" for listed, methods in groups.items())
        return f"Mean over the seeds {listed}. ± is half of the 95% t interval over {FEWEST_SEEDS} seeds or more."
    (listed,) = groups
    count = listed.count(",") + 1
    if count == 1:
        return f"Seed {listed} only, so without intervals over seeds."
    if count < FEWEST_SEEDS:
        return f"Mean over the seeds {listed}; no interval, which two values do not give."
    return f"Mean over the seeds {listed} and half of the 95% t interval."
