"""Classification with missing modalities: read-outs of complete latents, tested on every subset of modalities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.evaluation.task_settings import RETRIEVAL_BLOCK, ClassificationSettings
from anysense.representations.evaluation.tasks.task import MISSING, Subsets, Task, TaskSettings, records_of

if TYPE_CHECKING:
    from anysense.representations.contract import Representation
    from anysense.representations.data.samples import Samples, Splits
    from anysense.representations.evaluation.read_outs import Predict

__all__ = ["Classification", "ClassificationSettings"]


@dataclass(frozen=True)
class Classification(Task):
    """Accuracy of three read-outs of a frozen representation, all fitted on latents of complete training samples."""

    label: str | None = None
    """The modality that is the answer itself; the robustness curve is also drawn with it always missing."""
    classes: int | None = None
    """Number of classes, for the level of chance; unknown by default."""

    presets: ClassVar[Mapping[str, TaskSettings]] = {
        "smoke": ClassificationSettings(classifier_epochs=3, missing_rates=(0.0, 0.5)),
        "default": ClassificationSettings(),
        "paper": ClassificationSettings(classifier_epochs=100),
    }
    protocol: ClassVar[str] = (
        "Accuracy in percent of a classifier that was trained on frozen latents of complete samples and is tested on "
        "each subset of modalities."
    )
    alignment: ClassVar[tuple[Column, ...]] = (
        Column("cosine", "cosine", chance=0.0),
        Column("retrieval", "retrieval", percent=True, chance=1 / RETRIEVAL_BLOCK),
    )

    @property
    def columns(self) -> tuple[Column, ...]:
        """Accuracies."""
        chance = None if self.classes is None else 1 / self.classes
        titles = {"accuracy": "the classifier", "knn": "nearest neighbours", "linear": "the linear probe"}
        return tuple(Column(key, f"accuracy of {of}", percent=True, chance=chance) for key, of in titles.items())

    @usual_torch()
    def evaluate(
        self, representation: Representation, splits: Splits, settings: TaskSettings, seed: int, subsets: Subsets = None
    ) -> list[Record]:
        """See `Task.evaluate`; the records of the robustness curve are those of the classifier."""
        from anysense.representations.evaluation.alignment import mean_cosine, retrieval_in_blocks
        from anysense.representations.evaluation.encode import encode_subsets
        from anysense.representations.evaluation.read_outs import accuracy, fit_read_outs, labels_of

        assert isinstance(settings, ClassificationSettings)
        names = tuple(representation.modalities)
        wanted = every_subset(names) if subsets is None else list(subsets)
        labels = labels_of(splits.test)
        predictors = fit_read_outs(representation, splits.train, settings, seed)
        needed = dict.fromkeys([*wanted, names, *((name,) for name in names)])
        latents = encode_subsets(representation, splits.test, needed)
        records: list[Record] = []
        for subset in wanted:
            scores = {key: accuracy(predict(latents[subset]), labels) for key, predict in predictors.items()}
            records += records_of(subset_name(subset, len(names)), scores)
        records += self._robustness(representation, splits.test, predictors["accuracy"], settings, seed)
        for name in names:
            found = latents[(name,)], latents[names]
            scores = {"cosine": float(mean_cosine(*found)), "retrieval": float(retrieval_in_blocks(*found))}
            records += records_of(subset_name((name,), len(names)), scores)
        return records

    def _robustness(
        self, representation: Representation, test: Samples, predict: Predict, settings: TaskSettings, seed: int
    ) -> Iterator[Record]:
        """Accuracy when modalities go missing at random, sample by sample; also without the label among them."""
        import torch

        from anysense.representations.evaluation.encode import draw_missing, encode_subsets
        from anysense.representations.evaluation.read_outs import accuracy, labels_of

        names, labels = tuple(representation.modalities), labels_of(test)
        without = tuple(name for name in names if name != self.label)
        kinds = {names: ""} | ({without: f", {self.label} never given"} if without != names else {})
        for given, kind in kinds.items():
            rows = torch.tensor([names.index(name) for name in given])
            for rate in settings.missing_rates:
                present = torch.zeros(len(names), len(test), dtype=torch.bool)
                present[rows] = draw_missing(len(given), len(test), rate, seed)
                latents = encode_subsets(representation, test, [given], present)[given]
                score = accuracy(predict(latents), labels)
                yield Record("", "accuracy", score, f"{MISSING}{rate:g}{kind}")
