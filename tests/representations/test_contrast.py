"""Contrasts: loops as twins, reference values, what they lead to, and which settings have an effect."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from anysense.representations import Modality
from anysense.representations.maths.contrast import (
    Contrast,
    ContrastSettings,
    CosineContrast,
    CosineSettings,
    VolumeContrast,
    VolumeSettings,
    two_way_entropy,
)
from anysense.representations.maths.volume import cross_volumes
from anysense.representations.methods.gmc import GMC, UnsupervisedSettings
from anysense.representations.methods.supervised_gmc import SupervisedCoreSettings, SupervisedGMC
from anysense.representations.networks.catalogue import networks
from tests.oracles import contrasts as slow

VARIANTS = {
    "joint_anchor": {"joint-anchor"},
    "pairwise": {"m0", "m1"},
    "pairwise_signed": {"m0", "m1"},
    "all_pairs": {"m0", "m1", "m0-m1"},
    "modality_anchor": {"modality-anchor"},
    "hybrid": {"m0", "m1", "joint-anchor"},
}
EFFECTS = {
    "power": (2, {"joint_anchor", "pairwise", "all_pairs", "modality_anchor", "hybrid"}),
    "anchor": ("m1", {"modality_anchor", "hybrid"}),
    "hybrid_weight": (0.2, {"hybrid"}),
    "loss": ("infonce_with_joints_as_negatives", {"hybrid"}),
    "cosine_temperature": (0.7, {"hybrid"}),
    "temperature": (0.2, set(VARIANTS)),
    "label_smoothing": (0.1, set(VARIANTS)),
}
"""Another value of each setting, and the variants that it changes the loss of."""


def directions(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def latents(rows: int, modalities: int, size: int = 6) -> tuple[Tensor, dict[str, Tensor]]:
    return directions(rows, size), {f"m{index}": directions(rows, size, seed=index + 1) for index in range(modalities)}


def volumes(variant: str = "joint_anchor", modalities: int = 2, **settings: Any) -> VolumeContrast:
    names = tuple(f"m{index}" for index in range(modalities))
    return VolumeContrast(VolumeSettings(variant=variant, **settings), names)  # type: ignore[arg-type]


def total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def numbers(terms: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


# Twins


@pytest.mark.parametrize("modalities", [1, 2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_equals_loops(variant: str, modalities: int) -> None:
    joint, single = latents(5, modalities)
    rows = {name: value.numpy() for name, value in single.items()}
    twin = "joint_anchor" if variant == "modality_anchor" and modalities == 1 else variant
    for power, smoothing in itertools.product((1,) if variant == "pairwise_signed" else (1, 2), (0.0, 0.1)):
        found = volumes(variant, modalities, power=power, label_smoothing=smoothing).terms(joint, single)
        expected = slow.volume_terms(twin, joint.numpy(), rows, 0.1, power=power, smoothing=smoothing)
        assert numbers(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_named_anchor_and_the_weights_of_a_hybrid_equal_loops() -> None:
    joint, single = latents(5, 3)
    rows = {name: value.numpy() for name, value in single.items()}
    found = volumes("modality_anchor", 3, anchor="m1").terms(joint, single)
    expected = slow.volume_terms("modality_anchor", joint.numpy(), rows, 0.1, anchor="m1")
    assert numbers(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    weights = {"hybrid_weight": 0.2, "cosine_temperature": 0.7}
    for anchor in (None, "m1"):
        found = volumes("hybrid", 3, anchor=anchor, **weights).terms(joint, single)
        expected = slow.volume_terms("hybrid", joint.numpy(), rows, 0.1, anchor=anchor, **weights)
        assert numbers(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("loss", "twin"),
    [("infonce", slow.infonce), ("infonce_with_joints_as_negatives", slow.joints_as_negatives)],
)
def test_cosines_equal_loops(loss: Any, twin: Callable[..., float]) -> None:
    joint, single = latents(5, 3)
    found = CosineContrast(CosineSettings(loss=loss, temperature=0.2), tuple(single)).terms(joint, single)
    expected = {name: twin(joint.numpy(), rows.numpy(), 0.2) for name, rows in single.items()}
    assert numbers(found) == pytest.approx(expected)


def test_entropy_equals_loops() -> None:
    distances = torch.from_numpy(np.random.default_rng(0).random((6, 6)))
    for smoothing in (0.0, 0.3):
        found = two_way_entropy(distances, 0.1, smoothing).item()
        assert found == pytest.approx(slow.two_way_entropy(distances.numpy(), 0.1, smoothing))


# Reference values


@pytest.mark.parametrize(
    ("temperature", "smoothing", "expected"),
    [(0.07, 0.0, 1.8746e-6), (0.1, 0.0, 1.3619e-4), (0.07, 0.1, 1.071430), (0.1, 0.1, 0.750136)],
)
def test_perfect_separation(temperature: float, smoothing: float, expected: float) -> None:
    closed_form = math.log(1 + 3 * math.exp(-1 / temperature)) + smoothing * 3 / 4 / temperature
    found = two_way_entropy(1.0 - torch.eye(4, dtype=torch.float64), temperature, smoothing).item()
    assert found == pytest.approx(expected, rel=1e-4)
    assert found == pytest.approx(closed_form)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equal_distances_give_log_of_the_batch_size(smoothing: float) -> None:
    for rows in (1, 2, 9):
        found = two_way_entropy(torch.full((rows, rows), 0.3), 0.1, smoothing)
        assert found.item() == pytest.approx(math.log(rows), abs=1e-6)
    assert two_way_entropy(torch.ones(1, 1), 0.1, smoothing).item() == 0.0


def test_negated_cosines_give_infonce_in_two_directions() -> None:
    first, second = directions(5, 8), directions(5, 8, seed=1)
    logits, own = first @ second.T / 0.2, torch.arange(5)
    expected = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(two_way_entropy(-first @ second.T, 0.2), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_order_of_rows_does_not_matter(variant: str) -> None:
    joint, single = latents(6, 3)
    order, contrast = torch.tensor([3, 0, 5, 1, 4, 2]), volumes(variant, 3)
    mixed = contrast.terms(joint[order], {name: rows[order] for name, rows in single.items()})
    torch.testing.assert_close(total(mixed), total(contrast.terms(joint, single)))


def test_a_hybrid_of_one_part_is_that_part() -> None:
    joint, single = latents(5, 2)
    for loss in ("infonce", "infonce_with_joints_as_negatives"):
        cosine = CosineContrast(CosineSettings(loss=loss), tuple(single)).terms(joint, single)
        assert torch.equal(total(volumes("hybrid", hybrid_weight=1.0, loss=loss).terms(joint, single)), total(cosine))
    space = volumes().terms(joint, single)
    assert torch.equal(total(volumes("hybrid", hybrid_weight=0.0).terms(joint, single)), total(space))


def test_dependent_tuples_say_nothing() -> None:
    joint, rows = directions(6, 8), directions(6, 8, seed=1)
    loss = total(volumes().terms(joint, {"m0": rows, "m1": rows.clone()}))
    assert loss.item() == pytest.approx(math.log(6), abs=0.01)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["identical", "antipodal", "zero"])
def test_gradients_are_finite_where_volumes_vanish(kind: str, variant: str) -> None:
    start = {"identical": directions(1, 6).expand(4, 6), "antipodal": directions(4, 6), "zero": torch.zeros(4, 6)}[kind]
    sign = -1.0 if kind == "antipodal" else 1.0
    for power in (1,) if variant == "pairwise_signed" else (1, 2):
        joint = start.float().clone().requires_grad_()
        single = {"m0": (sign * start.float()).requires_grad_(), "m1": start.float().clone().requires_grad_()}
        loss = total(volumes(variant, power=power, temperature=0.07).terms(joint, single))
        loss.backward()  # type: ignore[no-untyped-call]
        assert torch.isfinite(loss)
        assert all(torch.isfinite(rows.grad).all() for rows in (joint, *single.values()) if rows.grad is not None)


# What free vectors are driven to


def optimised(
    variant: str, rows: int, modalities: int, smoothing: float = 0.0, steps: int = 300
) -> tuple[float, Tensor]:
    """Loss and unit vectors (1 + modalities, rows, 64), the joint ones first, after Adam from random directions."""
    contrast = volumes(variant, modalities, temperature=0.07, label_smoothing=smoothing)
    free = torch.randn(1 + modalities, rows, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.05)
    loss = torch.tensor(math.nan)
    for _ in range(steps):
        vectors = normalize(free, dim=-1)
        loss = total(contrast.terms(vectors[0], {f"m{index}": vectors[index + 1] for index in range(modalities)}))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return loss.item(), normalize(free.detach(), dim=-1)


def volumes_of(vectors: Tensor) -> tuple[Tensor, float, float]:
    """All volumes, and the mean matched and mismatched one."""
    found, rows = cross_volumes(vectors[0], vectors[1:].transpose(0, 1)), vectors.shape[1]
    matched = found.trace().item() / rows
    return found, matched, (found.sum().item() - matched * rows) / (rows * (rows - 1))


def test_joint_anchor_separates_volumes_but_spreads_modalities_apart() -> None:
    loss, vectors = optimised("joint_anchor", rows=16, modalities=2)
    found, matched, mismatched = volumes_of(vectors)
    assert loss < 1e-3
    assert torch.equal(found.argmin(dim=1), torch.arange(16))
    assert mismatched > 4 * matched
    assert (vectors[0] * vectors[1]).sum(dim=1).abs().mean().item() == pytest.approx(0.71, abs=0.1)
    assert (vectors[1] * vectors[2]).sum(dim=1).abs().mean() < 0.2


def test_label_smoothing_fixes_the_gap_and_not_the_volume() -> None:
    _, vectors = optimised("joint_anchor", rows=16, modalities=1, smoothing=0.1, steps=200)
    _, matched, mismatched = volumes_of(vectors)
    assert mismatched - matched == pytest.approx(0.07 * math.log(16 / 0.1 - 16 + 1), rel=0.02)
    assert matched > 0.5


def test_signed_pairs_make_latents_interchangeable() -> None:
    _, vectors = optimised("pairwise_signed", rows=16, modalities=2, steps=200)
    cosines = (vectors[0] * vectors[1:]).sum(dim=-1)
    assert cosines.mean() > 0.9
    assert cosines.min() > 0.0
    assert (vectors[1] * vectors[2]).sum(dim=-1).mean() > 0.7
    assert torch.equal((vectors[1] @ vectors[0].T).argmax(dim=1), torch.arange(16))


# Settings


@pytest.mark.parametrize(("modalities", "most"), [(1, 2), (2, 3), (3, 4)])
def test_least_size_of_a_latent_is_the_number_of_vectors_of_a_volume(modalities: int, most: int) -> None:
    sizes = {variant: volumes(variant, modalities).least_dim for variant in VARIANTS}
    pairs = dict.fromkeys(("pairwise", "pairwise_signed", "all_pairs"), 2)
    expected = {"joint_anchor": most, "hybrid": most, "modality_anchor": max(modalities, 2)} | pairs
    assert sizes == expected
    assert CosineContrast(CosineSettings(), ("m0",)).least_dim == 1


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", EFFECTS)
def test_a_setting_changes_the_loss_or_is_refused(name: str, variant: str) -> None:
    joint, single = latents(6, 3)
    value, variants = EFFECTS[name]
    if variant in variants:
        usual, other = (total(volumes(variant, 3, **of).terms(joint, single)) for of in ({}, {name: value}))
        assert abs(usual - other) > 1e-6
        return
    with pytest.raises(
        ValueError, match=f"`{name}` has no effect with the variant '{variant}', only with.*Leave it at"
    ):
        volumes(variant, **{name: value})


def test_every_setting_is_either_used_by_all_or_listed() -> None:
    assert EFFECTS.keys() | {"variant", "learn_temperature"} == {field.name for field in fields(VolumeSettings)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_learned_temperature_stays_in_its_range_and_can_return(variant: str) -> None:
    joint, single = latents(6, 2)
    fixed, contrast = (volumes(variant, temperature=0.2, learn_temperature=learn) for learn in (False, True))
    assert not list(fixed.parameters())
    torch.testing.assert_close(total(contrast.terms(joint, single)), total(fixed.terms(joint, single)))
    for value, expected in ((-9.0, 0.01), (9.0, 1.0)):
        with torch.no_grad():
            contrast.log_temperature.fill_(value)
        contrast.zero_grad()
        total(contrast.terms(joint, single)).backward()  # type: ignore[no-untyped-call]
        assert contrast.log_temperature.exp().item() == pytest.approx(expected)
        assert contrast.log_temperature.grad is not None
        assert contrast.log_temperature.grad.item() != 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: volumes("joint_anchors"), r"`variant` must be one of .* Did you mean 'joint_anchor'"),
        (lambda: volumes(temperature=0.0), r"`temperature` must be positive; got 0\.0"),
        (lambda: volumes("hybrid", cosine_temperature=-1.0), r"`cosine_temperature` must be positive; got -1"),
        (lambda: volumes(label_smoothing=1.0), r"`label_smoothing` must lie in \[0, 1\); got 1\.0"),
        (lambda: volumes(power=3), r"`power` must be 1 or 2; got 3"),
        (lambda: volumes("hybrid", hybrid_weight=1.5), r"`hybrid_weight` must lie in \[0, 1\]; got 1\.5"),
        (lambda: volumes(learn_temperature=True, temperature=2.0), r"`temperature` must lie in \[0\.01, 1\.0\] to be"),
        (lambda: volumes("modality_anchor", anchor="m"), r"`anchor` must be one of 'm0', 'm1'; got 'm'"),
        (lambda: two_way_entropy(torch.ones(2, 3), 0.1), r"`distances` must be a square matrix.*\(2, 3\)"),
        (lambda: CosineSettings(temperature=math.nan), r"`temperature` must be a finite number; got nan"),
        (lambda: CosineSettings(loss="infonse"), r"`loss` must be one of 'infonce', .* Did you mean 'infonce'"),  # type: ignore[arg-type]
    ],
)
def test_wrong_settings_and_calls(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# A contrast of one's own


@dataclass(frozen=True)
class DistanceSettings(ContrastSettings):
    margin: float = 1.0


class DistanceContrast(Contrast):
    """Hinge on squared distances to the joint latent of the next sample; needs three dimensions, for the test."""

    least_dim = 3

    def terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        rows = torch.stack(list(single.values()))
        near, far = ((rows - other).square().sum(-1) for other in (joint, joint.roll(1, 0)))
        return {"distance": (near - far + self.settings.margin).relu().mean()}


@dataclass(frozen=True)
class OwnSettings(UnsupervisedSettings, DistanceSettings):
    pass


@dataclass(frozen=True)
class OwnSupervisedSettings(SupervisedCoreSettings, DistanceSettings):
    pass


class Own(GMC):
    method = "own"
    settings_class = OwnSettings
    contrast_class = DistanceContrast


class OwnSupervised(SupervisedGMC):
    method = "own-supervised"
    settings_class = OwnSupervisedSettings
    contrast_class = DistanceContrast


def test_a_contrast_of_ones_own_is_a_class_that_a_method_names() -> None:
    modalities = {name: Modality(name, (5, size), "float32") for name, size in (("text", 4), ("audio", 3))}
    batch = {name: torch.randn(6, 5, of.shape[1]) for name, of in modalities.items()}
    for method, settings in ((Own, OwnSettings()), (OwnSupervised, OwnSupervisedSettings(layers=1))):
        made = method(modalities, settings, networks("sentiment")).eval()
        terms = made.loss(batch, target=torch.zeros(6))
        assert terms.keys() - {"prediction"} == {"total", "distance"}
        single = {name: made.encode({name: value}) for name, value in batch.items()}
        expected = made.contrast.terms(made.encode(batch), single)["distance"]
        torch.testing.assert_close(terms["distance"], expected)
        with pytest.raises(ValueError, match=f"`latent_dim` must be at least 3 for '{method.method}'.*got 2"):
            method(modalities, type(settings)(latent_dim=2), networks("sentiment"))
