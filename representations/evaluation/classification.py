"""Classification with missing modalities: read-outs of complete latents, tested on every subset of modalities."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anysense.representations.contract import Representation
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.evaluation import mean_cosine, retrieval_accuracy
from anysense.representations.evaluation.classifier import ClassifierSettings, accuracy, fit_classifier
from anysense.representations.evaluation.latents import draw_missing, encode_samples
from anysense.representations.evaluation.linear import fit_linear_classifier
from anysense.representations.evaluation.neighbours import predict_from_neighbours

__all__ = ["ClassificationSettings", "evaluate_classification"]

RETRIEVAL_BLOCK = 256


@dataclass(frozen=True)
class ClassificationSettings(ClassifierSettings):
    """How a representation is tested on classification."""

    neighbours: int = 5
    """Neighbours that vote in the kNN read-out."""
    missing_rates: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8)
    """Chances that a modality is missing, each a point of the robustness curve."""

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        if self.neighbours < 1:
            raise ValueError(f"`neighbours` must be at least 1; got {self.neighbours}.")
        for rate in self.missing_rates:
            if not 0.0 <= rate <= 1.0:
                raise ValueError(f"`missing_rates` must lie between 0 and 1; got {rate}.")


def evaluate_classification(
    representation: Representation,
    splits: Splits,
    subsets: Sequence[tuple[str, ...]],
    settings: ClassificationSettings,
    seed: int,
    label: str | None = None,
) -> dict[str, Any]:
    """Accuracy of three read-outs of a frozen representation, by subset of modalities and by rate of missing ones.

    All read-outs are fitted on latents of complete training samples. `retrieval` and `cosine` compare each modality's
    latents of the test set with the complete ones.

    Args:
        representation: Used frozen.
        splits: Labelled data.
        subsets: Subsets of modalities to test on.
        settings: How.
        seed: Seed of the classifier and of which modalities go missing.
        label: The modality that is the answer; the robustness curve is also drawn with it always missing.

    Returns:
        Plain values: ``subsets`` (rows with ``modalities``, ``accuracy``, ``knn``, ``linear``), ``robustness`` (rows with
        ``rate``, ``with_label``, ``accuracy``), ``alignment`` (rows with ``modality``, ``cosine``, ``retrieval``).

    Raises:
        ValueError: The data have no class labels, or a test sample lacks every modality of a subset.
    """
    predictors = _fit_read_outs(representation, splits.train, settings, seed)
    labels = _labels(splits.test)
    rows = []
    for modalities in subsets:
        latents = encode_samples(representation, splits.test, modalities)
        scores = {name: accuracy(predict(latents), labels) for name, predict in predictors.items()}
        rows.append({"modalities": list(modalities), **scores})
    return {
        "subsets": rows,
        "robustness": _robustness(representation, splits.test, predictors["accuracy"], settings, seed, label),
        "alignment": _alignment(representation, splits.test),
    }


Predict = Callable[[Tensor], Tensor]


def _fit_read_outs(
    representation: Representation, train: Samples, settings: ClassificationSettings, seed: int
) -> Mapping[str, Predict]:
    known, labels = encode_samples(representation, train), _labels(train)
    network = fit_classifier(known, labels, int(labels.max()) + 1, settings, seed)
    linear = fit_linear_classifier(known, labels)
    return {
        "accuracy": lambda latents: network(latents).argmax(dim=1),
        "knn": lambda latents: predict_from_neighbours(latents, known, labels, settings.neighbours),
        "linear": linear.predict,
    }


def _robustness(
    representation: Representation,
    test: Samples,
    predict: Predict,
    settings: ClassificationSettings,
    seed: int,
    label: str | None,
) -> list[dict[str, Any]]:
    """Accuracy when modalities go missing at random, sample by sample; with and without the label among them."""
    labels, rows = _labels(test), []
    for with_label in (True, False) if label is not None else (True,):
        names = [name for name in representation.modalities if with_label or name != label]
        for rate in settings.missing_rates:
            present = draw_missing(names, len(test), rate, seed)
            predicted = predict(encode_samples(representation, test, names, present))
            rows.append({"rate": rate, "with_label": with_label, "accuracy": accuracy(predicted, labels)})
    return rows


def _alignment(representation: Representation, test: Samples) -> list[dict[str, Any]]:
    """How near each modality's latents lie to the complete ones, and how often the right one is the nearest."""
    joint, rows = encode_samples(representation, test), []
    block = min(RETRIEVAL_BLOCK, len(joint))
    starts = range(0, len(joint) - block + 1, block)
    for name in representation.modalities:
        latents = encode_samples(representation, test, (name,))
        found = [retrieval_accuracy(latents[at : at + block], joint[at : at + block]) for at in starts]
        cosine = float(mean_cosine(latents, joint))
        rows.append({"modality": name, "cosine": cosine, "retrieval": float(torch.stack(found).mean())})
    return rows


def _labels(samples: Samples) -> Tensor:
    if samples.targets is None or samples.targets.is_floating_point():
        got = "none" if samples.targets is None else samples.targets.dtype
        raise ValueError(f"`splits` must have class labels, int64 (N,), as `targets`; got {got}.")
    return samples.targets
