"""Intervals for averages over episodes and over seeds.

Episodes that start from the same states are compared in pairs: what a start contributes to both controllers cancels, so
the interval of the difference is far narrower than the difference of two intervals.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_integer, check_range

__all__ = [
    "Estimate",
    "across_seeds",
    "bootstrap",
    "bootstrap_mean",
    "paired_gap",
    "share_of_optimal",
]

CONFIDENCE = 0.95
RESAMPLES = 10_000
_BLOCK_ELEMENTS = 2_000_000
_MOST_RESAMPLES = 10_000_000

FloatArray = npt.NDArray[np.float64]
Statistic = Callable[[FloatArray], FloatArray]
"""Maps means of columns, shape (..., K), to values, shape (...)."""


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate of ``factor`` times the quantity; ``factor`` is positive."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


def bootstrap(
    columns: npt.ArrayLike,
    statistic: Statistic,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate a function of the means of columns, with its percentile bootstrap interval.

    Rows are drawn with replacement and stay together, so columns may depend on each other (B. Efron, R. Tibshirani, *An
    Introduction to the Bootstrap*, 1993, section 13.3).

    Args:
        columns: Values, shape (N, K), one row per episode.
        statistic: Function of the K means.
        confidence: Probability that the interval is meant to cover, in (0, 1).
        resamples: Number of resamples, 1 to 10,000,000.
        seed: Seed of the resampling; the same seed gives the same interval.

    Raises:
        ValueError: The values are no non-empty finite table, or an argument is out of range.
    """
    table = _checked("columns", columns, 2)
    confidence = _checked_confidence(confidence)
    resamples = check_integer("resamples", resamples, 1, _MOST_RESAMPLES)
    seed = check_integer("seed", seed, 0)
    value = float(statistic(table.mean(axis=0)))
    if len(table) == 1:
        return Estimate(value, value, value)
    from scipy import stats

    interval = stats.bootstrap(
        tuple(table.T),
        lambda *drawn, axis: statistic(np.stack([column.mean(axis=axis) for column in drawn], axis=-1)),
        n_resamples=resamples,
        batch=max(1, _BLOCK_ELEMENTS // table.size),
        vectorized=True,
        paired=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))


def bootstrap_mean(
    values: npt.ArrayLike, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Estimate the mean of values of shape (N,); arguments and errors as in ``bootstrap``."""
    column = _checked("values", values, 1)[:, None]
    return bootstrap(column, _first, confidence=confidence, resamples=resamples, seed=seed)


def paired_gap(
    values: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate the mean of ``reference - values``: how far the values stay behind the reference, start by start.

    Args:
        values: Values, shape (N,).
        reference: Values of the reference from the same starts in the same order, shape (N,).
        confidence: See ``bootstrap``.
        resamples: See ``bootstrap``.
        seed: See ``bootstrap``.

    Raises:
        ValueError: The lengths differ; otherwise as in ``bootstrap``.
    """
    gap = np.subtract(*_same_length(reference=reference, values=values))
    return bootstrap_mean(gap, confidence=confidence, resamples=resamples, seed=seed)


def share_of_optimal(
    values: npt.ArrayLike,
    random: npt.ArrayLike,
    optimal: npt.ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate the share of the way from random to optimal: (values - random) / (optimal - random) of the means.

    Args:
        values: Values, shape (N,).
        random: Values of random actions from the same starts, shape (N,).
        optimal: Values of the optimal controller from the same starts, shape (N,).
        confidence: See ``bootstrap``.
        resamples: See ``bootstrap``.
        seed: See ``bootstrap``.

    Raises:
        ValueError: The lengths differ or random is on average not worse than optimal; otherwise as in ``bootstrap``.
    """
    columns = np.stack(_same_length(values=values, random=random, optimal=optimal), axis=1)
    _, low, high = columns.mean(axis=0)
    if low >= high:
        raise ValueError(f"`random` must be worse on average than `optimal`; got {low} and {high}.")
    return bootstrap(columns, _share, confidence=confidence, resamples=resamples, seed=seed)


def across_seeds(values: npt.ArrayLike, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the mean over training seeds with Student's t interval; seeds are too few for a bootstrap.

    Args:
        values: One value per seed, shape (S,), at least two.
        confidence: Probability that the interval is meant to cover, in (0, 1).

    Raises:
        ValueError: There are fewer than two values, one is not finite, or ``confidence`` is out of range.
    """
    seeds = _checked("values", values, 1)
    confidence = _checked_confidence(confidence)
    if len(seeds) < 2:
        raise ValueError(f"`values` must hold at least two seeds for an interval, got {len(seeds)}; run more seeds.")
    mean = float(seeds.mean())
    from scipy import stats

    half = float(stats.t.ppf((1 + confidence) / 2, len(seeds) - 1)) * float(seeds.std(ddof=1)) / math.sqrt(len(seeds))
    return Estimate(mean, mean - half, mean + half)


def _first(means: FloatArray) -> FloatArray:
    return means[..., 0]


def _share(means: FloatArray) -> FloatArray:
    value, random, optimal = means[..., 0], means[..., 1], means[..., 2]
    return np.asarray((value - random) / (optimal - random))


def _checked(argument: str, values: npt.ArrayLike, dimensions: int) -> FloatArray:
    expected = f"`{argument}` must be a non-empty array of {dimensions} dimension(s)"
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{expected} of numbers, got {values!r}.") from error
    if array.ndim != dimensions or array.size == 0:
        raise ValueError(f"{expected}, got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"`{argument}` must be finite, got {np.count_nonzero(~np.isfinite(array))} NaN or infinite entries."
        )
    return array


def _same_length(**arrays: npt.ArrayLike) -> list[FloatArray]:
    checked = [_checked(name, values, 1) for name, values in arrays.items()]
    lengths = {name: len(values) for name, values in zip(arrays, checked, strict=True)}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"`{name}` {length}" for name, length in lengths.items())
        raise ValueError(f"Pairs need values from the same starts, equally many of each; got {described}.")
    return checked


def _checked_confidence(confidence: float) -> float:
    return check_range("confidence", confidence, 0, 1, ends="()")
