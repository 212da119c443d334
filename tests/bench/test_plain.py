"""The plain sides of the bench do the same work as ours."""

import pytest
import torch
from torch.nn import functional
from torch.nn.functional import normalize

from anysense.envs import world
from anysense.representations.maths import losses
from bench.encode import new_representation
from bench.mhd import published
from bench.mosei import FEATURES, sequences
from bench.plain import PlainMHD, PlainPendulum, PlainSentiment, Rows, StoredDigits, plain_loss, plain_training
from tests.bench.test_parts import digits


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_both_sides_have_the_published_architecture():
    assert parameters(PlainPendulum()) == parameters(new_representation(world(), "gmc", "paper", 0)) == 1_933_386
    assert parameters(PlainMHD()) == parameters(published(0)) == 2_884_224
    assert parameters(PlainSentiment(FEATURES)) == 1_411_081


def test_plain_loss_is_the_two_view_cross_entropy():
    *single, joint = normalize(torch.randn(4, 6, 10, generator=torch.Generator().manual_seed(0)), dim=-1)
    expected = 0.0
    for latents in single:
        stacked = torch.cat([joint, latents])
        logits = (stacked @ stacked.T / 0.3).fill_diagonal_(-torch.inf)
        expected += functional.cross_entropy(logits, (torch.arange(12) + 6) % 12)
    torch.testing.assert_close(plain_loss([*single, joint], 0.3), expected)
    torch.testing.assert_close(plain_loss([*single, joint], 0.3), sum(losses.infonce(joint, it, 0.3) for it in single))


@pytest.mark.parametrize(
    ("make", "rows", "supervised"),
    [
        (PlainPendulum, Rows(torch.full((8, 2, 60, 60), 0.5), torch.full((8, 2, 3, 2), 0.5)), False),
        (PlainMHD, StoredDigits(digits(8)), False),
        (lambda: PlainSentiment(FEATURES), Rows(*sequences(8, 0).values.values(), torch.zeros(8, 1)), True),
    ],
)
def test_plain_training_is_the_whole_data_each_epoch_and_leaves_the_generator_alone(make, rows, supervised):
    state = torch.random.get_rng_state()
    steps = plain_training(make, rows, batch_size=5, temperature=0.3, seed=0, supervised=supervised)
    assert next(steps) == 5
    if not supervised:  # dropout draws from the generator
        assert [next(steps) for _ in range(2)] == [3, 5]
        assert torch.equal(state, torch.random.get_rng_state())


def test_both_sides_compute_the_same_latents_of_digits():
    """With the weights of ours in the plain model."""
    ours, plain, samples = published(0).train(), PlainMHD().train(), digits(9)
    with torch.no_grad():
        for name in ("image", "sound", "trajectory"):
            for trunk, target in (
                (ours.encoders[name].trunk(name), getattr(plain, f"{name}_trunk")),
                (ours.joint.trunk(name), getattr(plain, f"joint_{name}_trunk")),
            ):
                copy_trunk(name, trunk, target)
            getattr(plain, f"{name}_projector").load_state_dict(ours.encoders[name].project.state_dict())
        plain.label_projector.load_state_dict(ours.encoders["label"].project.state_dict())
        plain.joint_projector.load_state_dict(ours.joint.project.state_dict())
        plain.head.load_state_dict(ours.head.state_dict())
        for projector, columns in ((plain.image_projector, 6272), (plain.joint_projector, 6272)):
            places = projector.weight[:, :columns].view(64, 49, 128)
            projector.weight[:, :columns] = places.transpose(1, 2).reshape(64, columns).clone()
        for projector, start in ((plain.sound_projector, 0), (plain.joint_projector, 6272)):
            places = projector.weight[:, start : start + 2048].view(64, 8, 256)
            projector.weight[:, start : start + 2048] = places.transpose(1, 2).reshape(64, 2048).clone()
        values = [samples.values[name] for name in ("image", "sound", "trajectory")]
        expected = plain(*values, samples.values["label"].argmax(dim=1))
        joint, single = ours._training_latents(samples.values)
    for got, want in zip((*single.values(), joint), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)


def copy_trunk(name, trunk, target):
    plain = [layer for layer in target if list(layer.parameters())]
    if name == "image":
        plain[0].load_state_dict(trunk.first.state_dict())
        plain[1].load_state_dict(trunk.second.state_dict())
    elif name == "trajectory":
        linear = [layer for layer in trunk.layers if list(layer.parameters())]
        for ours, theirs in zip(linear, plain, strict=True):
            theirs.load_state_dict(ours.state_dict())
    else:
        plain[0].weight.copy_(trunk.frames.weight.view(128, 1, 1, 128))
        for ours, theirs in zip(trunk.halving, (plain[2], plain[4]), strict=True):
            theirs.weight.copy_(ours.weight.unsqueeze(3))


def test_stored_sounds_are_read_as_they_were():
    samples = digits(3)
    image, sound, trajectory, label = StoredDigits(samples)[1]
    for got, name in ((image, "image"), (sound, "sound"), (trajectory, "trajectory")):
        assert torch.equal(got, samples.values[name][1])
    assert label == 1
