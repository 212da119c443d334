"""Classification with missing modalities: read-outs of complete latents, tested on every subset of modalities."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from anysense.representations.contract import Representation
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.evaluation.alignment import RETRIEVAL_BLOCK, mean_cosine, retrieval_in_blocks
from anysense.representations.evaluation.classifier import ClassifierSettings, fit_classifier
from anysense.representations.evaluation.encode import draw_missing, encode_subsets
from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.evaluation.tasks.task import MISSING, Subsets, Task, TaskSettings, records_of

__all__ = ["Classification", "ClassificationSettings", "fit_logistic", "fit_neighbours"]

PENALTY, TOLERANCE, STEPS = 1e-4, 1e-7, 500
"""Of the linear probe: weight penalty per sample, largest gradient at the end, and most steps of L-BFGS."""

Predict = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ClassificationSettings(ClassifierSettings, TaskSettings):
    """How a representation is tested on classification."""

    neighbours: int = 5
    """Neighbours that vote in the kNN read-out."""

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        if self.neighbours < 1:
            raise ValueError(f"`neighbours` must be at least 1; got {self.neighbours}.")


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

    def evaluate(
        self, representation: Representation, splits: Splits, settings: TaskSettings, seed: int, subsets: Subsets = None
    ) -> list[Record]:
        """See `Task.evaluate`; the records of the robustness curve are those of the classifier."""
        assert isinstance(settings, ClassificationSettings)
        names = tuple(representation.modalities)
        wanted = every_subset(names) if subsets is None else list(subsets)
        labels = _labels(splits.test)
        predictors = _fit_read_outs(representation, splits.train, settings, seed)
        needed = dict.fromkeys([*wanted, names, *((name,) for name in names)])
        latents = encode_subsets(representation, splits.test, needed)
        records: list[Record] = []
        for subset in wanted:
            scores = {key: _accuracy(predict(latents[subset]), labels) for key, predict in predictors.items()}
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
        names, labels = tuple(representation.modalities), _labels(test)
        without = tuple(name for name in names if name != self.label)
        kinds = {names: ""} | ({without: f", {self.label} never given"} if without != names else {})
        for given, kind in kinds.items():
            rows = torch.tensor([names.index(name) for name in given])
            for rate in settings.missing_rates:
                present = torch.zeros(len(names), len(test), dtype=torch.bool)
                present[rows] = draw_missing(len(given), len(test), rate, seed)
                latents = encode_subsets(representation, test, [given], present)[given]
                score = _accuracy(predict(latents), labels)
                yield Record("", "accuracy", score, f"{MISSING}{rate:g}{kind}")


def _fit_read_outs(
    representation: Representation, train: Samples, settings: ClassificationSettings, seed: int
) -> Mapping[str, Predict]:
    names, labels = tuple(representation.modalities), _labels(train)
    known = encode_subsets(representation, train, [names])[names]
    network = fit_classifier(known, labels, int(labels.max()) + 1, settings, seed)
    return {
        "accuracy": lambda latents: network(latents).argmax(dim=1),
        "knn": fit_neighbours(known, labels, settings.neighbours),
        "linear": fit_logistic(known, labels),
    }


def fit_neighbours(latents: Tensor, labels: Tensor, neighbours: int) -> Predict:
    """Class (B,) that most of the nearest training latents (Euclidean) have; of equals, that with the nearest member.

    Fewer latents than ``neighbours`` are a ValueError.
    """
    from sklearn.neighbors import KNeighborsClassifier  # Takes a second to import.

    if neighbours > len(latents):
        raise ValueError(f"`neighbours` must be at most the number of training samples, {len(latents)}.")
    weights = 1.0 + 0.5 ** np.arange(2, neighbours + 2)  # What is beyond 1 breaks ties, and never outweighs a vote.
    model = KNeighborsClassifier(neighbours, weights=lambda distances: np.tile(weights, (len(distances), 1)))
    model.fit(latents.double().numpy(), labels.numpy())
    return lambda queries: torch.from_numpy(np.asarray(model.predict(queries.double().numpy())))


def fit_logistic(latents: Tensor, labels: Tensor) -> Predict:
    """Most likely class (B,) by multinomial logistic regression on standardised latents; the intercept is free.

    A ValueError if all labels are the same.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = sorted(set(labels.tolist()))
    if len(classes) < 2:
        raise ValueError(f"`labels` must hold at least two classes, got only {classes}.")
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / (PENALTY * len(latents)), tol=TOLERANCE, max_iter=STEPS)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # The classes of separable data are found long before.
        model.fit(latents.double().numpy(), labels.numpy())
    return lambda queries: torch.from_numpy(np.asarray(model.predict(queries.double().numpy())))


def _accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Share of samples whose predicted class (N,) is the true one: over all samples, not over batches."""
    return float((predicted == labels).double().mean())


def _labels(samples: Samples) -> Tensor:
    if samples.targets is None or samples.targets.is_floating_point():
        got = "none" if samples.targets is None else samples.targets.dtype
        raise ValueError(f"`splits` must have class labels, int64 (N,), as `targets`; got {got}.")
    return samples.targets
