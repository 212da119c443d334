"""Products of experts and divergences against closed forms and torch's own."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from anysense.representations.maths.gaussian import Gaussian, draw, kl_to_standard, product_of_experts, symmetric_kl


def gaussian(*pairs: tuple[float, float]) -> Gaussian:
    """Experts (M, 1, 1) of given means and variances."""
    mean, variance = torch.tensor(pairs, dtype=torch.float64).T
    return Gaussian(mean[:, None, None], variance.log()[:, None, None])


def random_experts(seed: int, experts: int, rows: int = 3, size: int = 2) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean, log_variance = torch.randn(2, experts, rows, size, generator=generator, dtype=torch.float64)
    return Gaussian(mean, 3.0 * log_variance)


def everyone(experts: Gaussian) -> Tensor:
    return torch.ones(experts.mean.shape[:2], dtype=torch.bool)


def normal(part: Gaussian) -> Normal:
    return Normal(part.mean, (0.5 * part.log_variance).exp())


@pytest.mark.parametrize(
    ("experts", "mean", "variance"),
    [
        (((1.0, 1.0), (3.0, 0.5)), 1.75, 0.25),
        (((2.0, 0.25),), 1.6, 0.2),
        (((1.0, 1.0),) * 4, 0.8, 0.2),
        (((0.7, 1.0), (-0.15, 0.0625), (-2.4, 16.0)), -0.1024221, 0.0553633),
        (((0.7, 1.0),), 0.35, 0.5),
        (((-0.15, 0.0625),), -0.1411765, 0.0588235),
        (((0.7, 1.0), (-0.15, 0.0625)), -0.0944444, 0.0555556),
    ],
)
def test_known_products(experts: tuple[tuple[float, float], ...], mean: float, variance: float) -> None:
    parts = gaussian(*experts)
    product = product_of_experts(parts, everyone(parts))
    assert product.mean.item() == pytest.approx(mean, abs=1e-6)
    assert product.log_variance.exp().item() == pytest.approx(variance, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_precisions_add(seed: int, count: int) -> None:
    experts = random_experts(seed, count)
    product = product_of_experts(experts, everyone(experts))
    precision = 1.0 + (-experts.log_variance).exp().sum(dim=0)
    torch.testing.assert_close((-product.log_variance).exp(), precision)
    torch.testing.assert_close(product.mean, ((-experts.log_variance).exp() * experts.mean).sum(dim=0) / precision)
    assert (product.log_variance <= experts.log_variance.amin(dim=0).clamp(max=0.0) + 1e-12).all()
    order = torch.arange(count).flip(0)
    turned = product_of_experts(Gaussian(experts.mean[order], experts.log_variance[order]), everyone(experts))
    torch.testing.assert_close(turned, product)


def test_subset_table_equals_subsets_one_by_one() -> None:
    experts = random_experts(seed=1, experts=4, rows=16)
    table = torch.tensor([[bool(number >> bit & 1) for bit in range(4)] for number in range(16)])
    together = product_of_experts(experts, table[:, :, None].expand(16, 4, 16))
    mixed = product_of_experts(experts, table.T)
    for number, chosen in enumerate(table):
        alone = Gaussian(experts.mean[chosen], experts.log_variance[chosen])
        product = product_of_experts(alone, everyone(alone))
        torch.testing.assert_close(Gaussian(together.mean[number], together.log_variance[number]), product)
        torch.testing.assert_close(mixed.mean[number], product.mean[number])


def test_nothing_known_is_the_prior() -> None:
    experts = random_experts(seed=2, experts=3)
    nobody = product_of_experts(experts, ~everyone(experts))
    vague = product_of_experts(Gaussian(experts.mean, torch.full_like(experts.mean, torch.inf)), everyone(experts))
    for product in (nobody, vague):
        torch.testing.assert_close(product.mean, torch.zeros(3, 2, dtype=torch.float64))
        torch.testing.assert_close(product.log_variance, torch.zeros(3, 2, dtype=torch.float64))


def test_absent_experts_have_no_influence_whatever_they_hold() -> None:
    experts, present = random_experts(seed=3, experts=2), torch.tensor([[True] * 3, [True, False, False]])
    clean = product_of_experts(experts, present)
    mean, log_variance = (part.clone() for part in experts)
    mean[1, 1:], log_variance[1, 1], log_variance[1, 2] = math.nan, math.nan, -math.inf
    leaves = Gaussian(mean.requires_grad_(), log_variance.requires_grad_())
    dirty = product_of_experts(leaves, present)
    torch.testing.assert_close(dirty.mean, clean.mean, rtol=0, atol=0)
    torch.testing.assert_close(dirty.log_variance, clean.log_variance, rtol=0, atol=0)
    kl_to_standard(dirty).sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
        assert not leaf.grad[1, 1:].any()


@pytest.mark.parametrize(
    ("mean", "variance", "divergence"),
    [(1.0, 1.0, 0.5), (0.0, 0.25, 0.318147), (0.5, math.exp(-1.0), 0.308940), (-0.1024221, 0.0553633, 0.9798458)],
)
def test_known_divergences_from_the_prior(mean: float, variance: float, divergence: float) -> None:
    assert kl_to_standard(gaussian((mean, variance))).item() == pytest.approx(divergence, abs=1e-6)


@pytest.mark.parametrize(("second", "divergence"), [((1.0, 1.0), 1.0), ((0.0, 4.0), 1.125), ((1.0, 4.0), 1.75)])
def test_known_symmetric_divergences(second: tuple[float, float], divergence: float) -> None:
    assert symmetric_kl(gaussian((0.0, 1.0)), gaussian(second)).item() == pytest.approx(divergence)


def test_divergences_equal_those_of_torch() -> None:
    first, second = random_experts(seed=4, experts=1), random_experts(seed=5, experts=1)
    standard = Normal(torch.zeros_like(first.mean), torch.ones_like(first.mean))
    torch.testing.assert_close(kl_to_standard(first), kl_divergence(normal(first), standard).sum(dim=-1))
    both = kl_divergence(normal(first), normal(second)) + kl_divergence(normal(second), normal(first))
    torch.testing.assert_close(symmetric_kl(first, second), both.sum(dim=-1))
    torch.testing.assert_close(symmetric_kl(second, first), symmetric_kl(first, second))
    torch.testing.assert_close(symmetric_kl(first, first), torch.zeros(1, 3, dtype=torch.float64))


def test_samples_have_the_moments_and_pass_gradients() -> None:
    mean, log_variance = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = draw(Gaussian(mean.expand(40_000, 2), log_variance.expand(40_000, 2)))
    torch.testing.assert_close(drawn.mean(dim=0), mean, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.var(dim=0).log(), log_variance, rtol=0, atol=0.03)
    leaves = Gaussian(mean.clone().requires_grad_(), log_variance.clone().requires_grad_())
    sample = draw(leaves, noise=torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(sample, mean + torch.tensor([1.0, -2.0]) * (0.5 * log_variance).exp())
    sample.sum().backward()
    torch.testing.assert_close(leaves.mean.grad, torch.ones(2))
    torch.testing.assert_close(leaves.log_variance.grad, 0.5 * (sample - mean).detach())
