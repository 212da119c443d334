"""Read-outs of frozen latents that predict a class, and how often they are right."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from anysense.representations.contract import Representation
from anysense.representations.data.samples import Samples
from anysense.representations.evaluation.classifier import fit_classifier
from anysense.representations.evaluation.encode import encode_subsets
from anysense.representations.evaluation.task_settings import ClassificationSettings

__all__ = ["Predict", "accuracy", "fit_logistic", "fit_neighbours", "fit_read_outs", "labels_of"]

PENALTY, TOLERANCE, STEPS = 1e-4, 1e-7, 500
"""Of the linear probe: weight penalty per sample, largest gradient at the end, and most steps of L-BFGS."""

Predict = Callable[[Tensor], Tensor]


def fit_read_outs(
    representation: Representation, train: Samples, settings: ClassificationSettings, seed: int
) -> Mapping[str, Predict]:
    """Classifier (``accuracy``), nearest neighbours (``knn``) and linear probe (``linear``) on complete samples."""
    names, labels = tuple(representation.modalities), labels_of(train)
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


def accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Share of samples whose predicted class (N,) is the true one: over all samples, not over batches."""
    return float((predicted == labels).double().mean())


def labels_of(samples: Samples) -> Tensor:
    """Class labels int64 (N,); a ValueError where the samples have none."""
    if samples.targets is None or samples.targets.is_floating_point():
        got = "none" if samples.targets is None else samples.targets.dtype
        raise ValueError(f"`splits` must have class labels, int64 (N,), as `targets`; got {got}.")
    return samples.targets
