"""What all comparisons share: methods x seeds as independent jobs, and the records that come out of them."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from anysense.common.errors import unknown_name
from anysense.common.machine import peak_memory, processors
from anysense.common.progress import say
from anysense.representations.evaluation.records import Record
from anysense.runs.comparisons.jobs import Job, run_jobs
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import ResumableSettings, check_positive

__all__ = [
    "MOST_JOBS",
    "Cell",
    "Done",
    "GridSettings",
    "JobSettings",
    "chosen_methods",
    "costs",
    "records_of",
    "run_cells",
]

MOST_JOBS = 8
"""Jobs side by side if nobody says, whatever the number of processors."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A method with a seed, and the settings of the command; sent to another process."""

    settings: Any
    method: str
    seed: int
    device: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobSettings(ResumableSettings):
    """Options of commands that run many jobs and report on them."""

    jobs: int | None = None
    """Jobs side by side, each with one thread; one per processor if not given."""
    docs: Path | None = None
    """Write the report to this file name (without ending) as well."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "jobs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridSettings(JobSettings):
    """Options of commands that compare methods over seeds."""

    methods: tuple[str, ...] = ()
    """Methods to compare, for example --methods gmc mvae; all if not given."""
    seeds: int = 3
    """How many seeds; the first one is --seed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "seeds")
        if self.seed + self.seeds > 2**32:
            raise ValueError(f"`seed` + `seeds` expected at most {2**32}, got {self.seed} + {self.seeds}.")

    def cells(self, methods: Iterable[str], device: str) -> list[Cell]:
        """Every method with every seed."""
        seeds, names = range(self.seed, self.seed + self.seeds), list(methods)
        return [Cell(self, method, seed, device) for seed in seeds for method in names]


Work = Callable[[Cell, Path], dict[str, Any]]
"""Does the job of a cell in a folder; importable by name. Gives plain values: ``records`` and anything else."""


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished job: its method, seed and folder, and what it gave."""

    method: str
    seed: int
    folder: Path
    result: dict[str, Any]

    @property
    def records(self) -> list[Record]:
        """Its records, with method and seed; references keep their own name."""
        found = [Record.from_json(record) for record in self.result["records"]]
        own = [self.method if record.subset or not record.method else record.method for record in found]
        return [
            dataclasses.replace(record, seed=self.seed, method=name) for record, name in zip(found, own, strict=True)
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


def run_cells(cells: Sequence[Cell], run: RunFolder, work: Work, spare: tuple[str, ...] = ()) -> list[Done]:
    """Run the jobs of all cells, each in ``jobs/METHOD-SEED``, or go on with those that are not done.

    ``spare`` names folders of a job that only serve to go on with it.
    """
    names = [(f"{cell.method}, seed {cell.seed}", run.path / "jobs" / f"{cell.method}-{cell.seed}") for cell in cells]
    jobs = [Job(*name, _do, (work, cell), spare) for name, cell in zip(names, cells, strict=True)]
    at_a_time = side_by_side(cells[0].settings.jobs, len(jobs))
    say(f"{len(jobs)} jobs, {at_a_time} at a time" if len(jobs) > 1 else "1 job")
    results = run_jobs(jobs, at_a_time, run.record["command"])
    finished = zip(cells, jobs, results, strict=True)
    return [Done(cell.method, cell.seed, job.folder, result) for cell, job, result in finished]


def _do(argument: tuple[Work, Cell], folder: Path) -> dict[str, Any]:
    import torch

    work, cell = argument
    torch.set_num_threads(cell.settings.threads or 1)
    return {**work(cell, folder), "peak_memory": peak_memory()}


def records_of(done: Iterable[Done]) -> list[Record]:
    """All records; those of references, which are the same for every job, once."""
    found: dict[Record, None] = {}
    for one in done:
        for record in one.records:
            found[record if record.subset or record.condition else dataclasses.replace(record, seed=0)] = None
    return list(found)


def costs(done: Sequence[Done], columns: Sequence[tuple[str, str, str]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Mean over seeds of entries of the results, one row per method; columns: (heading, key of the result, format)."""
    rows: list[Sequence[str]] = []
    for method in dict.fromkeys(one.method for one in done):
        own = [one.result for one in done if one.method == method]
        means = [sum(result[key] for result in own) / len(own) for _, key, _ in columns]
        rows.append((method, *(format(mean, form) for mean, (_, _, form) in zip(means, columns, strict=True))))
    return ("method", *(heading for heading, _, _ in columns)), rows
