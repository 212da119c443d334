"""Sentiment with missing modalities: predictions of a supervised representation on every subset of modalities."""

from collections.abc import Sequence
from typing import Any

from anysense.representations.contract import SupervisedRepresentation
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.evaluation.latents import draw_missing, predict_samples
from anysense.representations.evaluation.sentiment import sentiment_scores

__all__ = ["evaluate_sentiment"]


def evaluate_sentiment(
    representation: SupervisedRepresentation,
    splits: Splits,
    subsets: Sequence[tuple[str, ...]],
    missing_rates: Sequence[float],
    seed: int,
) -> dict[str, Any]:
    """Scores on the test set, by subset of modalities and by rate of missing ones.

    Args:
        representation: Used frozen.
        splits: Data with targets in [-3, 3].
        subsets: Subsets of modalities to test on.
        missing_rates: Chances that a modality is missing, sample by sample.
        seed: Seed of which modalities go missing.

    Returns:
        Plain values: ``subsets`` (rows with ``modalities`` and every score of `sentiment_scores`), ``robustness`` (rows
        with ``rate`` and every score).

    Raises:
        ValueError: The data have no targets, or a test sample lacks every modality of a subset.
    """
    test = splits.test
    if test.targets is None:
        raise ValueError("`splits` must have targets, float32 (N,); got none.")
    rows = [
        {
            "modalities": list(modalities),
            **sentiment_scores(predict_samples(representation, test, modalities), test.targets),
        }
        for modalities in subsets
    ]
    return {
        "subsets": rows,
        "robustness": [{"rate": rate, **_with_missing(representation, test, rate, seed)} for rate in missing_rates],
    }


def _with_missing(representation: SupervisedRepresentation, test: Samples, rate: float, seed: int) -> dict[str, float]:
    assert test.targets is not None
    present = draw_missing(representation.modalities, len(test), rate, seed)
    return sentiment_scores(predict_samples(representation, test, present=present), test.targets)
