"""GRAM: reference values of its losses, what they lead to, and the method on the encoders of GMC."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from anysense.representations import Modality, Representation, build, make_settings
from anysense.representations.evaluation.volume_metrics import mean_pairwise_cosine
from anysense.representations.maths.gram_losses import (
    Contrast,
    all_pairs,
    hybrid,
    joint_anchor,
    modality_anchor,
    pairwise,
    pairwise_signed,
)
from anysense.representations.maths.losses import infonce
from anysense.representations.maths.volume import cross_volumes, volume
from anysense.representations.methods.gram import GRAM, GRAMSettings

MakeBatch = Callable[..., dict[str, Tensor]]
VARIANTS = {
    "joint_anchor": {"joint-anchor"},
    "pairwise": {"image", "sound"},
    "pairwise_signed": {"image", "sound"},
    "all_pairs": {"image", "sound", "image-sound"},
    "modality_anchor": {"modality-anchor", "alignment"},
    "hybrid": {"image", "sound", "joint-anchor"},
}


def directions(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def latents(rows: int, modalities: int, size: int = 6) -> tuple[Tensor, dict[str, Tensor]]:
    return directions(rows, size), {f"m{index}": directions(rows, size, seed=index + 1) for index in range(modalities)}


def total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


# Reference values


@pytest.mark.parametrize(
    ("temperature", "smoothing", "expected"),
    [(0.07, 0.0, 1.8746e-6), (0.1, 0.0, 1.3619e-4), (0.07, 0.1, 1.071430), (0.1, 0.1, 0.750136)],
)
def test_perfect_separation(temperature: float, smoothing: float, expected: float) -> None:
    distances = 1.0 - torch.eye(4, dtype=torch.float64)
    closed_form = math.log(1 + 3 * math.exp(-1 / temperature)) + smoothing * 3 / 4 / temperature
    found = Contrast(temperature, smoothing).of_distances(distances).item()
    assert found == pytest.approx(expected, rel=1e-4)
    assert found == pytest.approx(closed_form)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equal_distances_give_log_of_the_batch_size(smoothing: float) -> None:
    for rows in (1, 2, 9):
        found = Contrast(0.1, smoothing).of_distances(torch.full((rows, rows), 0.3))
        assert found.item() == pytest.approx(math.log(rows), abs=1e-6)
    assert Contrast(0.1, smoothing).of_distances(torch.ones(1, 1)).item() == 0.0


def test_negated_cosines_give_infonce_in_two_directions() -> None:
    first, second = directions(5, 8), directions(5, 8, seed=1)
    logits, own = first @ second.T / 0.2, torch.arange(5)
    expected = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(Contrast(0.2).of_distances(-first @ second.T), expected)


def test_joint_anchor_equals_a_slow_loop() -> None:
    joint, single = latents(4, 3)
    for power in (1, 2):
        rows = [
            [volume(torch.stack([joint[i], *(rows[j] for rows in single.values())])) ** power for j in range(4)]
            for i in range(4)
        ]
        logits = -torch.stack([torch.stack(row) for row in rows]) / 0.1
        own = torch.arange(4)
        expected = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
        found = joint_anchor(joint, single, Contrast(0.1, power=power))
        torch.testing.assert_close(found["joint-anchor"], expected, rtol=1e-4, atol=1e-5)


def test_pairs_contrast_sines() -> None:
    joint, single = latents(5, 2)
    terms = pairwise(joint, single, Contrast(0.1))
    for name, rows in single.items():
        sines = (1.0 - (joint @ rows.T).square()).sqrt()
        torch.testing.assert_close(terms[name], Contrast(0.1).of_distances(sines), rtol=1e-4, atol=1e-5)
    exchanged = pairwise(single["m0"], {"joint": joint}, Contrast(0.1))
    torch.testing.assert_close(exchanged["joint"], terms["m0"])
    every = all_pairs(joint, single, Contrast(0.1))
    assert every.keys() == {"m0", "m1", "m0-m1"}
    torch.testing.assert_close(every["m0-m1"], pairwise(single["m0"], {"m": single["m1"]}, Contrast(0.1))["m"])
    assert all(torch.equal(every[name], terms[name]) for name in terms)


def test_order_of_rows_does_not_matter() -> None:
    joint, single = latents(6, 3)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    mixed = {name: rows[order] for name, rows in single.items()}
    for variant in (joint_anchor, pairwise, pairwise_signed, all_pairs):
        torch.testing.assert_close(
            total(variant(joint[order], mixed, Contrast())), total(variant(joint, single, Contrast()))
        )


def test_modality_anchor_uses_single_latents_only() -> None:
    _, single = latents(5, 3)
    by_name = {name: modality_anchor(single, Contrast(), name)["modality-anchor"] for name in single}
    rest = {name: rows for name, rows in single.items() if name != "m1"}
    torch.testing.assert_close(by_name["m1"], joint_anchor(single["m1"], rest, Contrast())["joint-anchor"])
    mean = torch.stack(list(by_name.values())).mean()
    torch.testing.assert_close(modality_anchor(single, Contrast())["modality-anchor"], mean)


def test_hybrid_weighs_both_parts() -> None:
    joint, single = latents(5, 2)
    cosine = {name: infonce(joint, rows, 0.1) for name, rows in single.items()}
    space = joint_anchor(joint, single, Contrast())
    mixed = hybrid(cosine, space, 0.25)
    assert mixed.keys() == {"m0", "m1", "joint-anchor"}
    torch.testing.assert_close(total(mixed), 0.25 * total(cosine) + 0.75 * total(space))
    assert torch.equal(total(hybrid(cosine, space, 1.0)), total(cosine))
    assert torch.equal(total(hybrid(cosine, space, 0.0)), total(space))


def test_dependent_tuples_say_nothing() -> None:
    joint, rows = directions(6, 8), directions(6, 8, seed=1)
    loss = joint_anchor(joint, {"first": rows, "second": rows.clone()}, Contrast(0.1))["joint-anchor"]
    assert loss.item() == pytest.approx(math.log(6), abs=0.01)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("kind", ["identical", "antipodal", "zero"])
def test_gradients_are_finite_where_volumes_vanish(kind: str, power: int) -> None:
    start = {"identical": directions(1, 6).expand(4, 6), "antipodal": directions(4, 6), "zero": torch.zeros(4, 6)}[kind]
    sign = -1.0 if kind == "antipodal" else 1.0
    for variant in (joint_anchor, pairwise, all_pairs, *([pairwise_signed] if power == 1 else [])):
        joint = start.float().clone().requires_grad_()
        single = {"first": (sign * start.float()).requires_grad_(), "second": start.float().clone().requires_grad_()}
        loss = total(variant(joint, single, Contrast(0.07, power=power)))
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(rows.grad).all() for rows in (joint, *single.values()) if rows.grad is not None)


# What free vectors are driven to


def optimised(
    variant: Callable[..., dict[str, Tensor]], rows: int, modalities: int, smoothing: float = 0.0, steps: int = 300
) -> tuple[float, Tensor]:
    """Loss and unit vectors (1 + modalities, rows, 64), the joint ones first, after Adam from random directions."""
    free = torch.randn(1 + modalities, rows, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.05)
    loss = torch.tensor(math.nan)
    for _ in range(steps):
        vectors = normalize(free, dim=-1)
        single = {f"m{index}": vectors[index + 1] for index in range(modalities)}
        loss = total(variant(vectors[0], single, Contrast(0.07, smoothing)))
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
    loss, vectors = optimised(joint_anchor, rows=16, modalities=2)
    found, matched, mismatched = volumes_of(vectors)
    assert loss < 1e-3
    assert torch.equal(found.argmin(dim=1), torch.arange(16))
    assert mismatched > 4 * matched
    assert (vectors[0] * vectors[1]).sum(dim=1).abs().mean().item() == pytest.approx(0.71, abs=0.1)
    assert (vectors[1] * vectors[2]).sum(dim=1).abs().mean() < 0.2


def test_label_smoothing_fixes_the_gap_and_not_the_volume() -> None:
    _, vectors = optimised(joint_anchor, rows=16, modalities=1, smoothing=0.1, steps=200)
    _, matched, mismatched = volumes_of(vectors)
    assert mismatched - matched == pytest.approx(0.07 * math.log(9 * 16 + 1), rel=0.02)
    assert matched > 0.5


def test_signed_pairs_make_latents_interchangeable() -> None:
    _, vectors = optimised(pairwise_signed, rows=16, modalities=2, steps=200)
    cosines = (vectors[0] * vectors[1:]).sum(dim=-1)
    assert cosines.mean() > 0.9
    assert cosines.min() > 0.0
    assert mean_pairwise_cosine(vectors.transpose(0, 1)) > 0.8
    assert torch.equal((vectors[1] @ vectors[0].T).argmax(dim=1), torch.arange(16))


# The method


def gram(modalities: dict[str, Modality], **overrides: object) -> Representation:
    return build("gram", modalities, make_settings("gram", "smoke", **overrides), seed=3)


def test_architecture_and_encoding_are_those_of_gmc(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch
) -> None:
    gmc, batch = build("gmc", pendulum_modalities, make_settings("gmc", "smoke"), seed=3), pendulum_batch(5)
    same = gram(pendulum_modalities)
    assert same.state_dict().keys() == gmc.state_dict().keys()
    for observation in (batch, {"image": batch["image"]}, {"sound": batch["sound"]}):
        assert torch.equal(same.encode(observation), gmc.encode(observation))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_its_terms_with_and_without_complete_rows(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch, variant: str
) -> None:
    weight = 0.5 if variant == "modality_anchor" else 0.0
    method, batch = gram(pendulum_modalities, variant=variant, alignment_weight=weight), pendulum_batch(6)
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


def test_joint_anchor_term_is_that_of_the_latents(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch
) -> None:
    method, batch = gram(pendulum_modalities), pendulum_batch(6)
    single = {name: method.encode({name: batch[name]}) for name in batch}
    expected = joint_anchor(method.encode(batch), single, Contrast(0.1))["joint-anchor"]
    torch.testing.assert_close(method.loss(batch)["total"], expected, rtol=1e-4, atol=1e-5)


def test_hybrid_of_cosines_only_is_gmc(pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(6)
    for loss in ("infonce", "infonce_with_joints_as_negatives"):
        gmc = build("gmc", pendulum_modalities, make_settings("gmc", "smoke", loss=loss), seed=3)
        mixed = gram(pendulum_modalities, variant="hybrid", hybrid_weight=1.0, loss=loss)
        assert torch.equal(mixed.loss(batch)["total"], gmc.loss(batch)["total"])


def test_learned_temperature_stays_in_its_range_and_can_return(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch
) -> None:
    method, batch = gram(pendulum_modalities, learn_temperature=True, temperature=0.2), pendulum_batch(6)
    fixed = gram(pendulum_modalities, temperature=0.2)
    assert isinstance(method, GRAM)
    torch.testing.assert_close(method.loss(batch)["total"], fixed.loss(batch)["total"])
    for value, expected in ((-9.0, 0.01), (9.0, 1.0)):
        with torch.no_grad():
            method.log_temperature.fill_(value)
        method.zero_grad()
        method.loss(batch)["total"].backward()
        assert method.log_temperature.exp().item() == pytest.approx(expected)
        assert method.log_temperature.grad is not None
        assert method.log_temperature.grad.item() != 0.0


def test_autocast_changes_little(pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch) -> None:
    method, batch = gram(pendulum_modalities), pendulum_batch(6)
    expected = method.loss(batch)["total"]
    with torch.autocast("cpu", torch.bfloat16):
        mixed = method.loss(batch)["total"]
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, expected, rtol=3e-2, atol=3e-2)


def test_one_modality_has_only_the_joint_latent_to_contrast(
    pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch
) -> None:
    modality, batch = {"sound": pendulum_modalities["sound"]}, {"sound": pendulum_batch(6)["sound"]}
    expected = gram(modality, variant="joint_anchor").loss(batch)["total"]
    for variant in ("pairwise", "all_pairs"):
        torch.testing.assert_close(gram(modality, variant=variant).loss(batch)["total"], expected)
    lonely = gram(modality, variant="modality_anchor", alignment_weight=1.0)
    torch.testing.assert_close(lonely.loss(batch)["joint-anchor"], expected)


def test_published_settings() -> None:
    for benchmark in ("pendulum", "mhd", "generic"):
        paper = make_settings("gram", "paper", benchmark=benchmark)
        assert isinstance(paper, GRAMSettings)
        assert (paper.temperature, paper.label_smoothing, paper.variant) == (0.07, 0.1, "joint_anchor")
        default = make_settings("gram", benchmark=benchmark)
        assert isinstance(default, GRAMSettings)
        assert (default.temperature, default.label_smoothing, default.power) == (0.1, 0.0, 1)
        gmc = make_settings("gmc", benchmark=benchmark)
        assert default.cosine_temperature == gmc.temperature  # type: ignore[attr-defined]
        assert default.latent_dim == gmc.latent_dim  # type: ignore[attr-defined]
    assert make_settings("gram") == GRAMSettings()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"variant": "joint_anchors"}, r"`variant` must be one of .* Did you mean 'joint_anchor'"),
        ({"temperature": 0.0}, r"`temperature` must be positive; got 0\.0"),
        ({"cosine_temperature": -1.0}, r"`cosine_temperature` must be positive; got -1"),
        ({"label_smoothing": 1.0}, r"`label_smoothing` must lie in \[0, 1\); got 1\.0"),
        ({"power": 3}, r"`power` must be 1 or 2; got 3"),
        ({"variant": "pairwise_signed", "power": 2}, r"`power` must be 1 for the variant 'pairwise_signed'; got 2"),
        ({"hybrid_weight": 1.5}, r"`hybrid_weight` must lie in \[0, 1\]; got 1\.5"),
        ({"learn_temperature": True, "temperature": 2.0}, r"`temperature` must lie in \[0\.01, 1\.0\] to be learned"),
        ({"variant": "modality_anchor"}, r"`alignment_weight` must be positive for the variant 'modality_anchor'"),
        ({"latent_dim": 2}, r"`latent_dim` must be at least 3: 3 vectors in fewer dimensions have no volume; got 2"),
        ({"anchor": "sounds"}, r"`anchor` must be one of 'image', 'sound'; got 'sounds'\. Did you mean 'sound'"),
    ],
)
def test_wrong_settings(pendulum_modalities: dict[str, Modality], overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gram(pendulum_modalities, **overrides)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Contrast(-0.1), r"`temperature` must be positive; got -0\.1"),
        (lambda: Contrast().of_distances(torch.ones(2, 3)), r"`distances` must be a square matrix.*\(2, 3\)"),
        (lambda: modality_anchor(latents(3, 1)[1], Contrast()), r"`single` must hold at least two.*\['m0'\]"),
        (lambda: modality_anchor(latents(3, 2)[1], Contrast(), "m"), r"`anchor` must be one of 'm0', 'm1'; got 'm'"),
        (lambda: pairwise_signed(*latents(3, 1), Contrast(power=2)), r"`power` must be 1 for 'pairwise_signed'.*got 2"),
    ],
)
def test_wrong_calls(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
