"""What all comparisons share: methods x seeds as independent jobs, of which only those are run that are missing."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.common.errors import unknown_name
from anysense.common.machine import peak_memory, resolve_device
from anysense.common.progress import say
from anysense.runs.comparisons.contents import record_of
from anysense.runs.comparisons.done import Done
from anysense.runs.comparisons.growth import earlier_jobs, in_order, methods_of_files
from anysense.runs.comparisons.validation_curves import CURVE, read_validation
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import run_jobs
from anysense.runs.launching.settings import LaunchSettings, launcher_of
from anysense.runs.method_options import changes_of
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import check_positive
from anysense.runs.tables import Table, counted

__all__ = [
    "Cell",
    "GridSettings",
    "JobSettings",
    "chosen_methods",
    "every_cell",
    "growth",
    "missing_cells",
    "planned",
    "run_cells",
]

TABLE = "metrics.csv"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A method with a seed, and the settings of the command; sent to another process."""

    settings: Any
    method: str
    seed: int
    device: str = "cpu"
    """Where its networks run; the launcher says so."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobSettings(LaunchSettings):
    """Options of commands that run many jobs and report on them."""

    docs: Path | None = None
    """Write the report to this file name (without ending) as well."""
    readme: Path | None = None
    """Document whose block between the markers that are called as the file of --docs is replaced by the table."""
    extend: tuple[Path, ...] = ()
    """JSON files of reports of this command: jobs that they hold are not run again, and the new report holds them too.
    They must have the same settings."""
    again: tuple[str, ...] = ()
    """Methods that are left out of these files, to be run again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.readme is not None and self.docs is None:
            raise ValueError("`readme` needs --docs: its file name is the name of the block, and the link below it.")

    def known_methods(self) -> Sequence[str]:
        """Methods that jobs of a report to extend can have; none where any can."""
        return ()

    def of_job(self, method: str) -> Mapping[str, Any]:
        """Settings that the jobs of one method have besides; none for an unknown method."""
        return {}

    def usual_of_job(self, method: str) -> Mapping[str, Any]:
        """The same where nothing is changed for one method."""
        return self.of_job(method)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridSettings(JobSettings):
    """Options of commands that compare methods over seeds."""

    methods: tuple[str, ...] = ()
    """Methods to compare, for example --methods gmc mvae; those that are usual for the data or the world if not
    given. With --resume more may be named."""
    seeds: int = 3
    """How many seeds; the first one is --seed. With --resume it may be more."""
    method_option: tuple[str, ...] = ()
    """Settings of single methods that differ from the preset's, as METHOD.NAME=VALUE, such as gmc.temperature=0.2
    mvae.learning_rate=2e-3: of the method, its networks and its training. `anysense tune` finds and prints them. With
    --extend, those of the jobs in the files belong to them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "seeds")
        if self.seed + self.seeds > 2**32:
            raise ValueError(f"`seed` + `seeds` expected at most {2**32}, got {self.seed} + {self.seeds}.")

    def chosen(self) -> list[str]:
        """Names of the methods; commands add those that they mean if none is given."""
        return list(self.methods)

    def changes(self, method: str) -> Mapping[str, Any]:
        """Settings of a method that differ from the preset's, by name; none for a method that no option names."""
        return changes_of(self.method_option, self._named()).get(method, {})

    def check_options(self) -> None:
        """ValueError for options of a method that is not chosen, and of which no file of ``extend`` holds jobs.

        Apart from `changes`, which processes on other machines ask, where the files may not be.
        """
        methods = self.chosen()
        if self.extend and not set(self._named()) <= set(methods):
            methods = list(dict.fromkeys([*methods, *methods_of_files(self.extend)]))
        changes_of(self.method_option, methods)

    def _named(self) -> list[str]:
        """Methods that options name."""
        return [option.partition("=")[0].partition(".")[0] for option in self.method_option]

    def usual_of_job(self, method: str) -> Mapping[str, Any]:
        """Settings that the jobs of one method have without --method-option."""
        return dataclasses.replace(self, method_option=()).of_job(method)

    def grown(self, given: "GridSettings") -> Mapping[str, list[str]]:
        """More seeds and more methods may be asked for: jobs are independent, and those that are done stay."""
        return growth("seeds", self.seeds, given.seeds, self.chosen(), given.chosen())


