"""Convolutions of filled blocks only, against the dense ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import forward_ad

from anysense.representations.networks.kernels import filled_blocks
from anysense.representations.networks.kernels.filled_blocks import silu_convolutions
from tests.oracles.convolutions import silu_convolutions as dense


@pytest.fixture
def any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image that may goes block by block, however full it is."""
    monkeypatch.setattr(filled_blocks, "DENSE_SHARE", 1.0)


def images(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Images with one bright rectangle each, some of them at the border."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.zeros(count, channels, height, width)
    for image in values:
        top, left = (int(torch.randint(side - 3, (1,), generator=generator)) for side in (height, width))
        image[:, top : top + 5, left : left + 4] = torch.rand((), generator=generator) + 0.1
    return values


def convolutions(inputs: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Conv2d(inputs, 3, 4, 2, 1, bias=False), nn.Conv2d(3, 5, 4, 2, 1, bias=False)


def blockwise(value: Tensor) -> bool:
    return filled_blocks._filled_blocks(value) is not None


def assert_equal_to_dense(value: Tensor) -> None:
    """Values and gradients of the weights, of first and second order."""
    layers = convolutions(value.shape[1])
    weights = [layer.weight for layer in layers]
    got, expected = silu_convolutions(value, *layers), dense(value, *weights)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    factor = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    first_order = [
        torch.autograd.grad((output * factor).sum(), weights, create_graph=True) for output in (got, expected)
    ]
    second_order = [torch.autograd.grad(sum(g.square().sum() for g in order), weights) for order in first_order]
    for ours, theirs in (first_order, second_order):
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5 + 1e-4 * float(other.detach().abs().max()))


@pytest.mark.usefixtures("any_share")
@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 16, 24), (1, 12, 8), (3, 4, 4)])
def test_values_and_gradients_are_those_of_the_dense_convolutions(shape: tuple[int, int, int]) -> None:
    value = images(9, *shape)
    value[0] = 0.0
    assert blockwise(value)
    assert_equal_to_dense(value)


@pytest.mark.usefixtures("any_share")
def test_full_images_block_by_block() -> None:
    value = torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(0)) + 0.1
    assert blockwise(value)
    assert_equal_to_dense(value)


def test_empty_images_are_zero_and_have_zero_gradients() -> None:
    layers, value = convolutions(1), torch.zeros(8, 1, 12, 12)
    assert blockwise(value)
    features = silu_convolutions(value, *layers)
    assert features.shape == (8, 9 * 5)
    assert not features.any()
    for gradient in torch.autograd.grad(features.sum(), [layer.weight for layer in layers]):
        assert not gradient.any()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 15), st.integers(0, 7), st.integers(1, 255)),
        max_size=6,
    )
)
def test_any_pixels(pixels: list[tuple[int, int, int, int, int]]) -> None:
    value, layers = torch.zeros(8, 3, 16, 8), convolutions(3)
    for image, channel, row, column, bright in pixels:
        value[image, channel, row, column] = bright / 255.0
    assert blockwise(value)
    expected = dense(value, *(layer.weight for layer in layers))
    torch.testing.assert_close(silu_convolutions(value, *layers), expected, rtol=1e-5, atol=1e-6)


def test_only_blocks_with_something_in_them_are_computed() -> None:
    value = torch.zeros(8, 1, 28, 28)
    value[3, 0, 14, 14] = 1.0
    filled = filled_blocks._filled_blocks(value)
    assert filled is not None
    assert filled.nonzero().tolist() == [[3, 3, 3], [3, 3, 4], [3, 4, 3], [3, 4, 4]]


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(7, 1, 28, 28),
        torch.zeros(8, 1, 30, 28),
        torch.ones(8, 1, 28, 28),
        torch.zeros(8, 1, 28, 28, requires_grad=True),
    ],
    ids=["few", "odd side", "full", "gradient of pixels"],
)
def test_the_dense_convolutions_are_taken_for_others(value: Tensor) -> None:
    assert not blockwise(value)
    assert_equal_to_dense(value)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of torch itself
def test_the_dense_convolutions_are_taken_for_derivatives_forwards() -> None:
    with forward_ad.dual_level():
        value = forward_ad.make_dual(torch.zeros(8, 1, 28, 28), torch.ones(8, 1, 28, 28))
        assert not blockwise(value)
        tangent = forward_ad.unpack_dual(silu_convolutions(value, *convolutions(1))).tangent
    assert tangent is not None
    assert tangent.any()
