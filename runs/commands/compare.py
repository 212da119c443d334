"""`anysense compare`: representations x seeds as what an agent perceives, in one table and one chart."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysense.common.loggers.catalogue import LOGGERS
from anysense.envs.world import stored_world
from anysense.representations.benchmarks import presets
from anysense.runs.commands.stages import Stages, StageSettings, check_stages, run_stages
from anysense.runs.comparisons.grid import Cell, GridSettings, chosen_methods, every_cell, missing_cells, run_cells
from anysense.runs.comparisons.growth import earlier_jobs, jobs_in
from anysense.runs.comparisons.more_seeds import more_seeds, too_few_seeds
from anysense.runs.execute import execute
from anysense.runs.launching.settings import LAUNCHERS
from anysense.runs.next_steps import page_line, typed_next
from anysense.runs.run_folder import RunFolder, plain
from anysense.runs.settings import Preset, check_positive, parse, preset_in
from anysense.runs.worlds import chosen_world, environments, named_world

if TYPE_CHECKING:
    from anysense.runs.comparisons.contents import Report

__all__ = ["CompareCommand", "compare_one", "main", "report_of"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareCommand(GridSettings, StageSettings):
    """Compare representations as what an agent perceives: pretrain, train and evaluate each, several seeds.

    Every method gets the same samples, epochs and environment steps; agents are trained with all modalities and meet
    the subsets only in the evaluation. A killed run goes on with --resume.
    """

    batch_size: int = 128
    """Samples in one step of pretraining."""

    @classmethod
    def of(cls, preset: Preset) -> "CompareCommand":
        """The values of a preset."""
        if preset == "smoke":
            return cls(preset=preset, seeds=1, samples=300, epochs=1, steps=600, episodes=4)
        if preset == "paper":
            return cls(preset=preset, seeds=10, samples=20_000, epochs=500, steps=150_000, episodes=100)
        return cls(preset=preset, samples=10_000, epochs=40, steps=25_000, episodes=250)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "batch_size")
        chosen = self.chosen()
        self.check_options()
        for method in chosen if self.method_option else ():
            self.stages(method, self.seed, "cpu", None)

    def chosen(self) -> list[str]:
        """Names of the methods; ValueError for an unknown one."""
        known = presets(named_world(self.env).benchmark)
        return chosen_methods(self.methods, known.methods, known.usual_methods)

    def usual(self) -> "CompareCommand":
        """The values of the preset."""
        return type(self).of(self.preset)

    def may_differ(self) -> Sequence[str]:
        """Jobs are independent, but the episodes of all come from --seed."""
        return ("methods", "seeds", "vector", "method_option")

    def stages(self, method: str, seed: int, device: str, threads: int | None, **pretraining: Any) -> Stages:
        """Settings of all stages for one method and seed, with --batch-size and --method-option."""
        usual = super().stages(method, seed, device, threads, **{"batch_size": self.batch_size, **pretraining})
        return usual.changed(self.changes(method) if method in self.chosen() else {})

    def known_methods(self) -> Sequence[str]:
        """Methods for the environment."""
        return self._methods()

    def of_job(self, method: str) -> Mapping[str, Any]:
        """Settings of the method, of its networks and data, and of the agent."""
        if method not in self._methods():
            return {}
        stages = self.stages(method, self.seed, "cpu", None)
        first, second = stages.pretraining, stages.training
        parts: dict[str, Any] = {
            "method": first.representation,
            "networks": first.architecture,
            "collection": first.collection,
        }
        parts |= {"training": first.training, "algorithm": second.algorithm, "agent": second.agent}
        return {name: plain(part) for name, part in parts.items()}

    def _methods(self) -> Sequence[str]:
        return presets(named_world(self.env).benchmark).methods


def main(arguments: Sequence[str]) -> None:
    """Run all jobs in a new run folder, or go on with one; then write the report."""
    execute("compare", arguments, read, _work, _checked, every_cell)


def report_of(run: RunFolder) -> "Report":
    """The report of a finished run; FileNotFoundError or ValueError where results are missing or damaged."""
    from anysense.runs.comparisons.compare_report import compare_report

    stored_world({"id": run.record["settings"].get("env"), "options": {}})  # No file decides which code runs.
    settings, done = read(run.record["arguments"]), jobs_in(run)
    return compare_report(done, settings, settings.stages(done[0].method, settings.seed, "cpu", None), run)


def read(arguments: Sequence[str]) -> CompareCommand:
    """Settings from the command line."""
    preset = preset_in(arguments)
    names = {"env": environments(), "methods": presets(chosen_world(arguments).benchmark).methods}
    names |= {"launcher": LAUNCHERS.names(), "logger": LOGGERS.names()}
    return parse(CompareCommand.of(preset), arguments, "compare", names)


def _checked(settings: CompareCommand) -> tuple[CompareCommand, Sequence[str]]:
    cells = every_cell(settings)
    missing = missing_cells(cells, earlier_jobs(settings, "compare"))
    check_stages(settings, dict.fromkeys(cell.method for cell in missing))
    return settings, ()


def _work(settings: CompareCommand, run: RunFolder, device: str) -> list[str]:
    from anysense.runs.comparisons.compare_report import compare_report
    from anysense.runs.comparisons.report import print_report, write_run_report

    cells, table = every_cell(settings), "pretrain/metrics.csv"
    done = run_cells(cells, run, compare_one, spare=("pretrain/checkpoints",), table=table)
    report = compare_report(done, settings, settings.stages(done[0].method, settings.seed, device, None), run)
    write_run_report(report, run, settings.docs, settings.readme)
    print_report(report)
    lines = [f"Report: {run.results('report.md')}", f"Chart: {run.figure('score.png')}", *page_line(run)]
    folder = next((job.folder for job in done if job.folder is not None), None)
    if too_few_seeds(settings) or folder is None:
        return [*lines, more_seeds(settings, run)]
    return [
        *lines,
        typed_next("One of its agents, with clips", "evaluate", folder / "train", "--video", env=settings.env),
    ]


def compare_one(cell: Cell, folder: Path) -> dict[str, Any]:
    """Do all stages in ``folder``, each from where it was cut off. Gives plain values: records, times, sizes."""
    settings = cell.settings
    stages = settings.stages(cell.method, cell.seed, cell.device, settings.threads or 1)
    result, _, saved = run_stages(stages, folder, [])
    return {
        "records": [record.to_json() for record in saved.records],
        "latent_dim": result.representation.latent_dim,
        "parameters": sum(parameter.numel() for parameter in result.representation.parameters()),
        "pretraining_minutes": _total(folder / "pretrain" / "metrics.csv", "train_seconds") / 60,
        "probes": {name: value for name, value in result.metrics.items() if name.startswith("kernel_probe/")},
    }


def _total(path: Path, column: str) -> float:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(float(row[column]) for row in csv.DictReader(file))
