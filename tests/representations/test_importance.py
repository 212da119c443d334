"""Bounds from log-weights against slow loops and known inequalities."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anysense.representations.maths.importance import (
    dreg_weights,
    iwae,
    iwae_looser,
    mean_over_experts,
    mixture_log_density,
    scale_gradient,
)

PRESENT = torch.tensor([[True, False, True], [True, True, False]])


def random_values(seed: int, *shape: int) -> Tensor:
    return 5.0 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_present(seed: int, experts: int, rows: int) -> Tensor:
    present = torch.rand(experts, rows, generator=torch.Generator().manual_seed(seed)) < 0.6
    present[seed % experts] = True
    return present


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_mixture_density_lies_between_its_bounds(seed: int, experts: int) -> None:
    values, present = random_values(seed, experts, 5), some_present(seed, experts, 5)
    mixture = mixture_log_density(values, present)
    most = values.masked_fill(~present, -torch.inf).amax(dim=0)
    assert (mixture <= most + 1e-6).all()
    assert (mixture >= most - present.sum(dim=0).log() - 1e-6).all()
    equal = values[:1].expand(experts, 5)
    torch.testing.assert_close(mixture_log_density(equal, present), equal[0])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 6))
def test_bounds_are_ordered_and_equal_slow_loops(seed: int, experts: int, count: int) -> None:
    weights, present = random_values(seed, experts, count, 4), some_present(seed, experts, 4)
    looser, tight = iwae_looser(weights, present), iwae(weights, present)
    for row in range(4):
        rows = [weights[expert, :, row].exp().tolist() for expert in range(experts) if present[expert, row]]
        assert looser[row].item() == pytest.approx(sum(math.log(sum(w) / count) for w in rows) / len(rows), abs=1e-6)
        together = [weight for expert in rows for weight in expert]
        assert tight[row].item() == pytest.approx(math.log(sum(together) / len(together)), abs=1e-6)
    mean = mean_over_experts(weights.mean(dim=1), present)
    assert (mean <= looser + 1e-6).all()
    assert (looser <= tight + 1e-6).all()
    if count == 1:
        torch.testing.assert_close(looser, mean)


def test_absent_experts_neither_count_nor_get_gradients() -> None:
    weights = random_values(1, 2, 3, 3).requires_grad_()
    for bound in (iwae, iwae_looser):
        bound(weights, PRESENT).sum().backward()
        assert torch.isfinite(weights.grad).all()
        assert not weights.grad[0, :, 1].any()
        assert not weights.grad[1, :, 2].any()
        torch.testing.assert_close(weights.grad.sum(dim=(0, 1)), torch.ones(3, dtype=torch.float64))
        weights.grad = None


def test_weights_of_each_expert_sum_to_one_and_carry_no_gradient() -> None:
    weights = dreg_weights(random_values(2, 2, 5, 3).requires_grad_())
    assert not weights.requires_grad
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 3, dtype=torch.float64))
    assert dreg_weights(torch.full((1, 1, 1), -1e30)).item() == 1.0


def test_scaled_gradient_leaves_the_value_alone() -> None:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    value = leaf * 3.0
    result = value.square()
    scale_gradient(value, torch.tensor([0.5, 0.0]))
    result.sum().backward()
    torch.testing.assert_close(result.detach(), torch.tensor([9.0, 36.0]))
    torch.testing.assert_close(leaf.grad, torch.tensor([9.0, 0.0]))
    scale_gradient(torch.ones(2), torch.zeros(2))  # nothing is recorded: nothing to do
