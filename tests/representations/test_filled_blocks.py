"""Convolutions of filled blocks only, against the dense ones."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from anysense.representations.networks import filled_blocks
from anysense.representations.networks.filled_blocks import plan_blocks


def images(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Images with one bright rectangle each, some of them at the border."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.zeros(count, channels, height, width)
    for image in values:
        top, left = (int(torch.randint(side - 3, (1,), generator=generator)) for side in (height, width))
        image[:, top : top + 5, left : left + 4] = torch.rand((), generator=generator) + 0.1
    return values


def weights(inputs: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    first = torch.randn(3, inputs, 4, 4, generator=generator)
    return first.requires_grad_(), torch.randn(5, 3, 4, 4, generator=generator).requires_grad_()


def dense(value: Tensor, first: Tensor, second: Tensor) -> Tensor:
    hidden = functional.silu(functional.conv2d(value, first, stride=2, padding=1))
    return functional.silu(functional.conv2d(hidden, second, stride=2, padding=1)).permute(0, 2, 3, 1).flatten(0, 2)


@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 16, 24), (1, 12, 8)])
def test_values_and_gradients_are_those_of_the_dense_convolutions(shape, monkeypatch) -> None:
    monkeypatch.setattr(filled_blocks, "DENSE_SHARE", 1.0)
    value, parameters = images(9, *shape), weights(shape[0])
    value[0] = 0.0
    plan = plan_blocks(value)
    assert plan is not None
    got, expected = plan.convolve(*parameters), dense(value, *parameters)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    factor = torch.randn_like(expected)
    gradients = [torch.autograd.grad((output * factor).sum(), parameters) for output in (got, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_full_and_empty_images(monkeypatch) -> None:
    assert plan_blocks(torch.ones(8, 1, 12, 12)) is None
    empty = plan_blocks(torch.zeros(8, 1, 12, 12))
    assert empty is not None
    assert not empty.convolve(*weights(1)).any()
    monkeypatch.setattr(filled_blocks, "DENSE_SHARE", 1.0)
    value, parameters = torch.rand(8, 1, 12, 12) + 0.1, weights(1)
    full = plan_blocks(value)
    assert full is not None
    torch.testing.assert_close(full.convolve(*parameters), dense(value, *parameters), rtol=1e-4, atol=1e-5)


def test_only_blocks_with_something_in_them_are_computed() -> None:
    value = torch.zeros(8, 1, 28, 28)
    value[3, 0, 14, 14] = 1.0
    plan = plan_blocks(value)
    assert plan is not None
    assert len(plan.patches) == (4 + 1) * 4  # The 6 x 6 pixels of 2 x 2 blocks cover it; one block stands for the rest.


@pytest.mark.parametrize(
    "value",
    [torch.zeros(7, 1, 28, 28), torch.zeros(8, 1, 30, 28), torch.zeros(8, 1, 28, 28, requires_grad=True)],
    ids=["few", "odd side", "gradient of pixels"],
)
def test_the_dense_way_is_left_to_others(value: Tensor) -> None:
    assert plan_blocks(value) is None


def test_a_plan_made_without_gradients_serves_training() -> None:
    filled_blocks._pixel_table.cache_clear()
    value, parameters = images(8, 1, 28, 28), weights(1)
    with torch.inference_mode():
        plan_blocks(value)
    plan = plan_blocks(value)
    assert plan is not None
    plan.convolve(*parameters).sum().backward()
    assert parameters[0].grad is not None
