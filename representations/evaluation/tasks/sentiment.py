"""Sentiment with missing modalities: predictions of a supervised representation on every subset of modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.evaluation.tasks.task import MISSING, Subsets, Task, TaskSettings, records_of

if TYPE_CHECKING:
    from anysense.representations.contract import Representation
    from anysense.representations.data.samples import Splits

__all__ = ["Sentiment"]

_COLUMNS = (
    Column("mae", "MAE", better="lower"),
    Column("correlation", "Corr", chance=0.0),
    Column("f1", "F1"),
    Column("f1_swapped", "F1 (as published)"),
    Column("accuracy", "Acc (%)", percent=True),
    Column("accuracy_with_zeros", "Acc with zeros (%)", percent=True),
    Column("accuracy_7", "Acc-7 (%)", percent=True),
)


@dataclass(frozen=True)
class Sentiment(Task):
    """Scores of the predictions of a supervised representation."""

    presets: ClassVar[Mapping[str, TaskSettings]] = {
        "smoke": TaskSettings(missing_rates=(0.0, 0.5)),
        "default": TaskSettings(),
        "paper": TaskSettings(),
    }
    protocol: ClassVar[str] = (
        "Scores on the test set with each subset of modalities; MAE: lower is better, all others: higher."
    )

    @property
    def columns(self) -> tuple[Column, ...]:
        """All scores of `sentiment_scores`."""
        return _COLUMNS

    @usual_torch()
    def evaluate(
        self, representation: Representation, splits: Splits, settings: TaskSettings, seed: int, subsets: Subsets = None
    ) -> list[Record]:
        """See `Task.evaluate`; TypeError for a representation that is not supervised, so predicts nothing."""
        from anysense.representations.contract import SupervisedRepresentation
        from anysense.representations.evaluation.encode import draw_missing, predict_subsets
        from anysense.representations.evaluation.sentiment_scores import sentiment_scores

        if not isinstance(representation, SupervisedRepresentation):
            raise TypeError(f"sentiment needs a supervised method; {representation.method!r} is none.")
        names, test = tuple(representation.modalities), splits.test
        truth = test.targets
        if truth is None:
            raise ValueError("`splits` must have targets, float32 (N,); got none.")
        wanted = every_subset(names) if subsets is None else list(subsets)
        records: list[Record] = []
        for subset, predicted in predict_subsets(representation, test, wanted).items():
            records += records_of(subset_name(subset, len(names)), sentiment_scores(predicted, truth))
        for rate in settings.missing_rates:
            present = draw_missing(len(names), len(test), rate, seed)
            predicted = predict_subsets(representation, test, [names], present)[names]
            records += records_of("", sentiment_scores(predicted, truth), f"{MISSING}{rate:g}")
        return records
