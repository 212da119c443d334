"""A search on a data set: trials are the jobs of `anysense classify`, scored on the validation part."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from anysense.common.progress import counter, say, stage
from anysense.representations.benchmarks import Benchmark, DataRequest, benchmark
from anysense.representations.evaluation.records import Column, Record
from anysense.runs.commands.classify import ClassifyCommand, built, trained_and_tested
from anysense.runs.comparisons.grid import Cell
from anysense.runs.method_options import Parts
from anysense.runs.settings import Flat, Preset
from anysense.runs.tables import counted
from anysense.runs.training_options import Training
from anysense.runs.tuning.settings import TuneSettings, given_subsets, mean_of, method_options

__all__ = ["DATA", "TuneOnData"]

DATA = "digits"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneOnData(TuneSettings):
    """Search for settings of methods: as many trials for each, scored on validation data, by Optuna (extra `tune`).

    With --data a trial is a job of `anysense classify`, scored by the main score of the data set on its validation
    part; the test part is never used. With --env it is one of `anysense compare`; see --env NAME --help. Ends with a
    report and with the commands that use what was found. A killed search goes on with --resume; the same command on
    another machine that shares the folder joins one that runs.
    """

    data: str = DATA
    """Data set; `anysense data` fetches, makes and checks them. `mhd-offline` needs no download."""
    request: Annotated[DataRequest, Flat]
    training: Annotated[Training, Flat]

    @classmethod
    def of(cls, preset: Preset, data: str) -> "TuneOnData":
        """The values of a preset."""
        usual = ClassifyCommand.of(preset, data)
        trials = 3 if preset == "smoke" else 20
        return cls(preset=preset, data=data, trials=trials, request=usual.request, training=usual.training)

    def benchmark(self) -> Benchmark:
        """The data set with what is measured on it."""
        return benchmark(self.data)

    def classify(self, methods: Sequence[str], options: Sequence[str] = ()) -> ClassifyCommand:
        """The command whose jobs the trials are; without missing rates, which are not scored."""
        usual = ClassifyCommand.of(self.preset, self.data)
        evaluation = dataclasses.replace(usual.evaluation, missing_rates=())
        return dataclasses.replace(
            usual,
            methods=tuple(methods),
            method_option=tuple(options),
            seeds=1,
            seed=self.seed,
            threads=self.threads,
            request=self.request,
            training=self.training,
            evaluation=evaluation,
        )

    def chosen(self) -> list[str]:
        """Names of the methods; ValueError for an unknown one."""
        return self.classify(self.methods).chosen()

    def parts(self, method: str) -> Parts:
        """Settings of a method without a search."""
        return self.classify([method]).parts(method)

    def column(self) -> Column:
        """The main score of the data set."""
        return self.benchmark().task.columns[0]

    def subject(self) -> str:
        """The data set."""
        return self.benchmark().title

    def check(self) -> None:
        """Read the data, and make the networks of all methods."""
        found = self.benchmark()
        with stage(f"Data of {found.name}"), counter("data") as progress:
            splits = found.load(self.request, progress)
        say(
            f"{len(splits.train)} samples for train, {len(splits.validation)} for validation; those for test stay aside"
        )
        for method in self.chosen():
            built(Cell(self.classify([method]), method, self.seed), found, splits.train)

    def measured(self, cell: Cell, options: Sequence[str], folder: Path) -> dict[str, Any]:
        """Train and score on the validation part."""
        found = self.benchmark()
        splits = found.load(self.request, None)
        splits = dataclasses.replace(splits, test=splits.validation)
        subsets = given_subsets(tuple(found.modalities), self.given, found.label)
        own = dataclasses.replace(cell, settings=self.classify([cell.method], options))
        result = trained_and_tested(own, folder, splits, subsets)
        key, complete = self.column().key, len(found.modalities)
        records = [Record.from_json(record) for record in result["records"]]
        kept = [record for record in records if record.metric == key and not record.condition]
        result["samples"].pop("test")
        return {**result, "records": [one.to_json() for one in kept], "value": mean_of(kept, subsets, complete, key)}

    def commands(self, methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """`anysense classify` with these values."""
        usual = type(self).of(self.preset, self.data)
        words = ["anysense", "classify", "--data", self.data]
        words += [] if self.preset == "default" else ["--preset", self.preset]
        words += [] if self.seed == 0 else ["--seed", str(self.seed)]
        for before, now in ((usual.request, self.request), (usual.training, self.training)):
            for field in dataclasses.fields(now):
                value = getattr(now, field.name)
                if value != getattr(before, field.name):
                    words += [f"--{field.name.replace('_', '-')}", str(value)]
        options = [option for method, values in methods.items() for option in method_options(method, values)]
        words += ["--methods", *methods, *(["--method-option", *options] if options else [])]
        return [shlex.join(words)]

    def protocol(self) -> Mapping[str, str]:
        """How trials are scored."""
        found, training = self.benchmark(), self.training
        return {
            "measured": f"{found.task.protocol} Here the test of every trial is on the validation part. A trial is "
            f"scored by {self.column().title}, {self.column().better} is better.",
            "training": "every trial on the same data, all modalities present, for "
            f"{counted(training.epochs, 'epoch')} in batches of {training.batch_size} with Adam at "
            f"{training.learning_rate:g} ({training.schedule}), with the settings of preset `{self.preset}`, but for "
            "what the trial varies.",
            "splits": f"{found.title}: trained on the training part, scored and chosen on the validation part; nothing "
            "was fitted to, scored on or chosen by the test part. The best of many trials is better on the validation "
            "part than elsewhere: only a run on the test part says what it is worth.",
        }
