"""Scores of sentiment regression: by hand and against numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.representations.evaluation.sentiment_scores import sentiment_scores
from anysense.representations.evaluation.tasks import Sentiment

TRUTH = torch.tensor([2.0, 1.0, -1.0, -3.0, 0.0, 0.6])
PREDICTION = torch.tensor([1.6, -0.2, 0.5, -4.0, -0.4, 0.0])


def test_golden_values() -> None:
    """Errors 0.4, 1.2, 1.5, 1, 0.4, 0.6; of the five decided samples two are right.

    Positive are truly 2, 1, 0.6 and by prediction 1.6, 0.5, so F1 is 2 * 1 / (3 + 2); negative 2 * 1 / (2 + 3).
    With zeros: class is value >= 0, right are samples 1, 4 and 6. Rounded: 2, 0, 0, -3, 0, 0 for 2, 1, -1, -3, 0, 1.
    Sums: truth -0.4, prediction -2.5, squares 15.36 and 19.01, products 14.5.
    """
    scores = sentiment_scores(PREDICTION, TRUTH)
    assert tuple(scores) == tuple(column.key for column in Sentiment().columns)
    expected = {
        "mae": 5.1 / 6,
        "correlation": (14.5 - 1.0 / 6) / math.sqrt((15.36 - 0.16 / 6) * (19.01 - 6.25 / 6)),
        "f1": 0.4,
        "f1_swapped": 0.4,
        "accuracy": 0.4,
        "accuracy_with_zeros": 3 / 6,
        "accuracy_7": 3 / 6,
    }
    assert scores == pytest.approx(expected, abs=1e-6)


def test_swapped_f1_takes_the_supports_of_the_predicted_classes() -> None:
    """Three of four are positive. One guessed: F1 is 2 * 1 / (3 + 1) of both classes; four: 2 * 3 / (3 + 4) and 0."""
    truth, prediction = torch.tensor([1.0, 1.0, 1.0, -1.0]), torch.tensor([1.0, -1.0, -1.0, -1.0])
    scores = sentiment_scores(prediction, truth)
    assert scores["f1"] == pytest.approx(0.75 * 0.5 + 0.25 * 0.5)
    all_positive = sentiment_scores(torch.ones(4), truth)
    assert all_positive["f1"] == pytest.approx(0.75 * 6 / 7)
    assert all_positive["f1_swapped"] == pytest.approx(6 / 7)
    assert all_positive["accuracy"] == 0.75


def test_perfect_and_opposite_predictions() -> None:
    perfect = sentiment_scores(TRUTH, TRUTH)
    assert perfect.pop("mae") == 0.0
    assert perfect == pytest.approx(dict.fromkeys(perfect, 1.0))
    opposite = sentiment_scores(-TRUTH, TRUTH)
    assert opposite["correlation"] == pytest.approx(-1.0)
    assert opposite["f1"] == opposite["accuracy"] == 0.0


numbers = st.one_of(st.sampled_from([-3.0, -0.5, 0.0, 0.5, 1.5, 3.0]), st.floats(-4, 4, width=32))


def weighted_f1(truth: np.ndarray, prediction: np.ndarray) -> float:
    """F1 of each class, 2 hits / (times true + times guessed), weighted by how often it is true."""
    total = 0.0
    for kind in (True, False):
        hits = np.sum((truth == kind) & (prediction == kind))
        both = np.sum(truth == kind) + np.sum(prediction == kind)
        total += np.mean(truth == kind) * (2 * hits / both if both else 0.0)
    return total


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30))
def test_equal_to_numpy(pairs: list[tuple[float, float]]) -> None:
    prediction, truth = np.array(pairs, dtype=np.float64).T
    decided = truth != 0
    if not decided.any():
        return
    scores = sentiment_scores(torch.from_numpy(prediction), torch.from_numpy(truth))
    guessed, true = prediction[decided] > 0, truth[decided] > 0
    sevens = [np.round(values.clip(-3, 3)) for values in (truth, prediction)]
    expected = {
        "mae": np.abs(prediction - truth).mean(),
        "f1": weighted_f1(true, guessed),
        "f1_swapped": weighted_f1(guessed, true),
        "accuracy": np.mean(true == guessed),
        "accuracy_with_zeros": np.mean((truth >= 0) == (prediction >= 0)),
        "accuracy_7": np.mean(sevens[0] == sevens[1]),
    }
    correlation = scores.pop("correlation")
    assert scores == pytest.approx(expected, abs=1e-12)
    if prediction.std() > 1e-3 and truth.std() > 1e-3:
        assert correlation == pytest.approx(np.corrcoef(prediction, truth)[0, 1], abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3])
@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_correlation_with_a_constant_is_undefined(dtype: torch.dtype, value: float, count: int) -> None:
    constant = torch.full((count,), value, dtype=dtype)
    other = torch.arange(1, count + 1, dtype=dtype)
    assert math.isnan(sentiment_scores(constant, other)["correlation"])
    if value:
        assert math.isnan(sentiment_scores(other, constant)["correlation"])


def test_single_precision_does_not_blur_the_scores() -> None:
    truth = torch.linspace(-3, 3, 100)
    offset = sentiment_scores(truth + 1e4, truth)
    assert offset["correlation"] == pytest.approx(1.0, abs=1e-5)
    assert offset["mae"] == pytest.approx(1e4, rel=1e-6)


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (torch.zeros(3), torch.ones(4), r"`prediction` and `truth` must share one shape \(N,\); got \(3,\) and \(4,\)"),
        (torch.zeros(3, 1), torch.ones(3, 1), r"must share one shape \(N,\); got \(3, 1\) and \(3, 1\)"),
        (torch.zeros(0), torch.ones(0), r"must share one shape \(N,\); got \(0,\) and \(0,\)"),
        (torch.ones(3), torch.zeros(3), r"`truth` is 0 everywhere; expected positive and negative samples"),
    ],
)
def test_what_cannot_be_scored(prediction: torch.Tensor, truth: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sentiment_scores(prediction, truth)
