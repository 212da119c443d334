"""The running mean of weights: against a slow loop, in its place, and over a kill."""

import numpy as np
import pytest
import torch
from torch import nn

from anysense.agents.averaging import AveragedWeights


def steps(module, count, seed):
    """The weights of a module that changes at random, after each change."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        with torch.no_grad():
            for weight in module.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator))
        yield [weight.detach().double().numpy().copy() for weight in module.parameters()]


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_equals_a_slow_loop(decay):
    module = nn.Linear(3, 2)
    average, means = AveragedWeights(module, decay), [np.zeros((2, 3)), np.zeros(2)]
    for n, values in enumerate(steps(module, 40, seed=0)):
        average.update()
        keep = min(decay, n / (10 + n))
        means = [keep * mean + (1 - keep) * value for mean, value in zip(means, values, strict=True)]
    own = [weight.detach().clone() for weight in module.parameters()]
    with average.in_place():
        for weight, mean in zip(module.parameters(), means, strict=True):
            np.testing.assert_allclose(weight.detach(), mean, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(weight, value) for weight, value in zip(module.parameters(), own, strict=True))


def test_the_own_weights_come_back_after_an_error():
    module = nn.Linear(2, 1)
    average = AveragedWeights(module, 0.9)
    list(steps(module, 1, seed=0))
    own = module.weight.detach().clone()

    def fails():
        with average.in_place():
            assert not torch.equal(module.weight, own)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert torch.equal(module.weight, own)


def test_goes_on_from_a_state():
    whole, cut = nn.Linear(2, 2), nn.Linear(2, 2)
    cut.load_state_dict(whole.state_dict())
    expected, average = AveragedWeights(whole, 0.8), AveragedWeights(cut, 0.8)
    for _ in steps(whole, 20, seed=1):
        expected.update()
    for n, _ in enumerate(steps(cut, 20, seed=1)):
        average.update()
        if n == 7:
            state = average.state_dict()
            average = AveragedWeights(cut, 0.8)
            average.load_state_dict(state)
    for mean, other in zip(
        expected.state_dict()["means"].values(), average.state_dict()["means"].values(), strict=True
    ):
        assert torch.equal(mean, other)
    with pytest.raises(ValueError, match="a module with other weights"):
        AveragedWeights(nn.Linear(3, 2), 0.8).load_state_dict(expected.state_dict())
