"""Laplace and normal densities against torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Laplace, Normal

from anysense.representations.maths.location_scale import LocationScale, log_density, make_density, samples, unit_noise
from anysense.representations.maths.reconstruction import laplace_error


def test_softmax_scales_average_to_one() -> None:
    raw = 4.0 * torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    density = make_density(torch.zeros(6, 8), raw, "softmax")
    assert density.laplace
    torch.testing.assert_close(density.scale.mean(dim=-1), torch.full((6,), 1.0 + 1e-6))
    torch.testing.assert_close(make_density(raw, torch.zeros(8), "softmax").scale, torch.full((8,), 1.0 + 1e-6))


def test_other_scales_at_zero() -> None:
    zeros = torch.zeros(3)
    torch.testing.assert_close(make_density(zeros, zeros, "softplus").scale, torch.full((3,), 0.693148))
    torch.testing.assert_close(make_density(zeros, zeros, "log_variance").scale, torch.ones(3))
    assert not make_density(zeros, zeros, "softplus").laplace


@pytest.mark.parametrize(("form", "kind"), [("softmax", Laplace), ("softplus", Normal), ("log_variance", Normal)])
def test_densities_equal_those_of_torch(form: str, kind: type[Normal]) -> None:
    location, raw, value = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1))
    density = make_density(location, raw, form)
    expected = kind(density.location, density.scale).log_prob(value).sum(dim=-1)
    torch.testing.assert_close(log_density(value, density), expected)
    assert log_density(
        torch.zeros(1), LocationScale(torch.zeros(1), torch.tensor([0.75]), True)
    ).item() == pytest.approx(-0.405465)
    assert log_density(value.expand(7, 2, 5, 4), density).shape == (7, 2, 5)


@pytest.mark.parametrize(("form", "variance"), [("softmax", 2.0), ("log_variance", 1.0)])
def test_samples_have_the_moments(form: str, variance: float) -> None:
    density = make_density(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.3, -0.4]]), form)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = samples(density, 60_000)
    assert drawn.shape == (60_000, 1, 2)
    torch.testing.assert_close(drawn.mean(dim=0), density.location, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.var(dim=0), variance * density.scale.square(), rtol=0.05, atol=0)
    if density.laplace:  # mean distance of a Laplace variable is its scale; a normal one differs
        torch.testing.assert_close((drawn - density.location).abs().mean(dim=0), density.scale, rtol=0.02, atol=0)


def test_noise_follows_its_generator() -> None:
    for laplace in (True, False):
        first, second = (
            unit_noise((4, 2), laplace, torch.Generator().manual_seed(5), torch.device("cpu")) for _ in range(2)
        )
        assert torch.equal(first, second)


def test_laplace_likelihood() -> None:
    logits, target = torch.tensor([[0.0, 2.0, 40.0, -40.0]]), torch.tensor([[0.5, 0.1, 1.0, 0.2]])
    errors = laplace_error(logits, target, 0.75)
    assert errors[0, 0].item() == 0.0
    location = logits.sigmoid().clamp(1e-6, 1.0 - 1e-6)
    torch.testing.assert_close(errors, -Laplace(location, 0.75).log_prob(target) - math.log(1.5))
    assert torch.isfinite(laplace_error(logits.bfloat16(), target, 0.75)).all()
