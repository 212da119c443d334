"""Contrastive losses against golden values, a loop twin in float64, and closed forms."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anysense.representations.maths.losses import alignment, infonce, joints_as_negatives
from tests.oracles import contrasts

JOINT = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
FIRST = torch.tensor([[0.8, 0.6], [-0.6, 0.8], [-1.0, 0.0]], dtype=torch.float64)
SECOND = torch.tensor([[0.0, 1.0], [0.6, 0.8], [0.0, -1.0]], dtype=torch.float64)

Loss = Callable[[Tensor, Tensor, float], Tensor]


def unit_rows(rows: int, seed: int, dims: int = 5) -> Tensor:
    values = np.random.default_rng(seed).normal(size=(rows, dims))
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True))


def published_infonce(joint: Tensor, modality: Tensor, temperature: float) -> Tensor:
    """The formula taken literally: exponentiate, sum, divide, log. Overflows."""
    rows = torch.cat([joint, modality])
    similarity = torch.exp(rows @ rows.T / temperature)
    denominator = (similarity * (1 - torch.eye(len(rows), dtype=rows.dtype))).sum(dim=1)
    positive = torch.exp((joint * modality).sum(dim=1) / temperature)
    return -torch.log(torch.cat([positive, positive]) / denominator).mean()


@pytest.mark.parametrize(
    ("temperature", "contrast", "ablation"),
    [
        (0.1, 3.557405824639693, -10.871174681094416),
        (0.3, 2.078748009979325, -3.2689431026318636),
        (1.0, 2.3797394635888103, -0.2535529629357395),
    ],
)
def test_golden_values(temperature: float, contrast: float, ablation: float) -> None:
    assert sum(infonce(JOINT, x, temperature).item() for x in (FIRST, SECOND)) == pytest.approx(contrast, abs=1e-12)
    value = sum(joints_as_negatives(JOINT, x, temperature).item() for x in (FIRST, SECOND))
    assert value == pytest.approx(ablation, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(2, 7), seed=st.integers(0, 10_000), temperature=st.floats(0.05, 2.0))
def test_equals_loop_twin(rows: int, seed: int, temperature: float) -> None:
    joint, modality = unit_rows(rows, seed), unit_rows(rows, seed + 1)
    for loss, twin in ((infonce, contrasts.infonce), (joints_as_negatives, contrasts.joints_as_negatives)):
        expected = twin(joint.numpy(), modality.numpy(), temperature)
        assert loss(joint, modality, temperature).item() == pytest.approx(expected)


def test_equals_the_published_formula_where_that_is_finite() -> None:
    joint, modality = unit_rows(64, 0), unit_rows(64, 1)
    torch.testing.assert_close(infonce(joint, modality, 0.1), published_infonce(joint, modality, 0.1))


def test_finite_where_the_published_formula_overflows() -> None:
    joint = unit_rows(64, 0).float()
    assert not torch.isfinite(published_infonce(joint, joint, 0.011))
    assert torch.isfinite(infonce(joint, joint, 0.011))


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(2, 9), seed=st.integers(0, 10_000))
def test_order_of_the_batch_does_not_matter(rows: int, seed: int) -> None:
    joint, modality = unit_rows(rows, seed), unit_rows(rows, seed + 1)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows))
    for loss in (infonce, joints_as_negatives):
        torch.testing.assert_close(loss(joint[order], modality[order], 0.2), loss(joint, modality, 0.2))
    torch.testing.assert_close(infonce(modality, joint, 0.2), infonce(joint, modality, 0.2))


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
def test_equal_similarities_give_the_logarithm_of_the_number_of_others(rows: int) -> None:
    same = torch.tensor([[0.6, 0.8]], dtype=torch.float64).repeat(rows, 1)
    assert infonce(same, same, 0.1).item() == pytest.approx(math.log(2 * rows - 1), abs=1e-12)
    if rows > 1:
        assert joints_as_negatives(same, same, 0.1).item() == pytest.approx(math.log(rows - 1), abs=1e-12)


@pytest.mark.parametrize("loss", [infonce, joints_as_negatives])
def test_finite_value_and_gradient_at_a_tiny_temperature(loss: Loss) -> None:
    joint, modality = unit_rows(8, 0).float().requires_grad_(), unit_rows(8, 1).float().requires_grad_()
    value = loss(joint, modality, 0.001)
    value.backward()
    assert torch.isfinite(value)
    assert joint.grad is not None
    assert modality.grad is not None
    assert torch.isfinite(joint.grad).all()
    assert torch.isfinite(modality.grad).all()


def test_one_row_has_no_contrast() -> None:
    joint, modality = unit_rows(1, 0).requires_grad_(), unit_rows(1, 1)
    value = infonce(joint, modality, 0.1)
    value.backward()
    assert value.item() == 0.0
    assert joint.grad is not None
    assert not joint.grad.any()
    with pytest.raises(ValueError, match=r"`joint` must have at least 2 rows; got 1"):
        joints_as_negatives(joint, modality, 0.1)


@pytest.mark.parametrize("loss", [infonce, joints_as_negatives])
def test_autocast_and_half_precision_do_not_lower_the_precision(loss: Loss) -> None:
    joint, modality = unit_rows(16, 0).bfloat16(), unit_rows(16, 1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(joint, modality, 0.1)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), loss(joint.double(), modality.double(), 0.1), rtol=1e-5, atol=1e-5)


def test_alignment_is_the_mean_squared_distance() -> None:
    assert alignment(JOINT, JOINT).item() == 0.0
    assert alignment(JOINT, -JOINT).item() == pytest.approx(4.0)
    assert alignment(JOINT, FIRST).item() == pytest.approx((0.4 + 0.4 + 0.0) / 3)


@pytest.mark.parametrize("loss", [infonce, joints_as_negatives])
def test_wrong_input(loss: Loss) -> None:
    with pytest.raises(ValueError, match=r"must share one shape \(B, D\); got \(3, 2\) and \(2, 2\)"):
        loss(JOINT, FIRST[:2], 0.1)
    with pytest.raises(ValueError, match=r"must share one shape \(B, D\); got \(2,\) and \(2,\)"):
        loss(JOINT[0], FIRST[0], 0.1)
    with pytest.raises(ValueError, match=r"`joint` must have at least [12] rows?; got 0"):
        loss(JOINT[:0], FIRST[:0], 0.1)
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=rf"`temperature` must be positive; got {temperature}"):
            loss(JOINT, FIRST, temperature)
