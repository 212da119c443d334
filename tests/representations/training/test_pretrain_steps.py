"""Single steps of pretraining against slow forms: schedule, average, Adam, measures."""

import dataclasses
import math

import pytest
import torch

from anysense.representations.training import (
    BatchLoader,
    measure,
)
from anysense.representations.training.module import PretrainingModule, cosine_factor, weight_average
from tests.representations.training.quick_runs import QUICK, new_representation, weights


def test_cosine_schedule_rises_and_falls_to_zero():
    factors = [cosine_factor(step, total=100, warmup=9) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[50] == pytest.approx(0.5)
    assert factors[25] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert factors[100] == pytest.approx(0.0, abs=1e-12)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_weight_average_equals_a_slow_loop():
    representation = new_representation(("sound",))
    average = weight_average(representation, decay=0.3)
    name, weight = next(iter(representation.named_parameters()))
    expected = weight.detach().double().clone()
    for step in range(6):
        with torch.no_grad():
            weight.add_(0.1 * (step + 1))
        average.update_parameters(representation)
        if step == 0:
            expected = weight.detach().double().clone()
        else:
            decay = min(0.3, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * weight.detach().double()
    torch.testing.assert_close(average.module.get_parameter(name).double(), expected, rtol=1e-6, atol=1e-6)


def test_first_step_equals_plain_adam(data):
    """Two steps of the module against two steps of torch.optim.Adam written out."""
    settings = dataclasses.replace(QUICK, epochs=1, schedule="constant", ema_decay=None, learning_rate=1e-2)
    trained, plain = new_representation(), new_representation()
    part = data[0].select(range(128))
    loader = BatchLoader(part, 64, settings.seed)
    module = PretrainingModule(trained, loader, settings)
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-2)
    own = module.configure_optimizers()
    for index, batch in enumerate(loader):
        module.training_step(batch, index).backward()
        own.step()
        own.zero_grad()
        optimiser.zero_grad()
        plain.loss(*batch)["total"].backward()
        optimiser.step()
    for a, b in zip(weights(trained), weights(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


# Measuring


def test_measure_leaves_the_representation_as_it_was(data):
    representation = new_representation()
    before = weights(representation)
    one, two = (measure(representation, data[1], data[0], 64, seed=1) for _ in range(2))
    assert one == two
    assert representation.training
    assert all(torch.equal(a, b) for a, b in zip(before, weights(representation), strict=True))


def test_measure_equals_the_metrics_computed_by_hand(data):
    representation, validation = new_representation().eval(), data[1].select(range(64))
    values = measure(representation, validation, data[0], batch_size=64, seed=0)
    observation = validation.observation(range(64))
    with torch.no_grad():
        joint = representation.encode(observation)
        sound = representation.encode({"sound": observation["sound"]})
        loss = representation.loss(observation)["total"]
    assert values["alignment/sound_rms"] == pytest.approx(
        float((sound - joint).norm(dim=1).square().mean().sqrt()), rel=1e-4
    )
    assert values["validation/total"] == pytest.approx(float(loss), rel=1e-4)
    own = (sound @ joint.T).argmax(dim=1) == torch.arange(64)
    assert values["retrieval/sound"] == pytest.approx(float(own.float().mean()))


def test_probe_is_fitted_on_complete_latents_only(data):
    """A sound encoder that says the opposite of the joint one must read out worse than the mean, not be refitted."""
    representation = new_representation().eval()
    honest = representation.encode

    def flipped(observation, present=None, **options):
        latents = honest(representation_input(observation), present, **options)
        return latents if "image" in observation else -latents

    def representation_input(observation):
        return observation

    representation.encode = flipped
    values = measure(representation, data[1], data[0], 64)
    assert values["probe/complete_cos_theta_r2"] > 0
    assert values["probe/sound_cos_theta_r2"] < 0
