"""`anysense classify`: methods x seeds on a data set with modalities missing, ending in the table of the paper."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from anysense.common.progress import counter, say, stage
from anysense.representations.benchmarks import Benchmark, DataRequest, benchmark, benchmark_names
from anysense.representations.evaluation.tasks import TaskSettings
from anysense.representations.networks.catalogue import NETWORKS
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.runs.comparisons.done import Done
from anysense.runs.comparisons.grid import Cell, GridSettings, chosen_methods, every_cell, missing_cells, run_cells
from anysense.runs.comparisons.growth import earlier_jobs, jobs_in
from anysense.runs.comparisons.more_seeds import more_seeds, too_few_seeds
from anysense.runs.execute import execute
from anysense.runs.launching.settings import LAUNCHERS
from anysense.runs.method_options import Parts, changed
from anysense.runs.next_steps import page_line, typed_next
from anysense.runs.run_folder import RunFolder, plain
from anysense.runs.settings import Flat, Preset, parse, peek, preset_in, widened
from anysense.runs.training_options import Training

if TYPE_CHECKING:
    from anysense.representations.contract import Representation
    from anysense.representations.data.samples import Samples, Splits
    from anysense.representations.evaluation.tasks.task import Subsets
    from anysense.runs.comparisons.contents import Report

__all__ = [
    "ClassifyCommand",
    "built",
    "checked",
    "classify_one",
    "main",
    "methods_of",
    "report_of",
    "reread",
    "trained_and_tested",
    "work",
]

DATA = "digits"
Next = Callable[["ClassifyCommand", RunFolder], str]
"""Gives the last line: what to type next."""
MakeReport = Callable[[Benchmark, Mapping[str, str], Sequence[Done], RunFolder], "Report"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyCommand(GridSettings):
    """Compare representations on a data set with modalities missing: every method, several seeds, every subset.

    Each method is trained with the same data and the same number of epochs, frozen, and tested with every subset of
    the modalities. Ends with a table, figures and all values as Markdown, CSV, JSON and LaTeX. A killed run goes on
    with --resume: what was finished stays, a training goes on after its last epoch. A method with `published` in its
    name has its published settings, and is not among those compared if --methods is not given.
    """

    data: str = DATA
    """Data set; `anysense data` fetches, makes and checks them. `mhd-offline` needs no download."""
    request: Annotated[DataRequest, Flat]
    training: Annotated[Training, Flat]
    evaluation: Annotated[TaskSettings, Flat]

    @classmethod
    def of(cls, preset: Preset, data: str) -> "ClassifyCommand":
        """The values of a preset."""
        found = benchmark(data)
        return cls(
            preset=preset,
            data=data,
            seeds=1 if preset == "smoke" else 3,
            request=found.data.get(preset, DataRequest()),
            training=widened(Training, found.presets.training(preset)),
            evaluation=found.task.settings(preset),
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen = self.chosen()
        self.check_options()
        for method in chosen if self.method_option else ():
            self.parts(method)

    def benchmark(self) -> Benchmark:
        """The data set with what is measured on it."""
        return benchmark(self.data)

    def usual(self) -> "ClassifyCommand":
        """The values of the preset."""
        return type(self).of(self.preset, self.data)

    def may_differ(self) -> Sequence[str]:
        """Jobs are independent; where the data lie does not matter."""
        return ("methods", "seeds", "seed", "request.folder", "method_option")

    def known_methods(self) -> Sequence[str]:
        """Methods of the data set."""
        return list(methods_of(self.benchmark()))

    def of_job(self, method: str) -> Mapping[str, Any]:
        """Settings of the method and of its networks; of its training, too, where that is another one."""
        if method not in methods_of(self.benchmark()):
            return {}
        parts = self.parts(method)
        training = {"training": plain(parts["training"])} if parts["training"] != self.training else {}
        return {"method": plain(parts["method"]), "networks": plain(parts.get("networks")), **training}

    def usual_parts(self, method: str) -> Parts:
        """Settings of a method, its networks and its training, without --method-option."""
        found = self.benchmark()
        name, preset = _named(found, method, self.preset)
        own, networks = found.presets.method_settings(name, preset), found.presets.network_settings(name, preset)
        return {"method": own, **({} if networks is None else {"networks": networks}), "training": self.training}

    def parts(self, method: str) -> dict[str, Any]:
        """The same with --method-option; ValueError or TypeError for one that is not possible."""
        return changed(self.usual_parts(method), self.changes(method), method)

    def chosen(self) -> list[str]:
        """Names of the methods; ValueError for an unknown one."""
        found = self.benchmark()
        known, usual = methods_of(found), {*found.methods, *found.presets.usual_methods}
        named = [name for name, method in known.items() if ":" not in method and name in usual]
        return chosen_methods(self.methods, list(known), named)


def methods_of(found: Benchmark) -> Mapping[str, str]:
    """All methods that can be compared: those a benchmark names, and others that it has presets for.

    By name on the command line; ``method`` or ``method:preset``.
    """
    named = {*found.methods, *(method.partition(":")[0] for method in found.methods.values())}
    return {**found.methods, **{name: name for name in found.presets.methods if name not in named}}


def main(arguments: Sequence[str]) -> None:
    """Run all jobs in a new run folder, or go on with one; then write the report."""
    execute("classify", arguments, read, partial(work, _report, _next), partial(checked, "classify"), every_cell)


def report_of(run: RunFolder) -> "Report":
    """The report of a finished run; FileNotFoundError or ValueError where results are missing or damaged."""
    return reread(_report, read, run)


def _report(found: Benchmark, methods: Mapping[str, str], done: Sequence[Done], run: RunFolder) -> "Report":
    from anysense.runs.comparisons.classify_report import classify_report

    return classify_report(found, methods, done, run)


def reread(make_report: MakeReport, read: Callable[[Sequence[str]], ClassifyCommand], run: RunFolder) -> "Report":
    """The report of a finished run, made again from its settings and its results."""
    found = read(run.record["arguments"]).benchmark()
    return make_report(found, methods_of(found), jobs_in(run), run)


def read(arguments: Sequence[str]) -> ClassifyCommand:
    """Settings from the command line."""
    preset = preset_in(arguments)
    data = peek(arguments, "--data", DATA, benchmark_names())
    names = {"data": benchmark_names(), "methods": list(methods_of(benchmark(data))), "launcher": LAUNCHERS.names()}

    def others() -> dict[str, Any]:
        return {f"--data {name}": benchmark(name).task.settings(preset) for name in benchmark_names()}

    return parse(ClassifyCommand.of(preset, data), arguments, "classify", names, others)


def checked(command: str, settings: ClassifyCommand) -> tuple[ClassifyCommand, Sequence[str]]:
    """Read the data before anything is written, and before the jobs: data that are made are made with progress."""
    found, cells = settings.benchmark(), every_cell(settings)
    missing = missing_cells(cells, earlier_jobs(settings, command))
    if not missing:
        return settings, ()
    with stage(f"Data of {found.name}"), counter("data") as progress:
        splits = found.load(settings.request, progress)
    sizes = {name: len(getattr(splits, name)) for name in ("train", "validation", "test")}
    say(", ".join(f"{size} samples for {name}" for name, size in sizes.items()))
    for cell in missing:
        built(cell, found, splits.train)
    return settings, ()


def _next(settings: ClassifyCommand, run: RunFolder) -> str:
    nothing_trained = not (run.path / "jobs").is_dir()  # all jobs were in the reports of --extend
    if too_few_seeds(settings) or nothing_trained:
        return more_seeds(settings, run)
    return typed_next("Geometry of the latents", "align", run.path)


def work(make_report: MakeReport, following: Next, settings: ClassifyCommand, run: RunFolder, device: str) -> list[str]:
    """Do the jobs of all methods and seeds, and write the report of what they found."""
    from anysense.runs.comparisons.report import print_report, write_run_report

    found = settings.benchmark()
    cells = every_cell(settings)
    done = run_cells(cells, run, classify_one, spare=("checkpoints",))
    report = make_report(found, methods_of(found), done, run)
    write_run_report(report, run, settings.docs, settings.readme)
    print_report(report)
    lines = [f"Report: {run.results('report.md')}", f"Figures: {run.path / 'figures'}", *page_line(run)]
    return [*lines, following(settings, run)]


def built(cell: Cell, found: Benchmark, train: "Samples") -> "Representation":
    """The representation of a job before its training; ``train`` are the samples that it is for."""
    from anysense.representations.registry import build

    name, parts = methods_of(found)[cell.method].partition(":")[0], cell.settings.parts(cell.method)
    family = NETWORKS.get(found.presets.family, "networks") if "networks" in parts else None
    networks = None if family is None else family(parts["networks"])
    return build(name, found.modalities, parts["method"], networks, cell.seed, train)


def _named(found: Benchmark, method: str, preset: str) -> tuple[str, str]:
    """Name of a method in the registry, and the preset of its settings."""
    name, _, own = methods_of(found)[method].partition(":")
    return name, own or preset


def classify_one(cell: Cell, folder: Path) -> dict[str, Any]:
    """Train, or go on training, in ``folder``; then evaluate. Gives plain values: records, times, sizes."""
    found = cell.settings.benchmark()
    splits = found.load(cell.settings.request, None)
    return trained_and_tested(cell, folder, splits)


def trained_and_tested(cell: Cell, folder: Path, splits: "Splits", subsets: "Subsets" = None) -> dict[str, Any]:
    """The same on the parts of a data set that are given; tested on subsets, all by default, of their ``test``."""
    from anysense.representations.training.pretrain import pretrain

    settings, found = cell.settings, cell.settings.benchmark()
    representation = built(cell, found, splits.train)
    own: dict[str, Any] = {"device": cell.device, "threads": settings.threads or 1, "seed": cell.seed}
    training = dataclasses.replace(widened(PretrainSettings, settings.parts(cell.method)["training"]), **own)
    begun = (folder / "checkpoints").is_dir()
    result = pretrain(representation, splits.train, splits.validation, training, folder, resume=begun)
    start = time.perf_counter()
    trained = result.representation.to(cell.device)
    records = found.task.evaluate(trained, splits, settings.evaluation, cell.seed, subsets)
    return {
        "records": [record.to_json() for record in records],
        "samples": {part: len(getattr(splits, part)) for part in ("train", "validation", "test")},
        "latent_dim": representation.latent_dim,
        "parameters": sum(parameter.numel() for parameter in representation.parameters()),
        "epochs": len(result.history),
        "samples_per_second": statistics.median(row["samples_per_second"] for row in result.history),
        "training_minutes": sum(row["train_seconds"] for row in result.history) / 60,
        "evaluation_seconds": time.perf_counter() - start,
    }
