"""What a task is: how a frozen representation is scored on a data set, and what the columns of its table are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from anysense.common.validation import check_choice
from anysense.representations.evaluation.records import Column, Record
from anysense.representations.evaluation.task_settings import TaskSettings

if TYPE_CHECKING:
    from anysense.representations.contract import Representation
    from anysense.representations.data.samples import Splits

__all__ = ["MISSING", "Curve", "Subsets", "Task", "TaskSettings", "records_of"]

MISSING = "missing "
"""Beginning of the condition of records with modalities missing at random; their chance follows."""

Subsets = Sequence[tuple[str, ...]] | None
Curve = tuple[str, list[tuple[float, str]]]
"""What may be missing, and the points: (chance, condition of the records)."""


class Task(ABC):
    """Scores a representation with every subset of modalities, and with modalities missing at random."""

    presets: ClassVar[Mapping[str, TaskSettings]]
    """Settings by preset (``smoke``, ``default``, ``paper``)."""
    protocol: ClassVar[str]
    """What is measured and how, in one or two sentences, for reports."""
    alignment: ClassVar[tuple[Column, ...]] = ()
    """What is measured of the latents of each single modality besides."""
    label: str | None = None
    """The modality that is the answer itself, if one is."""

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """What is measured with every subset of modalities; the first is the main score, drawn over missing rates."""

    @classmethod
    def settings(cls, preset: str) -> TaskSettings:
        """Settings of a preset; an unknown preset raises ValueError."""
        return cls.presets[check_choice("preset", preset, cls.presets)]

    def curves(self, records: Iterable[Record]) -> list[Curve]:
        """The curves over the chance that a modality is missing that records of `evaluate` hold."""
        found: dict[str, dict[str, float]] = {}
        for condition in (record.condition for record in records if record.condition.startswith(MISSING)):
            rate, _, kind = condition.removeprefix(MISSING).partition(", ")
            found.setdefault(kind or "any modality", {})[condition] = float(rate)
        return [(kind, [(rate, condition) for condition, rate in points.items()]) for kind, points in found.items()]

    @abstractmethod
    def evaluate(
        self, representation: Representation, splits: Splits, settings: TaskSettings, seed: int, subsets: Subsets = None
    ) -> list[Record]:
        """Scores on the test set of a representation, which is used frozen.

        For every subset (all by default) there is one record per column; for every rate of ``settings.missing_rates``
        there are records of no subset under the condition ``missing RATE``; for every modality one record per column of
        ``alignment``. The seed decides which modalities go missing.

        Raises:
            ValueError: The data lack targets of this task, or a test sample has none of the modalities of a subset.
        """


def records_of(subset: str, scores: Mapping[str, float], condition: str = "") -> list[Record]:
    """One record per score."""
    return [Record(subset, metric, value, condition) for metric, value in scores.items()]
