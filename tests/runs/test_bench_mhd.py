"""The plain sides of `anysense bench mhd` do the same work as ours."""

import json

import pytest
import torch
from torch.nn.functional import normalize

from anysense.representations.data.readers.mhd import MHD_MODALITIES
from anysense.representations.data.samples import Samples
from anysense.representations.maths import losses
from anysense.representations.methods.nexus import mean_message, perceptual_dropout
from anysense.representations.registry import build, make_settings
from anysense.runs.cli import main
from bench import mhd as bench_mhd
from bench.mhd_reference import PlainMHD, StoredDigits, plain_loss, plain_training
from bench.rows_reference import plain_dreg, plain_mean_message


def digits(count: int) -> Samples:
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.rand(count, *it.shape, generator=generator) for name, it in MHD_MODALITIES.items()}
    values["label"] = torch.eye(10)[torch.arange(count) % 10]
    return Samples(MHD_MODALITIES, values, torch.arange(count) % 10)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench_mhd, "load_mhd_offline", lambda *sizes: (digits(sizes[0]), digits(sizes[1])))


def test_smoke_writes_figures(small, tmp_path, capsys):
    assert main(["bench", "mhd", "--preset", "smoke", "--out", str(tmp_path), "--name", "a"]) == 0
    assert "GMC against the plain loop" in capsys.readouterr().out
    result = json.loads((tmp_path / "bench" / "mhd" / "a" / "results" / "bench.json").read_text())
    assert [figure["target"] for figure in result["figures"]] == [None, None, 1.8, None, None, 10, None, None, 10]
    assert all(figure["median"] > 0 for figure in result["figures"])


def test_both_sides_have_the_published_architecture():
    ours = build("gmc", MHD_MODALITIES, make_settings("gmc", "paper", benchmark="mhd"))
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in (PlainMHD(), ours)]
    assert sizes == [2_884_224, 2_884_224]


def test_both_sides_compute_the_same_latents():
    """With the weights of ours in the plain model."""
    ours = build("gmc", MHD_MODALITIES, make_settings("gmc", "paper", benchmark="mhd")).train()
    plain, samples = PlainMHD().train(), digits(9)
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
        expected = plain(*(samples.values[name] for name in ("image", "sound", "trajectory", "label")))
        joint, single = ours._training_latents(samples.values)
    for got, want in zip((*single.values(), joint), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)


def copy_trunk(name, trunk, target):
    if name == "image":
        target[0].load_state_dict(trunk.first.state_dict())
        target[2].load_state_dict(trunk.second.state_dict())
    elif name == "trajectory":
        target.load_state_dict(trunk.layers.state_dict())
    else:
        target[0].weight.copy_(trunk.frames.weight.view(128, 1, 1, 128))
        for ours, theirs in zip(trunk.halving, (target[3], target[6]), strict=True):
            out, inputs = theirs.weight.shape[:2]
            theirs.weight.copy_(ours.weight.view(2, out, 2, inputs).permute(1, 3, 0, 2).reshape(out, inputs, 4, 1))


def test_stored_sounds_are_read_as_they_were():
    samples = digits(3)
    image, sound, trajectory, label = StoredDigits(samples)[1]
    for got, name in ((image, "image"), (sound, "sound"), (trajectory, "trajectory")):
        assert torch.equal(got, samples.values[name][1])
    assert label == 1


def test_plain_loss_is_the_sum_of_ours():
    *single, joint = normalize(torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    expected = sum(losses.infonce(joint, latents, 0.1) for latents in single)
    torch.testing.assert_close(plain_loss([*single, joint], 0.1), expected)


def test_plain_training_is_the_whole_data_each_epoch_and_leaves_the_generator_alone():
    state = torch.random.get_rng_state()
    steps = plain_training(digits(8), batch_size=5, temperature=0.1, rate=1e-3, seed=0)
    assert [next(steps) for _ in range(3)] == [5, 3, 5]
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_messages_row_by_row_are_the_batched_ones(rate):
    generator = torch.Generator().manual_seed(0)
    messages = torch.randn(4, 20, 6, generator=generator, requires_grad=True)
    draws = torch.rand(6, 20, generator=generator)
    batched = mean_message(messages, perceptual_dropout(torch.ones(4, 20, dtype=torch.bool), rate, draws))
    rows = plain_mean_message(messages.unbind(), rate, draws)
    torch.testing.assert_close(rows, batched)
    factor = torch.randn(20, 6, generator=generator)
    gradients = [torch.autograd.grad((value * factor).sum(), messages)[0] for value in (rows, batched)]
    torch.testing.assert_close(*gradients)


def test_objective_row_by_row_is_the_batched_one():
    with torch.random.fork_rng(devices=[]):
        model = bench_mhd.linear_mmvae(seed=0, features=3, latent_dim=4, samples=5)
        torch.manual_seed(1)
        observation = {name: torch.rand(6, 3) for name in model.modalities}
        state = torch.get_rng_state()
        batched = model.loss(observation)["total"]
        torch.set_rng_state(state)
        noise = torch.stack([torch.randn(5, 6, 4) for _ in model.modalities])
    rows = plain_dreg(model, observation, noise)
    torch.testing.assert_close(rows, batched, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(value, list(model.parameters())) for value in (rows, batched)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_wrong_objective_is_not_measured(monkeypatch):
    monkeypatch.setattr(bench_mhd, "plain_dreg", lambda *arguments: torch.zeros(()))
    with pytest.raises(ArithmeticError, match=r"The batched objective is .* they must be equal"):
        bench_mhd._objective_sides(0)
