"""Intervals against normal theory, tables and hand computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.common.statistics import (
    Estimate,
    across_seeds,
    bootstrap,
    bootstrap_mean,
    paired_gap,
    share_of_optimal,
)

NORMAL_975 = 1.959964


def test_interval_of_a_large_normal_sample_agrees_with_normal_theory():
    values = np.random.default_rng(0).normal(2.0, 3.0, 2000)
    found = bootstrap_mean(values)
    half = NORMAL_975 * values.std() / np.sqrt(2000)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.04 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.04 * half)


def test_narrower_confidence_gives_a_narrower_interval():
    values = np.random.default_rng(1).normal(size=1000)
    found = bootstrap_mean(values, confidence=0.5)
    assert found.high - found.low == pytest.approx(2 * 0.674490 * values.std() / np.sqrt(1000), rel=0.05)


def test_intervals_cover_the_true_mean_as_often_as_they_say():
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(400):
        found = bootstrap_mean(rng.exponential(size=100), resamples=400, seed=trial)
        covered += found.low <= 1.0 <= found.high
    assert 0.90 <= covered / 400 <= 0.975  # 0.95 less the known shortfall for skewed data, binomial error 0.011


def test_small_sample_interval_equals_enumeration_of_all_resamples():
    values = np.array([0.0, 1.0, 5.0])
    every = values[np.stack(np.meshgrid(*[range(3)] * 3), axis=-1).reshape(-1, 3)].mean(axis=1)
    found = bootstrap_mean(values, confidence=0.8, resamples=50_000)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(every, [0.1, 0.9])))


def test_interval_is_reproducible_and_independent_of_the_size_of_blocks(monkeypatch):
    values = np.random.default_rng(3).normal(size=50)
    first = bootstrap_mean(values, seed=5)
    assert first == bootstrap_mean(values, seed=5)
    assert first != bootstrap_mean(values, seed=6)
    monkeypatch.setattr("anysense.common.statistics._BLOCK_ELEMENTS", 20_000)
    assert first == bootstrap_mean(values, seed=5)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e6, 1e6), st.integers(1, 20))
def test_constant_data_have_an_interval_of_no_width(constant, count):
    found = bootstrap_mean(np.full(count, constant), resamples=50)
    assert found.low == pytest.approx(constant)
    assert found.high == pytest.approx(constant)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_interval_moves_and_scales_with_the_data(values, shift, factor):
    plain = bootstrap_mean(values, resamples=100)
    moved = bootstrap_mean(np.array(values) * factor + shift, resamples=100)
    scaled = plain.scaled(factor)
    for found, expected in zip(
        (moved.value, moved.low, moved.high), (scaled.value, scaled.low, scaled.high), strict=True
    ):
        assert found == pytest.approx(expected + shift, abs=1e-8)
    assert plain.low <= plain.high
    assert min(values) - 1e-9 <= plain.low
    assert plain.high <= max(values) + 1e-9


def test_rows_stay_together_in_a_resample():
    values = np.random.default_rng(4).normal(size=(200, 1))
    found = bootstrap(np.hstack((values, 3 - values)), lambda means: means[..., 0] + means[..., 1])
    assert (found.value, found.low, found.high) == pytest.approx((3, 3, 3))


def test_pairs_are_far_tighter_than_unpaired_differences():
    rng = np.random.default_rng(5)
    difficulty = rng.normal(-0.45, 0.25, 500)
    agent = difficulty - 0.03 + rng.normal(0, 0.01, 500)
    gap = paired_gap(agent, difficulty)
    assert gap.low < 0.03 < gap.high
    half = NORMAL_975 * (difficulty - agent).std() / np.sqrt(500)
    assert gap.high - gap.low == pytest.approx(2 * half, rel=0.05)
    unpaired = bootstrap_mean(agent)
    assert gap.high - gap.low < 0.1 * (unpaired.high - unpaired.low)


def test_share_is_zero_for_random_and_one_for_optimal():
    rng = np.random.default_rng(6)
    random, optimal = rng.normal(-6, 1, 300), rng.normal(-0.5, 0.3, 300)
    assert share_of_optimal(random, random, optimal) == Estimate(0.0, 0.0, 0.0)
    assert share_of_optimal(optimal, random, optimal) == Estimate(1.0, 1.0, 1.0)
    middle = share_of_optimal(rng.permutation(random) / 2 + optimal.mean() / 2, random, optimal)
    assert middle.value == pytest.approx(0.5)
    assert middle.low < 0.5 < middle.high


def test_interval_of_the_share_agrees_with_the_delta_method():
    rng = np.random.default_rng(7)
    value, random, optimal = rng.normal(-1, 0.5, 4000), rng.normal(-6, 1, 4000), rng.normal(-0.5, 0.3, 4000)
    found = share_of_optimal(value, random, optimal)
    span = optimal.mean() - random.mean()
    influence = (value - random - found.value * (optimal - random)) / span
    assert found.value == pytest.approx((value.mean() - random.mean()) / span)
    assert found.high - found.low == pytest.approx(2 * NORMAL_975 * influence.std() / np.sqrt(4000), rel=0.05)


@pytest.mark.parametrize(
    ("confidence", "seeds", "quantile"),
    [(0.95, 2, 12.7062), (0.95, 3, 4.30265), (0.95, 5, 2.77645), (0.90, 10, 1.83311), (0.99, 31, 2.75000)],
)
def test_widths_agree_with_tables_of_student(confidence, seeds, quantile):
    values = np.random.default_rng(8).normal(size=seeds)
    found = across_seeds(values, confidence=confidence)
    half = quantile * values.std(ddof=1) / np.sqrt(seeds)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-5)


def test_three_seeds_get_the_interval_of_student():
    found = across_seeds([-0.50, -0.49, -0.48])
    half = 4.302653 * 0.01 / np.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((-0.49, -0.49 - half, -0.49 + half))


@pytest.mark.parametrize("wrong", [None, 1j, "x", [], {}, {"x": [1.0]}, True])
def test_wrong_input_is_named(wrong):
    with pytest.raises(ValueError, match="`values` must be a non-empty array"):
        bootstrap_mean(wrong)
    with pytest.raises(ValueError, match="`reference` must be a non-empty array"):
        paired_gap([1.0, 2.0], wrong)
    with pytest.raises(ValueError, match=r"`confidence` must lie in \(0, 1\)"):
        across_seeds([1.0, 2.0], confidence=wrong)
    for resamples in (wrong, 1.5, float("inf"), 10**30):
        with pytest.raises(ValueError, match="`resamples` must be a whole number"):
            bootstrap_mean([1.0, 2.0], resamples=resamples)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match=r"`values` must be a non-empty array of 1 dimension\(s\), got shape \(0,\)"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match=r"`values` must be a non-empty array of 1 .*got shape \(1, 2\)"):
        bootstrap_mean([[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"`values` must be finite, got 2 NaN or infinite entries"):
        bootstrap_mean([1.0, np.nan, np.inf])
    with pytest.raises(ValueError, match=r"`confidence` must lie in \(0, 1\), got 95"):
        bootstrap_mean([1.0], confidence=95)
    with pytest.raises(ValueError, match=r"`resamples` must be a whole number from 1 to 10000000, got 0"):
        bootstrap_mean([1.0], resamples=0)
    with pytest.raises(ValueError, match=r"equally many of each; got `reference` 1, `values` 2"):
        paired_gap([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match=r"`random` must be worse on average than `optimal`; got 2.0 and 1.0"):
        share_of_optimal([1.0], [2.0], [1.0])
    with pytest.raises(ValueError, match=r"at least two seeds for an interval, got 1; run more seeds"):
        across_seeds([1.0])
