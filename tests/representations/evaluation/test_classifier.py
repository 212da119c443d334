"""The downstream classifier against closed forms, and what it refuses."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from anysense.representations.evaluation.classifier import fit_classifier
from anysense.representations.evaluation.task_settings import ClassifierSettings

QUICK = ClassifierSettings(classifier_epochs=30, classifier_batch_size=32, classifier_learning_rate=1e-2)


@pytest.mark.parametrize("widths", [(), (16,), (256, 128)])
def test_separable_classes_are_told_apart_as_by_the_nearest_centre(widths: tuple[int, ...]) -> None:
    """Equal round clouds: the best rule is the nearest centre."""
    generator = torch.Generator().manual_seed(0)
    centres = 4.0 * torch.eye(3)
    labels = torch.arange(150) % 3
    latents = centres[labels] + 0.3 * torch.randn(150, 3, generator=generator)
    network = fit_classifier(latents, labels, 3, replace(QUICK, classifier_widths=widths), seed=0)
    fresh = centres[labels] + 0.3 * torch.randn(150, 3, generator=generator)
    nearest = torch.cdist(fresh, centres).argmin(dim=1)
    assert torch.equal(network(fresh).argmax(dim=1), nearest)
    assert [tuple(layer.weight.shape) for layer in network if isinstance(layer, nn.Linear)] == list(
        zip((*widths, 3), (3, *widths), strict=True)
    )


def test_two_mirrored_classes_get_the_mirror_plane() -> None:
    """Logistic regression of +-v with labels of the sign: the boundary of the optimum is the plane normal to v."""
    v = torch.tensor([1.0, -2.0, 0.5])
    latents = torch.stack([v, -v]).repeat(16, 1)
    settings = ClassifierSettings(
        classifier_epochs=400, classifier_batch_size=32, classifier_learning_rate=0.03, classifier_widths=()
    )
    layer = fit_classifier(latents, torch.arange(32) % 2, 2, settings, seed=0)[0]
    slope, offset = layer.weight[0] - layer.weight[1], layer.bias[0] - layer.bias[1]
    assert float(slope @ v) > 5.0
    assert abs(float(offset)) < 0.02 * float(slope @ v)


def test_first_step_is_that_of_adam_written_out() -> None:
    """With all samples in one step each weight moves by the learning rate, against the sign of its gradient."""
    generator = torch.Generator().manual_seed(1)
    latents, labels = torch.randn(20, 4, generator=generator), torch.randint(3, (20,), generator=generator)
    settings = ClassifierSettings(
        classifier_epochs=1, classifier_batch_size=20, classifier_learning_rate=0.01, classifier_widths=()
    )
    trained = fit_classifier(latents, labels, 3, settings, seed=5)[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        start = nn.Linear(4, 3)
    error = (start(latents).softmax(dim=1) - functional.one_hot(labels, 3)) / 20
    expected = start.weight - 0.01 * (error.T @ latents).sign()
    torch.testing.assert_close(trained.weight, expected, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(trained.bias, start.bias - 0.01 * error.sum(dim=0).sign(), atol=1e-6, rtol=1e-4)


def test_classifier_depends_on_its_seed_alone() -> None:
    generator, few = torch.Generator().manual_seed(0), replace(QUICK, classifier_epochs=2)
    latents, labels = torch.randn(50, 3, generator=generator), torch.randint(3, (50,), generator=generator)
    state = torch.random.get_rng_state()
    one = fit_classifier(latents, labels, 3, few, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    again, other = (fit_classifier(latents, labels, 3, few, seed=seed) for seed in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one[0].weight, other[0].weight)
    assert not one.training
    assert not any(parameter.requires_grad for parameter in one.parameters())


def test_what_the_classifier_refuses() -> None:
    latents, labels = torch.zeros(4, 2), torch.tensor([0, 1, 2, 1])
    with pytest.raises(ValueError, match=r"`labels` must have one entry per latent, 4; got 3"):
        fit_classifier(latents, labels[:3], 3, QUICK, 0)
    with pytest.raises(ValueError, match=r"`labels` must lie between 0 and 1; got 0 to 2"):
        fit_classifier(latents, labels, 2, QUICK, 0)
    with pytest.raises(ValueError, match=r"`labels` must lie between 0 and 2; got -1 to 1"):
        fit_classifier(latents, labels - 1, 3, QUICK, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier_epochs": 0}, r"`classifier_epochs` must be positive; got 0"),
        ({"classifier_batch_size": -1}, r"`classifier_batch_size` must be positive; got -1"),
        ({"classifier_learning_rate": 0.0}, r"`classifier_learning_rate` must be positive; got 0.0"),
        ({"classifier_learning_rate": math.nan}, r"`classifier_learning_rate` must be a finite number; got nan"),
        ({"classifier_widths": (8, 0)}, r"`classifier_widths` must be positive; got \(8, 0\)"),
    ],
)
def test_wrong_settings(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassifierSettings(**changes)
