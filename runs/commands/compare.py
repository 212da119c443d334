"""`anysense compare`: representations x seeds as what an agent perceives, in one table and one chart."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.agents.summary import columns_of
from anysense.common.loggers.catalogue import LOGGERS
from anysense.envs.world import World, stored_world
from anysense.representations.benchmarks import presets
from anysense.representations.evaluation.records import Column, Record
from anysense.runs.commands.stages import Stages, StageSettings, check_stages, run_stages
from anysense.runs.comparisons.cells import estimate, seeds_in_words, text
from anysense.runs.comparisons.done import Done, costs, jobs_of, records_of, runs_of, seeds_of
from anysense.runs.comparisons.figures import draw_inputs
from anysense.runs.comparisons.grid import Cell, GridSettings, chosen_methods, every_cell, missing_cells, run_cells
from anysense.runs.comparisons.growth import earlier_jobs, jobs_in
from anysense.runs.comparisons.protocol import Protocol, filled
from anysense.runs.comparisons.report import Report, Section, print_report, write_run_report
from anysense.runs.comparisons.validation_curves import validation_part
from anysense.runs.evaluation_report import input_label, inputs_of, references_of
from anysense.runs.execute import execute
from anysense.runs.launching.settings import LAUNCHERS
from anysense.runs.next_steps import more_seeds, too_few_seeds, typed_next
from anysense.runs.page.write import page_line
from anysense.runs.run_folder import RunFolder, plain
from anysense.runs.settings import Preset, check_positive, parse, preset_in
from anysense.runs.tables import Table, counted
from anysense.runs.worlds import chosen_world, environments, named_world

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


def report_of(run: RunFolder) -> Report:
    """The report of a finished run; FileNotFoundError or ValueError where results are missing or damaged."""
    stored_world({"id": run.record["settings"].get("env"), "options": {}})  # No file decides which code runs.
    settings, done = read(run.record["arguments"]), jobs_in(run)
    return _report(done, settings, settings.stages(done[0].method, settings.seed, "cpu", None), run)


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
    cells, table = every_cell(settings), "pretrain/metrics.csv"
    done = run_cells(cells, run, compare_one, spare=("pretrain/checkpoints",), table=table)
    report = _report(done, settings, settings.stages(done[0].method, settings.seed, device, None), run)
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


def _report(done: Sequence[Done], settings: CompareCommand, stages: Stages, run: RunFolder) -> Report:
    known, training = stages.world, stages.training
    records, columns = records_of(done), columns_of(known)
    sections = [Section(figure="score")]
    sections += [
        Section(f"{column.heading}, {column.better} is better", table=_table(records, column, known))
        for column in columns[1:]
        if column.key in ("gap", "return", "length")
    ]
    keys = (
        ("latent size", "latent_dim", ".0f"),
        ("parameters", "parameters", ",.0f"),
        ("pretraining (min)", "pretraining_minutes", ".2f"),
    )
    trained, curves = validation_part(done, f"Pretraining on {known.id}")
    sections += [*trained, Section("Cost", table=Table(*costs(done, keys)))]
    drawn = [record for record in records if record.subset]
    inputs = inputs_of(records)
    heading = "Score by input (dots: seeds)"
    return Report(
        title=f"Representations of an agent in {known.id}",
        about=(
            f"trained with all modalities by {training.algorithm} for {settings.steps} steps on a frozen "
            "representation of each method"
        ),
        protocol=_protocol(done, settings, stages),
        main=_table(records, columns[0], known),
        sections=sections,
        figures={
            "score": lambda: draw_inputs(drawn, columns[0], inputs, lambda one: input_label(*one), heading),
            **curves,
        },
        records=records,
        runs=runs_of(done),
        details={"jobs": jobs_of(done)},
    )


def _protocol(done: Sequence[Done], settings: CompareCommand, stages: Stages) -> Protocol:
    known, column = stages.world, columns_of(stages.world)[0]
    seeds = [job.method for job in done]
    one = any(seeds.count(method) == 1 for method in seeds)
    return Protocol(
        measured=f"{column.heading}, {column.better} is better; {counted(settings.episodes, 'episode')} per value.",
        training=f"every representation on the same {settings.samples} samples of {known.id} (those of its seed), all "
        f"modalities present, for {counted(settings.epochs, 'epoch')}, and frozen; every agent on it by "
        f"{stages.training.algorithm} with all modalities for {settings.steps} environment steps.",
        test="each column gives the agent only the named modalities, in every step of every episode; it meets subsets "
        "only here.",
        filled=filled({job.method: job.method for job in done}),
        rates="none: a modality is missing in all steps, or in none.",
        seeds=f"{seeds_in_words(seeds_of(done))}"
        f"{' With one seed, ± is half of the 95% bootstrap interval over episodes.' if one else ''}",
        splits=f"{stages.pretraining.collection.validation_fraction:.0%} of the trajectories are for validation of the "
        f"representation; the episodes start from states drawn with the seed {settings.seed}, the same for all, "
        "references included.",
    )


def _table(records: Sequence[Record], column: Column, known: World) -> Table:
    """Methods as rows, inputs as columns; references below."""
    inputs = inputs_of(records)
    rows: list[Sequence[str]] = []
    for method in dict.fromkeys(record.method for record in records if record.subset):
        found = [estimate(records, method, subset, column.key, condition) for subset, condition in inputs]
        rows.append((method, *(text(column, one) for one in found)))
    for name in references_of(records):
        value = estimate(records, name, "", column.key).value
        shown = f"{value:.{column.digits}f}"
        rows.append((known.reference_labels().get(name, name), *(shown for _ in inputs)))
    return Table(("method", *(input_label(*one) for one in inputs)), rows)
