"""Scores of predicted sentiment as the papers on CMU-MOSEI and CMU-MOSI report them.

Letters: N samples; truth and prediction in [-3, 3].
"""

import torch
from torch import Tensor

__all__ = ["sentiment_scores"]

LOWEST, HIGHEST = -3.0, 3.0


def sentiment_scores(prediction: Tensor, truth: Tensor) -> dict[str, float]:
    """All scores of one set of predictions.

    Prediction and truth are float (N,). ``mae`` mean absolute error; ``correlation`` Pearson, NaN where predictions or
    truth are constant; ``accuracy`` and ``f1``: positive against negative, samples of truth 0 left out (class = value >
    0), weighted F1 with the supports of the *true* classes; ``f1_swapped``: with truth and prediction exchanged, as
    published; ``accuracy_with_zeros``: negative against the rest (class = value >= 0), all samples; ``accuracy_7``:
    rounded to -3, ..., 3.

    Raises:
        ValueError: Shapes differ or are not (N,), N is 0, or no truth differs from 0.
    """
    if prediction.ndim != 1 or prediction.shape != truth.shape or len(truth) == 0:
        raise ValueError(
            f"`prediction` and `truth` must share one shape (N,); got {tuple(prediction.shape)} and "
            f"{tuple(truth.shape)}."
        )
    prediction, truth = prediction.double(), truth.double()
    decided = truth != 0
    if not bool(decided.any()):
        raise ValueError("`truth` is 0 everywhere; expected positive and negative samples.")
    guessed, true = prediction[decided] > 0, truth[decided] > 0
    return {
        "mae": float((prediction - truth).abs().mean()),
        "correlation": _pearson(prediction, truth),
        "f1": _weighted_f1(true, guessed),
        "f1_swapped": _weighted_f1(guessed, true),
        "accuracy": float((guessed == true).double().mean()),
        "accuracy_with_zeros": float(((prediction >= 0) == (truth >= 0)).double().mean()),
        "accuracy_7": float((_rounded(prediction) == _rounded(truth)).double().mean()),
    }


def _weighted_f1(truth: Tensor, prediction: Tensor) -> float:
    """F1 of both classes, weighted by how often each is true; boolean (N,) each."""
    from sklearn.metrics import f1_score  # Takes a second to import.

    return float(f1_score(truth.numpy(), prediction.numpy(), average="weighted", zero_division=0))


def _pearson(prediction: Tensor, truth: Tensor) -> float:
    if any(bool((value == value[0]).all()) for value in (prediction, truth)):
        return float("nan")  # The mean of equal numbers may be off by a rounding error.
    prediction, truth = prediction - prediction.mean(), truth - truth.mean()
    return float((prediction * truth).sum() / (prediction.norm() * truth.norm()))


def _rounded(value: Tensor) -> Tensor:
    return torch.round(value.clamp(LOWEST, HIGHEST))
