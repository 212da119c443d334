import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.representations.evaluation.alignment import mean_cosine, retrieval_accuracy, rms_distance
from anysense.representations.evaluation.probe import fit_kernel_ridge, fit_ridge, r2_score, root_mean_squared_error


def random_latents(seed: int, samples: int = 12, features: int = 4) -> torch.Tensor:
    return torch.randn(samples, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_alignment_of_known_vectors():
    joint = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    sound = torch.tensor([[0.8, 0.6], [-0.6, 0.8], [-1.0, 0.0]])
    assert mean_cosine(sound, joint).item() == pytest.approx((0.8 + 0.8 + 1.0) / 3)
    # Squared distances 0.4, 0.4, 0.
    assert rms_distance(sound, joint).item() == pytest.approx(math.sqrt(0.8 / 3))


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_rms_distance_follows_from_the_cosine_on_the_unit_sphere(seed):
    a = torch.nn.functional.normalize(random_latents(seed), dim=1)
    b = torch.nn.functional.normalize(random_latents(seed + 1), dim=1)
    assert rms_distance(a, b).item() == pytest.approx(math.sqrt(2 - 2 * mean_cosine(a, b).item()))


def test_cosine_of_a_zero_row_is_zero():
    assert mean_cosine(torch.zeros(1, 3), torch.ones(1, 3)).item() == 0.0


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_retrieval_equals_a_slow_loop(seed, top):
    queries, keys = random_latents(seed), random_latents(seed + 1)
    hits = 0
    for n in range(len(queries)):
        cosines = [float(queries[n] @ keys[k] / (queries[n].norm() * keys[k].norm())) for k in range(len(keys))]
        best = sorted(range(len(keys)), key=lambda k: -cosines[k])[:top]
        hits += n in best
    assert retrieval_accuracy(queries, keys, top).item() == pytest.approx(hits / len(queries))


def test_retrieval_of_identical_latents_is_perfect_and_of_collapsed_latents_is_chance():
    latents = random_latents(0)
    assert retrieval_accuracy(latents, latents).item() == 1.0
    collapsed = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    assert retrieval_accuracy(collapsed, collapsed).item() == pytest.approx(1 / 8)
    assert retrieval_accuracy(collapsed, collapsed, top=4).item() == pytest.approx(4 / 8)


def test_ridge_recovers_an_affine_map():
    latents = random_latents(3, samples=200)
    weight, bias = random_latents(4, samples=4, features=3), torch.tensor([1.0, -2.0, 5.0], dtype=torch.float64)
    probe = fit_ridge(latents, latents @ weight + bias, penalty=1e-12)
    new = random_latents(9, samples=50)
    torch.testing.assert_close(probe.predict(new), new @ weight + bias, rtol=1e-8, atol=1e-8)


def test_ridge_equals_the_normal_equations():
    latents, targets, penalty = random_latents(5, samples=30), random_latents(6, samples=30, features=2), 0.3
    z, y = latents - latents.mean(0), targets - targets.mean(0)
    weight = torch.linalg.solve(z.T @ z / 30 + penalty * torch.eye(4, dtype=z.dtype), z.T @ y / 30)
    new = random_latents(7, samples=8)
    expected = (new - latents.mean(0)) @ weight + targets.mean(0)
    torch.testing.assert_close(fit_ridge(latents, targets, penalty).predict(new), expected, rtol=1e-10, atol=1e-12)


def test_the_penalty_does_not_depend_on_the_number_of_samples():
    latents, targets = random_latents(5), random_latents(6, features=2)
    once, twice = fit_ridge(latents, targets, 0.3), fit_ridge(latents.repeat(2, 1), targets.repeat(2, 1), 0.3)
    torch.testing.assert_close(once.predict(latents), twice.predict(latents), rtol=1e-10, atol=1e-12)


def test_ridge_survives_constant_features_and_targets():
    latents = torch.cat([random_latents(7), torch.ones(12, 1, dtype=torch.float64)], dim=1)
    assert torch.isfinite(fit_ridge(latents, random_latents(8, features=1)).predict(latents)).all()
    predictions = fit_ridge(torch.zeros(12, 3), torch.full((12, 1), 7.7)).predict(torch.ones(4, 3))
    torch.testing.assert_close(predictions, torch.full((4, 1), 7.7).double(), rtol=1e-6, atol=0)


def test_kernel_ridge_equals_a_slow_loop():
    latents, targets, new = random_latents(1, 9), random_latents(2, 9, features=2), random_latents(3, 5)
    probe = fit_kernel_ridge(latents, targets, penalty=0.2, relative_bandwidth=0.7)
    spread = math.sqrt(sum(float((z - latents.mean(0)).square().sum()) for z in latents) / 9)

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return math.exp(-float((a - b).square().sum()) / (2 * (0.7 * spread) ** 2))

    gram = np.array([[kernel(a, b) + 0.2 * (i == j) for j, b in enumerate(latents)] for i, a in enumerate(latents)])
    weight = np.linalg.solve(gram, (targets - targets.mean(0)).numpy())
    expected = np.array([[kernel(a, b) for b in latents] for a in new]) @ weight + targets.mean(0).numpy()
    np.testing.assert_allclose(probe.predict(new).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_kernel_ridge_reads_what_no_linear_map_can():
    angle = torch.linspace(0, 2 * math.pi, 400, dtype=torch.float64)
    latents = torch.stack([angle.cos(), angle.sin()], dim=1)
    targets = (3 * angle).cos().unsqueeze(1)
    assert r2_score(fit_ridge(latents, targets).predict(latents), targets).item() < 0.01
    probe = fit_kernel_ridge(latents[::2], targets[::2])
    assert r2_score(probe.predict(latents[1::2]), targets[1::2]).item() > 0.99


def test_kernel_ridge_of_collapsed_latents_predicts_the_mean():
    targets = random_latents(1, features=1)
    predictions = fit_kernel_ridge(torch.ones(12, 3), targets).predict(torch.ones(4, 3))
    torch.testing.assert_close(predictions, targets.mean(0).expand(4, 1), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 7.7, -1 / 3, 1e-30, 1e30])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
def test_r2_of_a_constant_target_is_undefined_whatever_the_constant(value, count, dtype):
    """The mean of equal numbers can differ from them in the last bit, so the spread about it need not be 0."""
    targets = torch.full((count, 2), value, dtype=dtype)
    targets[:, 1] = torch.arange(count)
    for predictions in (targets, targets + 1, torch.zeros_like(targets)):
        score = r2_score(predictions, targets)
        assert math.isnan(score[0])
        assert bool(score[1].isnan()) is (count == 1)


@given(st.integers(0, 10_000), st.integers(2, 20))
@settings(max_examples=25, deadline=None)
def test_r2_by_hand(seed, count):
    targets, predictions = random_latents(seed, count, 3), random_latents(seed + 1, count, 3)
    left = (targets - predictions).square().sum(dim=0)
    expected = 1 - left / (targets - targets.mean(dim=0)).square().sum(dim=0)
    torch.testing.assert_close(r2_score(predictions, targets), expected, rtol=1e-9, atol=1e-9)


def test_read_out_scores_of_known_numbers():
    targets = torch.tensor([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    predictions = torch.tensor([[0.0, 5.0], [2.0, 5.0], [1.0, 5.0]])
    score = r2_score(predictions, targets)
    assert score[0].item() == pytest.approx(1 - 9 / 8)
    assert math.isnan(score[1].item())
    assert root_mean_squared_error(predictions, targets).tolist() == pytest.approx([math.sqrt(3), 0.0])
    assert r2_score(targets.mean(0).expand(3, 2), targets)[0].item() == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_cosine(torch.ones(2, 3), torch.ones(3, 3)), r"`latents` and `joint`.*\(2, 3\) and \(3, 3\)"),
        (lambda: rms_distance(torch.ones(2), torch.ones(2)), r"`latents` must be a floating point matrix.*\(2,\)"),
        (lambda: mean_cosine(torch.ones(0, 3), torch.ones(0, 3)), r"`latents`.*at least one sample.*\(0, 3\)"),
        (lambda: r2_score(torch.ones(2, 3).int(), torch.ones(2, 3)), r"`predictions`.*int32"),
        (
            lambda: retrieval_accuracy(torch.ones(2, 3), torch.ones(2, 3), top=3),
            r"`top` must lie between 1.*\(2\), got 3",
        ),
        (lambda: fit_ridge(torch.ones(2, 3), torch.ones(3, 1)), r"`latents` and `targets`.*2 and 3 rows"),
        (lambda: fit_ridge(torch.ones(2, 3), torch.ones(2, 1), penalty=0.0), r"`penalty` must be positive, got 0.0"),
        (lambda: fit_kernel_ridge(torch.ones(2, 3), torch.ones(3, 1)), r"`latents` and `targets`.*2 and 3 rows"),
        (lambda: fit_kernel_ridge(torch.ones(2, 3), torch.ones(2, 1), -1.0), r"`penalty` must be positive, got -1.0"),
        (
            lambda: fit_kernel_ridge(torch.ones(2, 3), torch.ones(2, 1), relative_bandwidth=0.0),
            r"`relative_bandwidth` must be positive, got 0.0",
        ),
        (
            lambda: fit_kernel_ridge(torch.ones(2, 3), torch.ones(2, 1)).predict(torch.ones(2, 4)),
            r"X has 4 features, but KernelRidge is expecting 3",
        ),
        (
            lambda: fit_ridge(torch.ones(2, 3), torch.ones(2, 1)).predict(torch.ones(2, 4)),
            r"X has 4 features, but Ridge is expecting 3",
        ),
    ],
)
def test_wrong_shapes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
