"""`anysense retrieve`: methods x seeds, ranked by how well one modality finds another."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from anysense.representations.benchmarks import Benchmark, benchmark, benchmark_names
from anysense.representations.evaluation.tasks import Classification, Retrieval
from anysense.runs.commands.classify import ClassifyCommand, checked, methods_of, reread, work
from anysense.runs.comparisons.grid import every_cell
from anysense.runs.comparisons.more_seeds import more_seeds
from anysense.runs.execute import execute
from anysense.runs.launching.settings import LAUNCHERS
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import Preset, parse, peek, preset_in

if TYPE_CHECKING:
    from anysense.runs.comparisons.contents import Report
    from anysense.runs.comparisons.done import Done

__all__ = ["RetrieveCommand", "main", "report_of"]

DATA = "mfeat"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrieveCommand(ClassifyCommand):
    """Find a sample by what other modalities know of it, among all test samples: every method, several seeds.

    Queries are all subsets of modalities, candidates the latents of another modality, and the other way round; ranked
    by the volume that latents span (GRAM) and by cosine. Recall at 1, 5 and 10, median rank, and classes without a
    classifier. A killed run goes on with --resume.
    """

    data: str = DATA
    """Data set; `anysense data` makes and checks them. Samples of `mfeat` have six views of one numeral; those of
    `digits` have no more in common than the digit."""

    @classmethod
    def of(cls, preset: Preset, data: str) -> "RetrieveCommand":
        """The values of a preset."""
        usual = ClassifyCommand.of(preset, data)
        values = {field.name: getattr(usual, field.name) for field in dataclasses.fields(usual)}
        return cls(**{**values, "evaluation": Retrieval.settings(preset)})

    def benchmark(self) -> Benchmark:
        """The data set, with retrieval as the task."""
        found = benchmark(self.data)
        classes = found.task.classes if isinstance(found.task, Classification) else None
        task = Retrieval(found.label, self.request.test, classes, found.anchor)
        return dataclasses.replace(found, task=task, published=None)


def main(arguments: Sequence[str]) -> None:
    """Run all jobs in a new run folder, or go on with one; then write the report."""
    execute(
        "retrieve",
        arguments,
        _read,
        partial(work, _report, more_seeds),
        partial(checked, "retrieve"),
        every_cell,
    )


def report_of(run: RunFolder) -> "Report":
    """The report of a finished run; FileNotFoundError or ValueError where results are missing or damaged."""
    return reread(_report, _read, run)


def _read(arguments: Sequence[str]) -> RetrieveCommand:
    data = peek(arguments, "--data", DATA, benchmark_names())
    names = {"data": benchmark_names(), "methods": list(methods_of(benchmark(data))), "launcher": LAUNCHERS.names()}
    return parse(RetrieveCommand.of(preset_in(arguments), data), arguments, "retrieve", names)


def _report(found: Benchmark, methods: Mapping[str, str], done: "Sequence[Done]", run: RunFolder) -> "Report":
    from anysense.runs.comparisons.retrieve_report import retrieve_report

    return retrieve_report(found, methods, done, run)
