"""Finished jobs of a comparison: their records, what they cost, and the runs that did them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.representations.evaluation.records import Record

__all__ = ["Done", "costs", "jobs_of", "records_of", "runs_of", "seeds_of"]


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished job: its method and seed, and what it gave."""

    method: str
    seed: int
    result: Mapping[str, Any]
    """``records`` and anything else, as plain values."""
    runs: Sequence[Mapping[str, Any]]
    """Records of the runs that did it, first to last; see `anysense.runs.comparisons.contents.record_of`."""
    folder: Path | None = None
    """Its folder, where it was done in this run."""

    @property
    def records(self) -> list[Record]:
        """Its records, with method and seed; references keep their own name."""
        found = [Record.from_json(record) for record in self.result["records"]]
        own = [self.method if record.subset or not record.method else record.method for record in found]
        return [
            dataclasses.replace(record, seed=self.seed, method=name) for record, name in zip(found, own, strict=True)
        ]


def records_of(done: Iterable[Done]) -> list[Record]:
    """All records; those of references, which are the same for every job, once."""
    found: dict[Record, None] = {}
    for one in done:
        for record in one.records:
            found[record if record.method == one.method else dataclasses.replace(record, seed=0)] = None
    return list(found)


def runs_of(done: Iterable[Done]) -> list[Mapping[str, Any]]:
    """Records of the runs that did the jobs, each once."""
    found: list[Mapping[str, Any]] = []
    for one in done:
        found += [run for run in one.runs if run not in found]
    return found


def jobs_of(done: Sequence[Done]) -> list[dict[str, Any]]:
    """Everything about the jobs; ``records`` is how many they have of their own, ``runs`` are places in `runs_of`."""
    runs, found = runs_of(done), []
    for one in done:
        rest = {name: value for name, value in one.result.items() if name != "records"}
        own, places = sum(record.method == one.method for record in one.records), [runs.index(run) for run in one.runs]
        found.append({"method": one.method, "seed": one.seed, **rest, "records": own, "runs": places})
    return found


def seeds_of(done: Iterable[Done]) -> list[tuple[str, int]]:
    """Method and seed of each job."""
    return [(one.method, one.seed) for one in done]


def costs(done: Sequence[Done], columns: Sequence[tuple[str, str, str]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Mean over seeds of entries of the results, one row per method; columns: (heading, key of the result, format).

    ``-`` where a job of an earlier version has no such entry.
    """
    rows: list[Sequence[str]] = []
    for method in dict.fromkeys(one.method for one in done):
        own = [one.result for one in done if one.method == method]
        rows.append((method, *(_mean([result.get(key) for result in own], form) for _, key, form in columns)))
    return ("method", *(heading for heading, _, _ in columns)), rows


def _mean(values: Sequence[Any], form: str) -> str:
    return "-" if None in values else format(sum(values) / len(values), form)
