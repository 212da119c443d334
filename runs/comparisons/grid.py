"""What all comparisons share: methods x seeds as independent jobs, and the records that come out of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from anysense.common.errors import unknown_name
from anysense.common.machine import processors
from anysense.common.progress import say
from anysense.representations.evaluation.records import Record
from anysense.runs.comparisons.jobs import Job, run_jobs
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import ResumableSettings, check_positive

__all__ = ["MOST_JOBS", "Done", "GridSettings", "chosen_methods", "costs", "records_of", "run_grid", "side_by_side"]

MOST_JOBS = 8
"""Jobs side by side if nobody says, whatever the number of processors."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridSettings(ResumableSettings):
    """Options of commands that run many jobs."""

    methods: tuple[str, ...] = ()
    """Methods to compare, for example --methods gmc mvae; all if not given."""
    seeds: int = 3
    """How many seeds; the first one is --seed."""
    jobs: int | None = None
    """Jobs side by side, each with one thread; one per processor if not given."""
    docs: Path | None = None
    """Write the report to this file name (without ending) as well."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "seeds", "jobs")


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished job.

    Attributes:
        method: Name of the method.
        seed: Its seed.
        folder: Folder of the job.
        result: What it gave: ``records`` (of `Record.to_json`) and anything else, as plain values.
    """

    method: str
    seed: int
    folder: Path
    result: dict[str, Any]

    @property
    def records(self) -> list[Record]:
        """Its records, with method and seed; references keep their own name."""
        records = [Record.from_json(record) for record in self.result["records"]]
        return [
            dataclasses.replace(
                record, seed=self.seed, method=self.method if record.subset or not record.method else record.method
            )
            for record in records
        ]

    @property
    def details(self) -> dict[str, Any]:
        """Everything but the records."""
        rest = {name: value for name, value in self.result.items() if name != "records"}
        return {"method": self.method, "seed": self.seed, **rest}


def chosen_methods(given: Sequence[str], known: Sequence[str], usual: Sequence[str] | None = None) -> list[str]:
    """The methods that were given, or the usual ones (all that are known by default).

    Raises:
        ValueError: A name is unknown, or given twice.
    """
    names = list(given) or list(known if usual is None else usual)
    for name in names:
        if name not in known:
            raise ValueError(unknown_name("methods", name, known))
    if len(set(names)) < len(names):
        raise ValueError(f"`methods` names a method twice: {' '.join(names)}.")
    return names


def side_by_side(jobs: int | None, count: int) -> int:
    """How many of ``count`` jobs run at a time; one per processor if nobody says, at most `MOST_JOBS`."""
    return max(1, min(jobs or min(processors(), MOST_JOBS), count))


def run_grid(
    settings: GridSettings,
    methods: Iterable[str],
    run: RunFolder,
    argument: Callable[[str, int], Any],
    work: Callable[[Any, Path], dict[str, Any]],
    spare: tuple[str, ...] = (),
) -> list[Done]:
    """Run one job per method and seed, or go on with those that are not done.

    Args:
        settings: How many seeds, and how many jobs at a time.
        methods: Methods to compare.
        run: Where the jobs have their folders, ``jobs/METHOD-SEED``.
        argument: What a job is given, from method and seed; can be sent to another process.
        work: Does a job; importable by name.
        spare: Folders of a job that only serve to go on with it.
    """
    cells = [(method, seed) for seed in range(settings.seed, settings.seed + settings.seeds) for method in methods]
    jobs = [
        Job(f"{method}, seed {seed}", run.path / "jobs" / f"{method}-{seed}", work, argument(method, seed), spare)
        for method, seed in cells
    ]
    at_a_time = side_by_side(settings.jobs, len(jobs))
    say(f"{len(jobs)} jobs, {at_a_time} at a time")
    results = run_jobs(jobs, at_a_time, run.record["command"])
    return [Done(*cell, job.folder, result) for cell, job, result in zip(cells, jobs, results, strict=True)]


def records_of(done: Iterable[Done]) -> list[Record]:
    """All records; those of references, which are the same for every job, once."""
    found: dict[Record, None] = {}
    for one in done:
        for record in one.records:
            found[record if record.subset or record.condition else dataclasses.replace(record, seed=0)] = None
    return list(found)


def costs(done: Sequence[Done], columns: Sequence[tuple[str, str, str]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Mean over seeds of entries of the results, one row per method.

    Args:
        done: Finished jobs.
        columns: (heading, key of the result, format) of each column.
    """
    rows: list[Sequence[str]] = []
    for method in dict.fromkeys(one.method for one in done):
        own = [one.result for one in done if one.method == method]
        means = [sum(result[key] for result in own) / len(own) for _, key, _ in columns]
        rows.append((method, *(format(mean, form) for mean, (_, _, form) in zip(means, columns, strict=True))))
    return ("method", *(heading for heading, _, _ in columns)), rows