def growth(
    name: str, before: int, now: int, methods_before: Sequence[str], methods_now: Sequence[str]
) -> dict[str, list[str]]:
    """What a run that goes on has more of, as options by name: of what is counted under ``name``, and of methods."""
    found = {}
    if now > before:
        found[name] = [f"--{name}", str(now)]
    if set(methods_before) < set(methods_now):
        found["methods"] = ["--methods", *methods_now]
    return found


Work = Callable[[Cell, Path], dict[str, Any]]
"""Does the job of a cell in a folder; importable by name. Gives plain values: ``records`` and anything else."""


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


def every_cell(settings: GridSettings) -> list[Cell]:
    """Every method with every seed."""
    seeds, methods = range(settings.seed, settings.seed + settings.seeds), settings.chosen()
    return [Cell(settings, method, seed) for seed in seeds for method in methods]


def missing_cells(cells: Sequence[Cell], earlier: Iterable[Done]) -> list[Cell]:
    """The cells whose jobs are not among the earlier ones."""
    known = {(job.method, job.seed) for job in earlier}
    return [cell for cell in cells if (cell.method, cell.seed) not in known]


def run_cells(
    cells: Sequence[Cell],
    run: RunFolder,
    work: Work,
    spare: tuple[str, ...] = (),
    before: Sequence[Mapping[str, Any]] = (),
    table: str = TABLE,
) -> list[Done]:
    """Run the jobs of the cells that the reports of --extend do not hold, or go on with those that are not done.

    Args:
        cells: At least one.
        run: Each job gets the folder ``jobs/METHOD-SEED`` in it.
        work: What a job does.
        spare: Names of folders of a job that only serve to go on with it.
        before: Records of runs that this one goes on from.
        table: Where a job's folder has the table of its pretraining, whose validation losses are kept with the result.

    Returns:
        All jobs, of these reports and of this run, by seed.
    """
    settings = cells[0].settings
    earlier = earlier_jobs(settings, run.record["command"], announced=True)
    missing = missing_cells(cells, earlier)
    if settings.extend:
        say(f"{counted(len(earlier), 'job')} taken over from {', '.join(map(str, settings.extend))}")
    jobs = [Job(name_of(cell), folder_of(cell, run.path), _do, (work, cell), spare) for cell in missing]
    results = run_jobs(jobs, launcher_of(settings), run.record["command"])
    runs, finished = [*before, record_of(run.record)], zip(missing, jobs, results, strict=True)
    new = [
        Done(cell.method, cell.seed, _with_curve(result, job.folder / table), runs, job.folder)
        for cell, job, result in finished
    ]
    return in_order([*earlier, *new], methods_of_files(settings.extend))


def planned(settings: Any, command: str, cells: Sequence[Cell], run: RunFolder | None) -> Table:
    """Which jobs there are, which of them are done, and which would be; nothing is written."""
    missing = missing_cells(cells, earlier_jobs(settings, command))
    rows = [(name_of(cell), "done, in a file of --extend") for cell in cells if cell not in missing]
    for cell in missing:
        folder = None if run is None else folder_of(cell, run.path)
        begun = folder is not None and folder.is_dir()
        done = folder is not None and Job("", folder, _do, None).done
        rows.append((name_of(cell), "done" if done else "would go on" if begun else "would run"))
    return Table(("job", "state"), rows)


def name_of(cell: Cell) -> str:
    """The job of a cell, in words."""
    return f"{cell.method}, seed {cell.seed}"


def folder_of(cell: Cell, run: Path) -> Path:
    """The folder of the job of a cell."""
    return run / "jobs" / f"{cell.method}-{cell.seed}"


def _with_curve(result: Mapping[str, Any], table: Path) -> Mapping[str, Any]:
    losses = read_validation(table)
    return result if losses is None else {**result, CURVE: losses}


def _do(argument: tuple[Work, Cell], folder: Path, device: str) -> dict[str, Any]:
    import torch

    work, cell = argument
    cell = dataclasses.replace(cell, device=str(resolve_device(device)))
    torch.set_num_threads(cell.settings.threads or 1)
    return {**work(cell, folder), "settings": cell.settings.of_job(cell.method), "peak_memory": peak_memory()}
