"""GMC: published sizes, the encoding rule, and its loss."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anysense.representations import Modality, build, make_networks, make_settings
from anysense.representations.maths.losses import alignment, infonce, joints_as_negatives
from anysense.representations.methods.gmc import GMC, GMCSettings

MakeBatch = Callable[..., dict[str, Tensor]]


@pytest.fixture
def make(pendulum_modalities: dict[str, Modality]) -> Callable[..., GMC]:
    """Function (preset, modalities, overrides) -> GMC with the networks of the pendulum."""

    def make(preset: str = "smoke", modalities: dict[str, Modality] = pendulum_modalities, **overrides: object) -> GMC:
        settings = make_settings("gmc", preset, benchmark="pendulum", **overrides)
        built = build("gmc", modalities, settings, make_networks("gmc", preset, benchmark="pendulum"), seed=3)
        assert isinstance(built, GMC)
        return built

    return make


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_parameter_counts(make: Callable[..., GMC]) -> None:
    gmc = make("paper")
    assert parameters(gmc.encoders["image"]) == 955_456
    assert parameters(gmc.encoders["sound"]) == 6_464
    assert parameters(gmc.joint) == 961_856
    assert parameters(gmc.head) == 9_610
    assert parameters(gmc) == 1_933_386


def test_published_settings() -> None:
    paper = make_settings("gmc", "paper", benchmark="pendulum")
    assert isinstance(paper, GMCSettings)
    assert (paper.common_dim, paper.latent_dim, paper.temperature, paper.loss) == (64, 10, 0.3, "infonce")
    assert (paper.alignment_weight, paper.normalise_mean, paper.centre) == (0.0, False, False)


def test_joint_encoder_shares_nothing(make: Callable[..., GMC]) -> None:
    gmc = make()
    own = {parameter.data_ptr() for parameter in gmc.encoders.parameters()}
    assert own.isdisjoint(parameter.data_ptr() for parameter in gmc.joint.parameters())
    own_image = gmc.get_parameter("encoders.image.trunks.image.embed.weight")
    assert not torch.equal(own_image, gmc.get_parameter("joint.trunks.image.embed.weight"))


def test_latents_of_one_encoder_lie_on_the_unit_sphere(make: Callable[..., GMC], pendulum_batch: MakeBatch) -> None:
    gmc, batch = make(), pendulum_batch(5)
    for observation in (batch, {"image": batch["image"]}, {"sound": batch["sound"]}):
        torch.testing.assert_close(gmc.encode(observation).norm(dim=1), torch.ones(5))


def test_head_follows_the_last_encoder_layer_directly(make: Callable[..., GMC], pendulum_batch: MakeBatch) -> None:
    gmc, sound = make(), pendulum_batch(4)["sound"]
    encoder = gmc.encoders["sound"]
    common = encoder.project(encoder.trunks["sound"](sound))  # type: ignore[index,operator]
    raw = gmc.head[2](torch.nn.functional.silu(gmc.head[0](common)))
    torch.testing.assert_close(gmc.encode({"sound": sound}), raw / raw.norm(dim=1, keepdim=True))


@pytest.fixture
def three_modalities() -> dict[str, Modality]:
    bounds = {"low": (((300.0, 0.05),),), "high": (((750.0, 0.7),),)}
    return {name: Modality(name, (1, 1, 2), "float32", **bounds) for name in ("left", "middle", "right")}


def three_sounds(rows: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    low, span = torch.tensor([300.0, 0.05]), torch.tensor([450.0, 0.65])
    return {name: low + span * torch.rand(rows, 1, 1, 2, generator=generator) for name in ("left", "middle", "right")}


@pytest.mark.parametrize("normalise_mean", [False, True])
def test_several_but_not_all_modalities_give_the_mean(
    make: Callable[..., GMC], three_modalities: dict[str, Modality], normalise_mean: bool
) -> None:
    gmc, batch = make(modalities=three_modalities, normalise_mean=normalise_mean), three_sounds(4)
    single = [gmc.encode({name: batch[name]}) for name in ("left", "right")]
    mean = (single[0] + single[1]) / 2
    if normalise_mean:
        mean = mean / mean.norm(dim=1, keepdim=True)
    torch.testing.assert_close(gmc.encode({name: batch[name] for name in ("left", "right")}), mean)
    assert (mean.norm(dim=1) < 0.999).all() is not normalise_mean or normalise_mean


def test_all_masks_of_three_modalities_in_one_batch(
    make: Callable[..., GMC], three_modalities: dict[str, Modality]
) -> None:
    gmc, batch = make(modalities=three_modalities), three_sounds(7)
    bits = torch.arange(1, 8)
    present = {name: (bits >> place & 1).bool() for place, name in enumerate(batch)}
    mixed = gmc.encode(batch, present)
    for row in range(7):
        subset = {name: batch[name][row : row + 1] for name in batch if present[name][row]}
        torch.testing.assert_close(mixed[row : row + 1], gmc.encode(subset), rtol=1e-5, atol=1e-6)


def test_only_the_encoders_that_are_needed_run(make: Callable[..., GMC], pendulum_batch: MakeBatch) -> None:
    gmc, batch, calls = make(), pendulum_batch(3), []
    for name, encoder in {**gmc.encoders, "joint": gmc.joint}.items():
        encoder.register_forward_hook(lambda *_, name=name: calls.append(name))
    gmc.encode(batch)
    gmc.encode(batch, {"image": torch.ones(3, dtype=torch.bool)})
    assert calls == ["joint", "joint"]
    calls.clear()
    gmc.encode({"sound": batch["sound"]})
    gmc.encode(batch, {"image": torch.zeros(3, dtype=torch.bool)})
    assert calls == ["sound", "sound"]


@pytest.mark.parametrize(
    ("name", "contrast"), [("infonce", infonce), ("infonce_with_joints_as_negatives", joints_as_negatives)]
)
def test_loss_is_the_sum_over_modalities(
    make: Callable[..., GMC], pendulum_batch: MakeBatch, name: str, contrast: Callable[..., Tensor]
) -> None:
    gmc, batch = make(loss=name, alignment_weight=0.5), pendulum_batch(9)
    terms = gmc.loss(batch)
    joint = gmc.encode(batch)
    single = {modality: gmc.encode({modality: batch[modality]}) for modality in batch}
    expected = {modality: contrast(joint, latents, 0.3) for modality, latents in single.items()}
    expected["alignment"] = alignment(joint, single["image"]) + alignment(joint, single["sound"])
    expected["total"] = expected["image"] + expected["sound"] + 0.5 * expected["alignment"]
    assert terms.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(terms[key], value, rtol=1e-4, atol=1e-5)


def test_alignment_is_off_unless_asked_for(make: Callable[..., GMC], pendulum_batch: MakeBatch) -> None:
    assert make().loss(pendulum_batch(4)).keys() == {"total", "image", "sound"}


def test_incomplete_rows_are_left_out_of_the_loss(
    make: Callable[..., GMC], pendulum_batch: MakeBatch, take: Callable[..., dict[str, Tensor]]
) -> None:
    gmc, batch = make(), pendulum_batch(6)
    present = {"image": torch.tensor([1, 1, 0, 1, 1, 1]).bool(), "sound": torch.tensor([1, 0, 1, 1, 1, 1]).bool()}
    expected = gmc.loss(take(batch, [0, 3, 4, 5]))
    for key, value in gmc.loss(batch, present).items():
        torch.testing.assert_close(value, expected[key])


@pytest.mark.parametrize("loss", ["infonce", "infonce_with_joints_as_negatives"])
def test_nothing_to_contrast_gives_zero_loss_and_zero_gradient(
    make: Callable[..., GMC], pendulum_batch: MakeBatch, loss: str
) -> None:
    gmc, batch = make(loss=loss), pendulum_batch(3)
    lonely = [(pendulum_batch(1), None), ({"image": batch["image"]}, None), (batch, {"sound": torch.arange(3) < 1})]
    for observation, present in lonely:
        terms = gmc.loss(observation, present)
        terms["total"].backward()
        assert terms.keys() == {"total", "image", "sound"}
        assert all(value.item() == 0.0 for value in terms.values())
        assert all(p.grad is not None and not p.grad.any() for p in gmc.parameters())


def test_autocast_changes_little(make: Callable[..., GMC], pendulum_batch: MakeBatch) -> None:
    gmc, batch = make(), pendulum_batch(6)
    expected, loss = gmc.encode(batch), gmc.loss(batch)["total"]
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(gmc.encode(batch), expected, rtol=0, atol=0)
        mixed = gmc.loss(batch)["total"]
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, loss, rtol=2e-2, atol=2e-2)


def test_zero_amplitude_of_a_dead_receiver_is_harmless(make: Callable[..., GMC], pendulum_batch: MakeBatch) -> None:
    sound = torch.zeros_like(pendulum_batch(2)["sound"])
    assert torch.isfinite(make("default").encode({"sound": sound})).all()


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        ({"latent_dim": 0}, ValueError, r"`latent_dim` must be positive; got 0"),
        ({"latent_dim": "16"}, TypeError, r"`latent_dim` must be int; got '16' \(str\)"),
        ({"latent_dim": True}, TypeError, r"`latent_dim` must be int; got True \(bool\)"),
        ({"temperature": -0.1}, ValueError, r"`temperature` must be positive; got -0\.1"),
        ({"temperature": math.nan}, ValueError, r"`temperature` must be a finite number; got nan"),
        ({"alignment_weight": -1.0}, ValueError, r"`alignment_weight` must be a finite number of at least 0; got -1"),
        ({"head_widths": 256}, TypeError, r"`head_widths` must be tuple\[int, \.\.\.\]; got 256"),
        ({"head_widths": (64, -1)}, ValueError, r"`head_widths` must be positive; got \(64, -1\)"),
        ({"common_dim": 0}, ValueError, r"`common_dim` must be positive; got 0"),
        ({"loss": "infonse"}, ValueError, r"`loss` must be one of 'infonce', .* Did you mean 'infonce'\?"),
        ({"normalise_mean": 1}, TypeError, r"`normalise_mean` must be bool; got 1"),
    ],
)
def test_wrong_settings(overrides: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        replace(GMCSettings(), **overrides)  # type: ignore[arg-type]


def test_settings_take_integers_for_floats_and_lists_for_tuples() -> None:
    settings = GMCSettings(temperature=1, head_widths=[8, 8])  # type: ignore[arg-type]
    assert settings.temperature == 1.0
    assert type(settings.temperature) is float
    assert settings.head_widths == (8, 8)
