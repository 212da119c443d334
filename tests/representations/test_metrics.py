import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.representations.evaluation import (
    fit_kernel_ridge,
    fit_ridge,
    mean_cosine,
    pendulum_targets,
    r2_score,
    retrieval_accuracy,
    rms_distance,
    root_mean_squared_error,
)


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
    torch.testing.assert_close(probe.weight, weight, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(probe.bias, bias, rtol=1e-8, atol=1e-8)


def test_ridge_minimises_the_penalised_objective():
    latents, targets, penalty = random_latents(5, samples=30), random_latents(6, samples=30, features=2), 0.3
    probe = fit_ridge(latents, targets, penalty)

    def objective(weight: np.ndarray, bias: np.ndarray) -> float:
        error = targets.numpy() - latents.numpy() @ weight - bias
        return float((error**2).sum() / len(error) + penalty * (weight**2).sum())

    best = objective(probe.weight.numpy(), probe.bias.numpy())
    rng = np.random.default_rng(0)
    for _ in range(50):
        nearby = objective(
            probe.weight.numpy() + 1e-3 * rng.normal(size=(4, 2)), probe.bias.numpy() + 1e-3 * rng.normal(size=2)
        )
        assert nearby > best


def test_ridge_survives_a_constant_feature():
    latents = torch.cat([random_latents(7), torch.ones(12, 1, dtype=torch.float64)], dim=1)
    assert torch.isfinite(fit_ridge(latents, random_latents(8, features=1)).weight).all()


def test_kernel_ridge_equals_a_slow_loop():
    latents, targets, new = random_latents(1, 9), random_latents(2, 9, features=2), random_latents(3, 5)
    probe = fit_kernel_ridge(latents, targets, penalty=0.2, relative_bandwidth=0.7)
    spread = math.sqrt(sum(float((z - latents.mean(0)).square().sum()) for z in latents) / 9)
    assert probe.bandwidth == pytest.approx(0.7 * spread)

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


def test_read_out_scores_of_known_numbers():
    targets = torch.tensor([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    predictions = torch.tensor([[0.0, 5.0], [2.0, 5.0], [1.0, 5.0]])
    score = r2_score(predictions, targets)
    assert score[0].item() == pytest.approx(1 - 9 / 8)
    assert math.isnan(score[1].item())
    assert root_mean_squared_error(predictions, targets).tolist() == pytest.approx([math.sqrt(3), 0.0])
    assert r2_score(targets.mean(0).expand(3, 2), targets)[0].item() == pytest.approx(0.0)


def test_pendulum_targets_do_not_jump_at_pi():
    targets = pendulum_targets(
        torch.tensor([[math.pi / 2, 3.0], [math.pi, -1.0], [-math.pi, -1.0]], dtype=torch.float64)
    )
    expected = torch.tensor([[0.0, 1.0, 3.0], [-1.0, 0.0, -1.0], [-1.0, 0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(targets, expected, rtol=0, atol=1e-12)


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
            r"`latents` must have 3 features.*got 4",
        ),
        (
            lambda: fit_ridge(torch.ones(2, 3), torch.ones(2, 1)).predict(torch.ones(2, 4)),
            r"`latents` must have 3 features.*got 4",
        ),
    ],
)
def test_wrong_shapes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
