"""GRAM on the encoders of GMC, without and with supervision: one rule for both."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from anysense.representations import Modality, Representation, build, make_networks, make_settings
from anysense.representations.methods.gmc import GMCSettings
from anysense.representations.methods.gram import GRAMSettings

MakeBatch = Callable[..., dict[str, Tensor]]
VARIANTS = {
    "joint_anchor": {"joint-anchor"},
    "pairwise": {"image", "sound"},
    "pairwise_signed": {"image", "sound"},
    "all_pairs": {"image", "sound", "image-sound"},
    "modality_anchor": {"modality-anchor", "alignment"},
    "hybrid": {"image", "sound", "joint-anchor"},
}
BENCHMARKS = {"gram": "generic", "gram-supervised": "mosei"}


def made(method: str, modalities: dict[str, Modality], benchmark: str = "pendulum", **settings: Any) -> Representation:
    chosen = make_settings(method, "smoke", benchmark=benchmark, **settings)
    return build(method, modalities, chosen, make_networks(method, "smoke", benchmark=benchmark), seed=3)


def sequences(*names: str) -> dict[str, Modality]:
    return {name: Modality(name, (6, 4), "float32", -9.0, 9.0) for name in names}


def test_architecture_and_encoding_are_those_of_gmc(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch
) -> None:
    gmc, same, batch = made("gmc", pendulum_modalities), made("gram", pendulum_modalities), pendulum_batch(5)
    assert same.state_dict().keys() == gmc.state_dict().keys()
    for observation in (batch, {"image": batch["image"]}, {"sound": batch["sound"]}):
        assert torch.equal(same.encode(observation), gmc.encode(observation))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_its_terms_with_and_without_complete_rows(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch, variant: str
) -> None:
    weight = 0.5 if variant == "modality_anchor" else 0.0
    method, batch = made("gram", pendulum_modalities, variant=variant, alignment_weight=weight), pendulum_batch(6)
    terms = method.loss(batch)
    assert terms.keys() == VARIANTS[variant] | {"total"}
    weights = dict.fromkeys(VARIANTS[variant], 1.0) | {"alignment": weight}
    expected = sum(weights[name] * terms[name].item() for name in VARIANTS[variant])
    assert terms["total"].item() == pytest.approx(expected, rel=1e-5)
    terms["total"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in method.parameters())
    nothing = method.loss(batch, {"image": torch.arange(6) < 1})
    assert nothing.keys() - {"alignment"} == terms.keys() - {"alignment"}
    assert all(value.item() == 0.0 for value in nothing.values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_terms_are_those_of_the_latents(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch, variant: str
) -> None:
    method, batch = made("gram", pendulum_modalities, variant=variant, alignment_weight=1.0), pendulum_batch(6)
    single = {name: method.encode({name: batch[name]}) for name in batch}
    terms = method.loss(batch)
    for name, value in method.contrast.terms(method.encode(batch), single).items():
        torch.testing.assert_close(terms[name], value, rtol=1e-4, atol=1e-4)


def test_hybrid_of_cosines_only_is_gmc(pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(6)
    for loss in ("infonce", "infonce_with_joints_as_negatives"):
        gmc = made("gmc", pendulum_modalities, loss=loss)
        mixed = made("gram", pendulum_modalities, variant="hybrid", hybrid_weight=1.0, loss=loss)
        assert torch.equal(mixed.loss(batch)["total"], gmc.loss(batch)["total"])


@pytest.mark.parametrize("method", BENCHMARKS)
def test_learned_temperature_is_a_weight_that_is_saved(method: str) -> None:
    modalities = sequences("text", "audio")
    batch = {name: torch.randn(5, 6, 4) for name in modalities}
    learning = made(method, modalities, BENCHMARKS[method], learn_temperature=True, temperature=0.2).eval()
    fixed = made(method, modalities, BENCHMARKS[method], temperature=0.2).eval()
    assert learning.state_dict().keys() - fixed.state_dict().keys() == {"contrast.log_temperature"}
    losses = [representation.loss(batch, target=torch.zeros(5))["total"] for representation in (learning, fixed)]
    torch.testing.assert_close(*losses)
    losses[0].backward()
    assert learning.contrast.log_temperature.grad.item() != 0.0


def test_autocast_changes_little(pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch) -> None:
    method, batch = made("gram", pendulum_modalities), pendulum_batch(6)
    expected = method.loss(batch)["total"]
    with torch.autocast("cpu", torch.bfloat16):
        mixed = method.loss(batch)["total"]
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, expected, rtol=3e-2, atol=3e-2)


def test_one_modality_has_only_the_joint_latent_to_contrast(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch
) -> None:
    modality, batch = {"sound": pendulum_modalities["sound"]}, {"sound": pendulum_batch(6)["sound"]}
    expected = made("gram", modality).loss(batch)["total"]
    for variant in ("pairwise", "all_pairs"):
        torch.testing.assert_close(made("gram", modality, variant=variant).loss(batch)["total"], expected)
    lonely = made("gram", modality, variant="modality_anchor", alignment_weight=1.0)
    torch.testing.assert_close(lonely.loss(batch)["joint-anchor"], expected)


@pytest.mark.parametrize("method", BENCHMARKS)
@pytest.mark.parametrize(
    ("variant", "least"),
    [("joint_anchor", 4), ("hybrid", 4), ("modality_anchor", 3), ("pairwise", 2), ("pairwise_signed", 2)],
)
def test_latents_have_at_least_as_many_dimensions_as_a_volume(method: str, variant: str, least: int) -> None:
    changes: dict[str, Any] = {"variant": variant}
    if method == "gram" and variant == "modality_anchor":
        changes["alignment_weight"] = 1.0
    modalities = sequences("text", "audio", "vision")
    assert made(method, modalities, BENCHMARKS[method], latent_dim=least, **changes).latent_dim == least
    message = rf"`latent_dim` must be at least {least} for '{method}' with the modalities .*; got {least - 1}"
    with pytest.raises(ValueError, match=message):
        made(method, modalities, BENCHMARKS[method], latent_dim=least - 1, **changes)


def test_published_settings() -> None:
    for benchmark in ("pendulum", "mhd", "generic"):
        paper, default = (make_settings("gram", preset, benchmark=benchmark) for preset in ("paper", "default"))
        gmc = make_settings("gmc", benchmark=benchmark)
        assert isinstance(paper, GRAMSettings)
        assert isinstance(default, GRAMSettings)
        assert isinstance(gmc, GMCSettings)
        expected = "modality_anchor" if benchmark == "mhd" else "joint_anchor"
        assert (paper.temperature, paper.label_smoothing, paper.variant) == (0.07, 0.1, expected)
        assert (default.temperature, default.label_smoothing, default.power) == (0.1, 0.0, 1)
        assert default.cosine_temperature == gmc.temperature
        assert default.latent_dim == gmc.latent_dim
    assert make_settings("gram", benchmark="pendulum") == GRAMSettings(variant="hybrid")


@pytest.mark.parametrize("method", BENCHMARKS)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"variant": "joint_anchors"}, r"`variant` must be one of .* Did you mean 'joint_anchor'"),
        ({"latent_dim": 0}, r"`latent_dim` must be positive; got 0"),
        ({"variant": "pairwise_signed", "power": 2}, r"`power` has no effect with the variant 'pairwise_signed'"),
        ({"loss": "infonce_with_joints_as_negatives"}, r"`loss` has no effect with the variant 'joint_anchor', only"),
        ({"anchor": "text"}, r"`anchor` has no effect with the variant 'joint_anchor', only with 'modality_anchor'"),
        ({"variant": "pairwise", "hybrid_weight": 0.4}, r"`hybrid_weight` has no effect .* Leave it at 0\.5"),
    ],
)
def test_wrong_settings(method: str, overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_settings(method, "smoke", benchmark=BENCHMARKS[method], **overrides)


def test_an_anchor_must_be_a_modality_and_the_joint_encoder_must_be_trained() -> None:
    modalities = sequences("text", "audio")
    for method, benchmark in BENCHMARKS.items():
        alignment = {"alignment_weight": 1.0} if method == "gram" else {}
        with pytest.raises(ValueError, match=r"`anchor` must be one of 'text', 'audio'; got 'smell'"):
            made(method, modalities, benchmark, variant="modality_anchor", anchor="smell", **alignment)
    with pytest.raises(ValueError, match=r"`alignment_weight` must be positive for the variant 'modality_anchor'"):
        made("gram", modalities, "generic", variant="modality_anchor")
