"""`anysense classify`: methods x seeds on a benchmark with modalities missing, ending in the table of the paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from anysense.common.errors import unknown_name
from anysense.common.progress import counter, say, stage
from anysense.representations.benchmarks import Benchmark, DataRequest, benchmark, benchmark_names
from anysense.representations.evaluation.classification import ClassificationSettings
from anysense.representations.registry import make_settings
from anysense.representations.training import PretrainSettings
from anysense.runs.commands.pretrain import Training
from anysense.runs.comparisons.classify_job import ClassifyJob, classify_one
from anysense.runs.comparisons.classify_report import print_report, write_report
from anysense.runs.comparisons.classify_scores import Cell
from anysense.runs.comparisons.jobs import Job, run_jobs, usual_jobs
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import (
    PRESETS,
    Flat,
    Preset,
    ResumableSettings,
    as_preset,
    parse,
    peek,
    resumed,
    use_machine,
    widened,
)

__all__ = ["ClassifyCommand", "main", "methods_of"]

EVALUATION = {
    "smoke": ClassificationSettings(classifier_epochs=3, missing_rates=(0.0, 0.5)),
    "default": ClassificationSettings(),
    "paper": ClassificationSettings(classifier_epochs=100),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyCommand(ResumableSettings):
    """Compare representations on a benchmark with modalities missing: every method, several seeds, every subset.

    Each method is trained with the same data and the same number of epochs, frozen, and tested with every subset of
    the modalities. Ends with a table, figures and all values as Markdown, CSV and JSON. A killed run goes on with
    --resume: what was finished stays, a training goes on after its last epoch.
    """

    data: str = "mhd-offline"
    """Benchmark: mhd, mhd-offline, mosei, mosi, mosei-offline, or a registered one."""
    methods: str = "all"
    """Methods to compare, separated by commas, or all; gmc-published (mhd) is GMC with its published settings."""
    seeds: int = 5
    """How many seeds; the first one is --seed."""
    jobs: int | None = None
    """Trainings side by side, each with one thread; one per processor if not given."""
    docs: Path | None = None
    """Write the report to this file name (without ending) as well, for example docs/results/mhd-offline."""
    request: Annotated[DataRequest, Flat]
    training: Annotated[Training, Flat]
    evaluation: Annotated[ClassificationSettings, Flat]

    @classmethod
    def of(cls, preset: Preset, data: str) -> ClassifyCommand:
        """The values of a preset."""
        found = benchmark(data)
        if preset not in found.training:
            raise ValueError(unknown_name("preset", preset, found.training))
        return cls(
            preset=preset,
            data=data,
            seeds=1 if preset == "smoke" else 5,
            request=found.data.get(preset, DataRequest()),
            training=widened(Training, found.training[preset]),
            evaluation=EVALUATION[preset],
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds < 1:
            raise ValueError(f"`seeds` must be at least 1; got {self.seeds}.")
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"`jobs` must be at least 1; got {self.jobs}.")
        methods_of(benchmark(self.data), self.methods)


def main(arguments: Sequence[str]) -> None:
    """Run all jobs in a new run folder, or go on with one; then write the report."""
    settings = read(arguments)
    if settings.resume:
        settings, run = resumed(settings, arguments, "classify", read)
    device = use_machine(settings)
    if not settings.resume:
        run = RunFolder.create(settings.out, "classify", settings.name, settings, settings.seed, arguments)
    found = benchmark(settings.data)
    with run.working():
        _prepare_data(found, settings.request)
        jobs, cells = _jobs(found, settings, run.path, device)
        side_by_side = min(settings.jobs or usual_jobs(), len(jobs))
        say(f"{found.title}: {len(jobs)} jobs, {side_by_side} at a time, {settings.training.epochs} epochs each")
        results = run_jobs(jobs, side_by_side, "classify")
        filled = [dataclasses.replace(cell, result=result) for cell, result in zip(cells, results, strict=True)]
        write_report(found, filled, run, settings.docs)
    print_report(found, filled)
    print(f"Report: {run.results('report.md')}")
    print(f"Figures: {run.path / 'figures'}")


def read(arguments: Sequence[str]) -> ClassifyCommand:
    """Settings from the command line."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    data = peek(arguments, "--data", "mhd-offline", benchmark_names())
    return parse(ClassifyCommand.of(preset, data), arguments, "classify")


def methods_of(found: Benchmark, methods: str) -> list[str]:
    """Names from a list separated by commas; `all` stands for every method that has no preset of its own.

    Raises:
        ValueError: a name is unknown, or given twice.
    """
    usual = [name for name, method in found.methods.items() if ":" not in method]
    names = usual if methods == "all" else [name.strip() for name in methods.split(",")]
    for name in names:
        if name not in found.methods:
            raise ValueError(unknown_name("methods", name, [*found.methods, "all"]))
    if len(set(names)) < len(names):
        raise ValueError(f"`methods` names a method twice: {methods}.")
    return names


def _prepare_data(found: Benchmark, request: DataRequest) -> None:
    """Read the data once before the jobs do, so that generated data are built with progress, and errors come early."""
    with stage(f"Data of {found.name}"), counter("data") as progress:
        splits = found.load(request, progress)
    sizes = {name: len(getattr(splits, name)) for name in ("train", "validation", "test")}
    say(", ".join(f"{size} samples for {name}" for name, size in sizes.items()))


def _jobs(found: Benchmark, settings: ClassifyCommand, folder: Path, device: str) -> tuple[list[Job], list[Cell]]:
    jobs, cells = [], []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        for name in methods_of(found, settings.methods):
            threads = settings.threads or 1
            training = dataclasses.replace(settings.training, device=device, threads=threads, seed=seed)
            method, _, preset = found.methods[name].partition(":")
            job = ClassifyJob(
                data=settings.data,
                request=settings.request,
                method=method,
                settings=make_settings(method, preset or settings.preset, benchmark=found.settings_name),
                training=_plain_settings(training),
                evaluation=settings.evaluation,
                subsets=tuple(found.subsets()),
                seed=seed,
            )
            path = folder / "jobs" / f"{name}-{seed}"
            jobs.append(Job(f"{name}, seed {seed}", path, classify_one, job, spare=("checkpoints",)))
            cells.append(Cell(name, seed, path, {}))
    return jobs, cells


def _plain_settings(training: Training) -> PretrainSettings:
    values: dict[str, Any] = {
        field.name: getattr(training, field.name) for field in dataclasses.fields(PretrainSettings)
    }
    return PretrainSettings(**values)
