"""Gramian volumes against closed forms, slow twins and finite differences."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from anysense.representations.maths.volume import cross_volumes, signed_sines
from tests.oracles import contrasts as slow


def directions(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1).to(dtype)


def with_cosines(gram: list[list[float]]) -> Tensor:
    """Unit vectors (k, k) with this Gram matrix."""
    return torch.linalg.cholesky(torch.tensor(gram, dtype=torch.float64))


def angle(degrees: float) -> Tensor:
    """Two unit vectors (2, 3) at this angle."""
    radians = math.radians(degrees)
    return torch.tensor([[1.0, 0.0, 0.0], [math.cos(radians), math.sin(radians), 0.0]], dtype=torch.float64)


def volume(vectors: Tensor) -> Tensor:
    """Volume of one set of vectors (k, D)."""
    return cross_volumes(vectors[:1], vectors[None, 1:], epsilon=1e-14, floor=0.0).squeeze()


# Closed forms


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 120.0, 180.0])
def test_two_vectors_have_the_sine_of_their_angle(degrees: float) -> None:
    assert volume(angle(degrees)).item() == pytest.approx(abs(math.sin(math.radians(degrees))), abs=1e-6)


def test_three_vectors_from_their_cosines() -> None:
    x, y, z = 0.3, -0.2, 0.6
    expected = 1 + 2 * x * y * z - x**2 - y**2 - z**2
    assert expected == pytest.approx(0.438)
    assert volume(with_cosines([[1, x, y], [x, 1, z], [y, z, 1]])).item() ** 2 == pytest.approx(expected)


@pytest.mark.parametrize(("count", "expected"), [(2, 0.75), (3, 0.5), (4, 0.3125), (5, 0.1875)])
def test_equal_cosines_of_one_half(count: int, expected: float) -> None:
    gram = [[1.0 if row == column else 0.5 for column in range(count)] for row in range(count)]
    assert volume(with_cosines(gram)).item() ** 2 == pytest.approx(expected)


def test_dependent_vectors_have_no_volume() -> None:
    same = directions(8)
    mixture = normalize(directions(3, 8).sum(dim=0), dim=0)
    for vectors in (
        torch.stack([same, same]),
        torch.stack([same, -same]),
        torch.cat([directions(3, 8), mixture[None]]),
        directions(4, 3),  # more vectors than dimensions
    ):
        assert volume(vectors).item() < 1e-6


# Properties

SETS = st.tuples(st.integers(2, 5), st.integers(2, 8), st.integers(0, 999))


@settings(deadline=None, max_examples=30)
@given(SETS)
def test_order_signs_and_rotation_change_nothing(drawn: tuple[int, int, int]) -> None:
    count, size, seed = drawn
    vectors = directions(count, size, seed=seed)
    rotation = torch.linalg.qr(directions(size, size, seed=seed + 1)).Q
    signs = torch.where(directions(count, 1, seed=seed + 2) > 0, 1.0, -1.0)
    for changed in (vectors.flip(0), vectors * signs, vectors @ rotation):
        torch.testing.assert_close(volume(changed), volume(vectors), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(SETS, st.floats(-5.0, 5.0))
def test_scaling_shearing_and_adding_vectors(drawn: tuple[int, int, int], factor: float) -> None:
    count, size, seed = drawn
    vectors = directions(count, size, seed=seed)
    value = volume(vectors).item()
    assert 0 <= value <= 1.0 + 1e-6
    scaled, sheared = vectors.clone(), vectors.clone()
    scaled[0] *= factor
    sheared[0] += factor * sheared[1]
    assert volume(scaled).item() == pytest.approx(abs(factor) * value, abs=1e-5)
    assert volume(sheared).item() == pytest.approx(value, abs=1e-5)
    if count > 2:
        assert volume(vectors[:-1]).item() >= value - 1e-5


def test_volume_is_base_times_height() -> None:
    anchors, tuples = directions(5, 7, seed=1), directions(4, 3, 7, seed=2)
    projection = torch.stack([rows.T @ torch.linalg.pinv(rows.T) for rows in tuples])
    heights = (anchors[:, None] - torch.einsum("bij,nj->nbi", projection, anchors)).norm(dim=-1)
    expected = torch.stack([volume(rows) for rows in tuples]) * heights
    torch.testing.assert_close(cross_volumes(anchors, tuples, epsilon=0.0, floor=0.0), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("count", "size"), [(2, 5), (3, 10), (5, 64)])
def test_schur_form_equals_determinants_and_a_loop(count: int, size: int) -> None:
    anchors, tuples = directions(4, size, seed=3), directions(6, count - 1, size, seed=4)
    for epsilon in (0.0, 1e-6, 0.1):
        fast = cross_volumes(anchors, tuples, power=2, epsilon=epsilon)
        for row, anchor in enumerate(anchors):
            for column, others in enumerate(tuples):
                rows = torch.cat([anchor[None], others])
                gram = rows @ rows.T + epsilon * torch.eye(count, dtype=torch.float64)
                assert fast[row, column].item() == pytest.approx(torch.linalg.det(gram).item(), abs=1e-12)
    single = [slow.volume([anchor.numpy(), *others.numpy()]) for anchor in anchors for others in tuples]
    expected = torch.tensor(single, dtype=torch.float64).view(4, 6)
    torch.testing.assert_close(cross_volumes(anchors, tuples, epsilon=0.0, floor=0.0), expected, rtol=0, atol=1e-10)


def test_anchors_need_no_unit_norm() -> None:
    anchors, tuples = directions(3, 6), directions(4, 2, 6, seed=1)
    torch.testing.assert_close(
        cross_volumes(2.5 * anchors, tuples, epsilon=0.0, floor=0.0),
        2.5 * cross_volumes(anchors, tuples, epsilon=0.0, floor=0.0),
    )


def test_regularised_volume_of_equal_vectors() -> None:
    for count, expected in ((2, 1.414e-3), (3, 1.73e-6)):
        same = directions(1, 9).expand(count, 9)
        assert cross_volumes(same[:1], same[None, 1:], power=2).sqrt().item() == pytest.approx(expected, rel=2e-3)
    assert cross_volumes(same[:1], same[None, 1:]).item() == pytest.approx(1e-4, rel=1e-3)


# Gradients and precision


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "vectors",
    [
        directions(1, 9).expand(3, 9),
        torch.cat([directions(1, 9), -directions(1, 9), directions(1, 9)]),
        torch.cat([directions(1, 9), directions(1, 9) + 1e-4 * directions(1, 9, seed=1), directions(1, 9, seed=2)]),
        directions(6, 3),
        torch.zeros(3, 9),
    ],
    ids=["identical", "antipodal", "angle of 1e-4", "more vectors than dimensions", "zero"],
)
def test_gradients_are_finite_where_volumes_vanish(vectors: Tensor, dtype: torch.dtype) -> None:
    functions: list[Callable[[Tensor], Tensor]] = [
        lambda rows: cross_volumes(rows[:2], torch.stack([rows[1:], rows[:-1]])),
        lambda rows: cross_volumes(rows[:2], torch.stack([rows[1:], rows[:-1]]), power=2),
        lambda rows: signed_sines(rows, rows),
    ]
    for function in functions:
        rows = vectors.to(dtype).clone().requires_grad_()
        value = function(rows)
        value.sum().backward()
        assert rows.grad is not None
        assert torch.isfinite(value).all()
        assert torch.isfinite(rows.grad).all()
        assert rows.grad.abs().max() < 1e6


def test_gradients_equal_finite_differences() -> None:
    anchors, tuples = directions(3, 6).requires_grad_(), directions(4, 2, 6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(cross_volumes, (anchors, tuples))
    assert torch.autograd.gradcheck(lambda *rows: cross_volumes(*rows, power=2), (anchors, tuples))
    assert torch.autograd.gradcheck(signed_sines, (anchors, tuples[:, 0]))


def test_gradient_of_two_vectors_is_that_of_their_sine() -> None:
    first, second = (directions(5, 8, seed=seed).requires_grad_() for seed in (0, 1))
    cosine = (first * second).sum(dim=1)
    expected = torch.autograd.grad(
        (first.square().sum(1) * second.square().sum(1) - cosine.square()).sqrt().sum(), first
    )
    found = torch.autograd.grad(cross_volumes(first, second[:, None]).trace(), first)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_nearly_equal_vectors_keep_their_digits() -> None:
    exact = normalize(directions(1, 16) + 1e-3 * directions(5, 16, seed=1), dim=-1)
    found = cross_volumes(exact[:1], exact[None, 1:], epsilon=1e-15, floor=0.0).squeeze()
    torch.testing.assert_close(found, torch.linalg.svdvals(exact).prod(), rtol=1e-3, atol=0)


def test_dtypes_and_autocast() -> None:
    anchors, tuples = directions(3, 6), directions(4, 2, 6, seed=1)
    expected = cross_volumes(anchors, tuples)
    assert expected.dtype == torch.float64
    assert cross_volumes(anchors.half(), tuples.half()).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        for function, arguments in ((cross_volumes, (anchors, tuples)), (signed_sines, (anchors, tuples[:, 0]))):
            single = [argument.float() for argument in arguments]
            found = function(*single)
            assert found.dtype == torch.float32
            torch.testing.assert_close(found.double(), function(*arguments), rtol=0, atol=1e-6)


def test_nan_stays_nan() -> None:
    tuples = directions(2, 3, 6)
    tuples[0, 1, 0] = math.nan
    found = cross_volumes(directions(4, 6), tuples)
    assert found[:, 0].isnan().all()
    assert found[:, 1].isfinite().all()


# Signed


def test_signed_sine_grows_with_the_angle_from_zero_to_two() -> None:
    degrees = torch.linspace(0.0, 180.0, 181)
    found = torch.stack([signed_sines(*angle(float(value)).split(1), floor=0.0) for value in degrees]).flatten()
    sines = torch.sin(torch.deg2rad(degrees.double()))
    torch.testing.assert_close(found, torch.where(degrees <= 90.0, sines, 2.0 - sines), rtol=0, atol=1e-7)
    assert (found.diff() > 0.0).all()
    near, far = signed_sines(*angle(30.0).split(1)), cross_volumes(angle(30.0)[:1], angle(30.0)[None, 1:])
    torch.testing.assert_close(near, far, rtol=0, atol=1e-5)


# Errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cross_volumes(torch.ones(2, 3), torch.ones(2, 3)),
            r"`anchors` and `tuples` must have shapes \(N, D\) and \(B, k - 1, D\).*\(2, 3\) and \(2, 3\)",
        ),
        (lambda: cross_volumes(torch.ones(2, 3), torch.ones(2, 1, 4)), r"got \(2, 3\) and \(2, 1, 4\)"),
        (lambda: signed_sines(torch.ones(2, 3), torch.ones(0, 3)), r"not empty; got \(2, 3\) and \(0, 1, 3\)"),
        (lambda: cross_volumes(torch.ones(2, 3), torch.ones(2, 1, 3).int()), r"floating point; got torch\.float32 and"),
    ],
)
def test_wrong_input_is_refused(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
