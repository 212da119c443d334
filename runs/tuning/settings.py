"""Options of `anysense tune`, wherever its trials are scored."""

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.runs.comparisons.grid import Cell, growth
from anysense.runs.launching.settings import LaunchSettings
from anysense.runs.method_options import Parts, typed
from anysense.runs.settings import check_positive
from anysense.runs.tuning.journal import MAX_TRIALS
from anysense.runs.tuning.plan import Plan
from anysense.runs.tuning.space import Dimension, default_of, spaces

__all__ = ["Given", "Trial", "TuneSettings", "given_subsets", "method_options"]

Given = Literal["single", "subsets", "complete"]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One trial; sent to another process."""

    settings: "TuneSettings"
    method: str
    number: int
    values: Mapping[str, Any]
    """What differs from the defaults, by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneSettings(LaunchSettings):
    """What every search has."""

    methods: tuple[str, ...] = ()
    """Methods to search for, for example --methods gmc mvae; those that are usual for the data or the world if not
    given. With --resume more may be named."""
    trials: int = 20
    """Trials of each method, the same for all; the first one has the settings without a search. With --resume it may be
    more."""
    space: tuple[str, ...] = ()
    """What is searched: NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C for any setting of method, networks and
    training (`agent.NAME`: of the agent), METHOD.NAME=... for one method alone; default: what the paper of each method
    leaves open, which is also taken if nothing is given."""
    sampler: Literal["tpe", "random"] = "tpe"
    """How values are drawn: tpe, by Optuna's Tree-structured Parzen Estimator (the first 10 at random), or all at
    random."""
    given: Given = "single"
    """What a trial is scored with, as a mean: each modality alone, every subset, or complete; without the modality that
    is the label itself, where there is one."""
    docs: Path | None = None
    """Write the report to this file name (without ending) as well."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "trials")
        if self.trials > MAX_TRIALS:
            raise ValueError(f"`trials` must be at most {MAX_TRIALS}, got {self.trials}.")

    @abstractmethod
    def chosen(self) -> list[str]:
        """Names of the methods; ValueError for an unknown one."""

    @abstractmethod
    def parts(self, method: str) -> Parts:
        """Settings of a method without a search."""

    @abstractmethod
    def column(self) -> Column:
        """What a trial is scored by."""

    @abstractmethod
    def subject(self) -> str:
        """The data or the world, in words."""

    @abstractmethod
    def check(self) -> None:
        """Read the data, or make the environment, and the networks of all methods, before anything is written."""

    @abstractmethod
    def measured(self, cell: Cell, options: Sequence[str], folder: Path) -> dict[str, Any]:
        """Do a trial; gives plain values, with ``records`` of the score.

        Args:
            cell: Its method, seed and device.
            options: What differs, as --method-option has it.
            folder: Where to work, or to go on.
        """

    @abstractmethod
    def commands(self, methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Commands that use these values, by method."""

    @abstractmethod
    def protocol(self) -> Mapping[str, str]:
        """Points of the protocol: ``measured``, ``training``, ``test``, ``splits``."""

    def spaces(self) -> dict[str, list[Dimension]]:
        """What is searched, by method; ValueError where that is not possible."""
        return {method: list(space) for method, space in self._plan.spaces.items()}

    def plan(self) -> Plan:
        """The same with all that a driver must know."""
        return self._plan

    @functools.cached_property
    def _plan(self) -> Plan:
        parts = {method: self.parts(method) for method in self.chosen()}
        found = spaces(self.space, parts)
        defaults = {
            method: {one.name: default_of(parts[method], one.name, method) for one in space}
            for method, space in found.items()
        }
        column = self.column()
        about = {"subject": self.subject(), "seed": self.seed, "preset": self.preset, "score": column.key}
        return Plan(found, defaults, self.trials, self.seed, self.sampler, column.better, about)

    def grown(self, given: "TuneSettings") -> Mapping[str, list[str]]:
        """More trials and more methods may be asked for: what is done stays."""
        return growth("trials", self.trials, given.trials, self.chosen(), given.chosen())


def given_subsets(modalities: Sequence[str], given: Given, label: str | None) -> list[tuple[str, ...]]:
    """The subsets of modalities that a trial is scored with."""
    names = [name for name in modalities if name != label] or list(modalities)
    if given == "complete":
        return [tuple(modalities)]
    return [(name,) for name in names] if given == "single" else every_subset(names)


def mean_of(records: Sequence[Record], subsets: Sequence[tuple[str, ...]], complete: int, metric: str) -> float:
    """Mean of the values of a metric over subsets of ``complete`` modalities; NaN where one is undefined."""
    names = [subset_name(subset, complete) for subset in subsets]
    found = {record.subset: record.value for record in records if record.metric == metric and not record.condition}
    return sum(found[name] for name in names) / len(names)


def method_options(method: str, values: Mapping[str, Any]) -> list[str]:
    """Values by name as --method-option has them."""
    return [f"{method}.{name}={typed(value)}" for name, value in values.items()]
