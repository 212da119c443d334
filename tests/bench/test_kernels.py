"""Both sides of each comparison of kernels do the same work."""

import statistics

import pytest
import torch

from bench.kernels import LEAST_RATIO, Pair, milliseconds


def test_different_values_are_not_measured():
    value = torch.ones(3, requires_grad=True)
    pair = Pair("twice", "once", lambda: 2.0 * value, lambda: 1.0 * value)
    with pytest.raises(ArithmeticError, match="twice: the two sides must give the same values; they differ by 1"):
        milliseconds(pair, 1, 0.001)


def test_a_round_is_the_processor_time_of_both_sides():
    value = torch.ones(300, 300, requires_grad=True)
    pair = Pair("product", "thrice", lambda: value @ value, lambda: (2 * (value @ value) + value @ value) / 3)
    plain, ours = milliseconds(pair, 5, 0.02)
    assert len(plain) == len(ours) == 5
    assert statistics.median(a / b for a, b in zip(plain, ours, strict=True)) > LEAST_RATIO
