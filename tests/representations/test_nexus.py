"""Nexus: dropout of messages against a loop, its statistics, the mean of messages, the optimal variance."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anysense.representations import Modality, Networks, build, make_settings
from anysense.representations.methods.nexus import (
    Nexus,
    mean_message,
    optimal_variance_error,
    perceptual_dropout,
)
from anysense.representations.methods.two_level import Noise
from anysense.representations.observations import check_batch

SIZES = {"touch": 3, "sound": 2, "taste": 4}
ROWS = 40_000


@pytest.fixture
def nexus(linear_networks: Networks) -> Nexus:
    return small(linear_networks)


def small(family: Networks, **overrides: object) -> Nexus:
    modalities = {name: Modality(name, (size,), "float32") for name, size in SIZES.items()}
    chosen = {"latent_dim": 5, "message_dim": 6, "top_widths": (8,), **overrides}
    representation = build("nexus", modalities, make_settings("nexus", **chosen), family, seed=1)
    assert isinstance(representation, Nexus)
    return representation


def observed(rows: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return {name: torch.rand(rows, size, generator=generator) for name, size in SIZES.items()}


def uniform(modalities: int, rows: int, seed: int = 0) -> Tensor:
    return torch.rand(2 + modalities, rows, generator=torch.Generator().manual_seed(seed))


def everything(modalities: int, rows: int) -> Tensor:
    return torch.ones(modalities, rows, dtype=torch.bool)


def dropout_by_loop(present: Tensor, rate: float, draws: Tensor) -> Tensor:
    """The same, one row after the other."""
    kept = present.clone()
    for row in range(present.shape[1]):
        names = present[:, row].nonzero().flatten().tolist()
        if len(names) < 2 or draws[0, row] >= rate:
            continue
        count = 1 + math.floor(float(draws[1, row]) * (len(names) - 1))
        for name in sorted(names, key=lambda name, row=row: float(draws[2 + name, row]))[:count]:
            kept[name, row] = False
    return kept


# Forced perceptual dropout


@given(st.integers(1, 6), st.integers(1, 20), st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_dropout_equals_the_loop(modalities: int, rows: int, rate: float, seed: int) -> None:
    draws = uniform(modalities, rows, seed)
    present = torch.rand(modalities, rows, generator=torch.Generator().manual_seed(seed)) < 0.7
    present[0] |= ~present.any(dim=0)
    kept = perceptual_dropout(present, rate, draws)
    assert torch.equal(kept, dropout_by_loop(present, rate, draws))
    assert not (kept & ~present).any()
    assert kept.any(dim=0).all()


def test_no_dropout_at_rate_0() -> None:
    present = everything(3, 50)
    present[1, ::2] = False
    assert torch.equal(perceptual_dropout(present, 0.0, uniform(3, 50)), present)


def test_every_row_drops_at_rate_1() -> None:
    kept = perceptual_dropout(everything(4, ROWS), 1.0, uniform(4, ROWS))
    counts = kept.sum(dim=0).bincount(minlength=5).float() / ROWS
    torch.testing.assert_close(counts, torch.tensor([0.0, 1 / 3, 1 / 3, 1 / 3, 0.0]), rtol=0, atol=0.01)
    torch.testing.assert_close(kept.float().mean(dim=1), torch.full((4,), 0.5), rtol=0, atol=0.01)


@pytest.mark.parametrize("modalities", [2, 3, 4])
def test_a_message_is_kept_with_probability_1_minus_half_the_rate(modalities: int) -> None:
    kept = perceptual_dropout(everything(modalities, ROWS), 0.2, uniform(modalities, ROWS))
    torch.testing.assert_close(kept.float().mean(dim=1), torch.full((modalities,), 0.9), rtol=0, atol=0.008)
    counts = kept.sum(dim=0).bincount(minlength=modalities + 1).float() / ROWS
    expected = torch.tensor([0.0, *[0.2 / (modalities - 1)] * (modalities - 1), 0.8])
    torch.testing.assert_close(counts, expected, rtol=0, atol=0.008)


def test_rows_that_lack_a_modality_drop_among_the_others() -> None:
    draws, present = uniform(4, ROWS), everything(4, ROWS)
    present[1] = False
    kept = perceptual_dropout(present, 1.0, draws)
    assert torch.equal(kept[[0, 2, 3]], perceptual_dropout(everything(3, ROWS), 1.0, draws[[0, 1, 2, 4, 5]]))


def test_largest_draw_keeps_one() -> None:
    draws = torch.full((6, 1), 1.0 - 2.0**-24)
    assert perceptual_dropout(everything(4, 1), 1.0, draws).sum() == 1


def test_draws_of_the_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"`draws` must have shape \(5, 4\).* got \(3, 4\)"):
        perceptual_dropout(everything(3, 4), 0.5, torch.rand(3, 4))


# Mean of messages


def test_mean_of_messages() -> None:
    messages = torch.randn(3, 4, 5)
    order = torch.tensor([2, 0, 1])
    kept = torch.tensor([[True, True, False, True], [True, False, False, False], [True, True, True, False]])
    mean = mean_message(messages, kept)
    torch.testing.assert_close(mean[0], messages[:, 0].mean(dim=0))
    torch.testing.assert_close(mean[1], (messages[0, 1] + messages[2, 1]) / 2)
    assert torch.equal(mean[2], messages[2, 2])
    assert torch.equal(mean[3], messages[0, 3])
    torch.testing.assert_close(mean_message(messages[order], kept[order]), mean)
    torch.testing.assert_close(mean_message(torch.cat([messages, messages]), torch.cat([kept, kept])), mean)


def test_absent_messages_do_not_matter() -> None:
    messages = torch.randn(2, 3, 4, requires_grad=True)
    dirty = torch.cat([messages, torch.full((1, 3, 4), math.nan)])
    kept = everything(3, 3)
    kept[2] = False
    mean = mean_message(dirty, kept)
    mean.sum().backward()
    torch.testing.assert_close(mean, messages.mean(dim=0))
    torch.testing.assert_close(messages.grad, torch.full_like(messages, 0.5))


# The model


def upper_terms_by_hand(nexus: Nexus, batch: dict[str, Tensor], noise: Noise, rate: float) -> tuple[Tensor, Tensor]:
    """Latent reconstruction and divergence of every row, one row after the other."""
    latents = {
        name: (expert.mean + (0.5 * expert.log_variance).exp() * noise.bottom[name]).detach()
        for name in batch
        for expert in [nexus.bottom[name](batch[name])]
    }
    rows = len(noise.top)
    kept = everything(len(batch), rows)
    if noise.dropout is not None:
        kept = dropout_by_loop(kept, rate, noise.dropout)
    errors, divergences = [], []
    for row in range(rows):
        messages = [
            nexus.messages[name](latents[name][row]) for index, name in enumerate(SIZES) if bool(kept[index, row])
        ]
        mean, log_variance = nexus.nexus((sum(messages) / len(messages)).unsqueeze(0))
        posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
        prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
        divergences.append(torch.distributions.kl_divergence(posterior, prior).sum())
        top = mean + posterior.stddev * noise.top[row]
        errors.append(sum(((nexus.top_decoders[name](top)[0] - latents[name][row]) ** 2).sum() for name in SIZES))
    return torch.stack(errors), torch.stack(divergences)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("training", [True, False])
def test_upper_terms_by_hand(linear_networks: Networks, rate: float, training: bool) -> None:
    nexus, batch = small(linear_networks, drop_rate=rate, default_latent_weight=1.0).train(training), observed(12)
    noise = nexus.draw_noise(12)
    assert (noise.dropout is not None) == training
    errors, divergences = upper_terms_by_hand(nexus, batch, noise, rate)
    terms = nexus.loss_given(check_batch(batch, None, nexus.modalities, nexus.device), noise)
    torch.testing.assert_close(terms["latent_reconstruction"], errors.mean())
    torch.testing.assert_close(terms["top_kl"], divergences.mean())


def test_dropped_modalities_are_still_reconstructed(linear_networks: Networks) -> None:
    nexus, batch = small(linear_networks, drop_rate=1.0), observed(4)
    terms = nexus.loss(batch)
    terms["latent_reconstruction"].backward()
    assert all(p.grad is not None and p.grad.any() for p in nexus.top_decoders.parameters())


def test_encoding_drops_nothing(linear_networks: Networks) -> None:
    nexus, batch = small(linear_networks, drop_rate=1.0), observed(6)
    means = {name: nexus.bottom[name](value).mean for name, value in batch.items()}
    message = sum(nexus.messages[name](mean) for name, mean in means.items()) / 3
    expected = nexus.nexus(message).mean
    for mode in (True, False):
        torch.testing.assert_close(nexus.train(mode).encode(batch), expected)


def test_batch_norm_of_one_row(linear_networks: Networks) -> None:
    nexus = small(linear_networks, batch_norm=True)
    assert all(torch.isfinite(value) for value in nexus.loss(observed(1)).values())
    assert sum(isinstance(module, torch.nn.BatchNorm1d) for module in nexus.modules()) == 4


# Optimal variance


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_optimal_variance_identity(scale: float) -> None:
    predicted, latent = scale * torch.randn(50, 8).double(), torch.randn(50, 8).double()
    deviation = (predicted - latent).square().mean().sqrt()
    total = optimal_variance_error(predicted, latent, torch.ones(50, dtype=torch.bool)).sum()
    expected = 400 * (0.5 + deviation.log() + 0.5 * math.log(2.0 * math.pi))
    torch.testing.assert_close(total, expected, rtol=2e-3, atol=0)


def test_optimal_variance_is_the_best_one() -> None:
    predicted, latent = 40.0 * torch.randn(30, 4), torch.zeros(30, 4)
    found = optimal_variance_error(predicted, latent, torch.ones(30, dtype=torch.bool)).sum()
    deviation = predicted.square().mean().sqrt()
    for factor in (0.9, 0.98, 1.02, 1.1):
        other = -torch.distributions.Normal(predicted, factor * deviation).log_prob(latent).sum()
        assert found < other
    best = -torch.distributions.Normal(predicted, deviation).log_prob(latent).sum()
    torch.testing.assert_close(found, best)


def test_optimal_variance_of_perfect_predictions_is_bounded() -> None:
    predicted = torch.zeros(3, 4, requires_grad=True)
    error = optimal_variance_error(predicted, torch.zeros(3, 4), torch.ones(3, dtype=torch.bool))
    error.sum().backward()
    torch.testing.assert_close(error, torch.full((3,), 4 * (-6.0 + 0.5 * math.log(2.0 * math.pi))))
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()


def test_optimal_variance_takes_only_rows_that_are_present() -> None:
    predicted, latent, present = torch.randn(6, 3), torch.randn(6, 3), torch.arange(6) < 4
    expected = optimal_variance_error(predicted[:4], latent[:4], torch.ones(4, dtype=torch.bool))
    torch.testing.assert_close(optimal_variance_error(predicted, latent, present)[:4], expected)


def test_optimal_variance_replaces_the_error_of_the_sound_only(linear_networks: Networks) -> None:
    batch = observed(7)
    plain, weighed = (small(linear_networks, optimal_variance=on, default_latent_weight=1.0) for on in (False, True))
    noise = plain.eval().draw_noise(7)
    checked = check_batch(batch, None, plain.modalities, plain.device)
    latents, _ = plain.bottom_level(checked, noise.bottom)
    posterior = plain.top_posterior(latents, everything(3, 7))
    top = posterior.mean + (0.5 * posterior.log_variance).exp() * noise.top
    predicted, sound = plain.top_decoders["sound"](top), latents["sound"]
    likelihood = optimal_variance_error(predicted, sound, torch.ones(7, dtype=torch.bool)).mean()
    square = (predicted - sound).square().sum(dim=-1).mean()
    difference = (
        weighed.eval().loss_given(checked, noise)["latent_reconstruction"]
        - plain.loss_given(checked, noise)["latent_reconstruction"]
    )
    torch.testing.assert_close(difference, likelihood - square, rtol=1e-4, atol=1e-4)


def test_wrong_settings(linear_networks: Networks) -> None:
    with pytest.raises(ValueError, match=r"`drop_rate` must lie in \[0, 1\]; got 1\.5"):
        make_settings("nexus", drop_rate=1.5)
    with pytest.raises(ValueError, match="`message_dim` must be positive"):
        make_settings("nexus", message_dim=0)
    modalities = {"touch": Modality("touch", (3,), "float32")}
    settings = make_settings("nexus", optimal_variance=True)
    with pytest.raises(ValueError, match=r"`optimal_variance` is about the modality 'sound'; got \['touch'\]"):
        build("nexus", modalities, settings, linear_networks)
