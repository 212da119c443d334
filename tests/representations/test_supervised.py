"""Supervised methods: sizes, subsets, losses by hand, and what missing modalities mean to each."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from anysense.representations import Modality, build, make_networks, make_settings
from anysense.representations.contract import SupervisedRepresentation
from anysense.representations.maths.losses import infonce
from anysense.representations.methods.transformer import TransformerDropout
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.sentiment import GRUTrunk

METHODS = ("transformer", "transformer-dropout", "gmc-supervised", "gram-supervised")
MOSEI = {"text": 300, "audio": 74, "vision": 35}
MOSI = {"text": 300, "audio": 5, "vision": 20}
SMALL = {"text": 6, "audio": 5, "vision": 4}
VARIANTS = ("joint_anchor", "pairwise", "modality_anchor", "pairwise_signed", "all_pairs", "hybrid")


def sequences(features: dict[str, int], steps: int) -> dict[str, Modality]:
    return {name: Modality(name, (steps, size), "float32") for name, size in features.items()}


def made(method: str, **changes: Any) -> SupervisedRepresentation:
    settings = make_settings(method, "smoke", benchmark="mosei", **changes)
    family = make_networks(method, "smoke", benchmark="mosei")
    representation = build(method, sequences(SMALL, 6), settings, family, seed=1)
    assert isinstance(representation, SupervisedRepresentation)
    return representation


@pytest.fixture(scope="module", params=METHODS)
def representation(request: pytest.FixtureRequest) -> SupervisedRepresentation:
    return made(request.param).eval()


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(7, 6, size, generator=generator) for name, size in SMALL.items()}


@pytest.fixture(scope="module")
def target() -> Tensor:
    return torch.linspace(-3.0, 3.0, 7)


@pytest.fixture(scope="module")
def present() -> dict[str, Tensor]:
    """Seven rows with the seven subsets."""
    rows = torch.arange(1, 8)
    return {name: (rows >> place) % 2 == 1 for place, name in enumerate(SMALL)}


@pytest.mark.parametrize(
    ("method", "features", "count"),
    [
        ("gmc-supervised", MOSEI, 1_411_081),
        ("gmc-supervised", MOSI, 1_401_001),
        ("gram-supervised", MOSEI, 1_411_081),
        ("transformer", MOSEI, 1_084_410 + 7_381),
        ("transformer-dropout", MOSI, 1_081_890 + 7_381),
    ],
)
def test_published_sizes(method: str, features: dict[str, int], count: int) -> None:
    settings, family = (make(method, "paper", benchmark="mosei") for make in (make_settings, make_networks))
    built = build(method, sequences(features, 50), settings, family)
    assert sum(parameter.numel() for parameter in built.parameters()) == count
    assert built.latent_dim == 60


def test_predictions_are_made_from_the_latents(
    representation: SupervisedRepresentation, batch: dict[str, Tensor], present: dict[str, Tensor]
) -> None:
    latents, predicted = representation.encode(batch, present), representation.predict(batch, present)
    assert latents.shape == (7, 60)
    assert predicted.shape == (7,)
    head: Any = representation.answer
    by_hand = latents + (latents @ head.enter.weight.T + head.enter.bias).relu() @ head.leave.weight.T + head.leave.bias
    torch.testing.assert_close(predicted, (by_hand @ head.answer.weight.T + head.answer.bias)[:, 0])


def test_masks_equal_subsets(
    representation: SupervisedRepresentation, batch: dict[str, Tensor], present: dict[str, Tensor]
) -> None:
    mixed = representation.encode(batch, present)
    for row in range(7):
        single = {name: batch[name][row : row + 1] for name in SMALL if present[name][row]}
        torch.testing.assert_close(representation.encode(single), mixed[row : row + 1], rtol=1e-4, atol=1e-5)


def test_absent_input_has_no_influence_and_no_gradient(
    representation: SupervisedRepresentation, batch: dict[str, Tensor], present: dict[str, Tensor], target: Tensor
) -> None:
    dirty = {name: value.clone() for name, value in batch.items()}
    for name in SMALL:
        dirty[name][~present[name]] = math.nan
        dirty[name].requires_grad_()
    assert torch.equal(representation.encode(dirty, present), representation.encode(batch, present))
    loss = representation.loss(dirty, present, target)["total"]
    assert torch.equal(loss, representation.loss(batch, present, target)["total"])
    (loss + representation.predict(dirty, present).square().sum()).backward()
    for name in SMALL:
        gradient = dirty[name].grad
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert not gradient[~present[name]].any()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in representation.parameters())
    representation.zero_grad()


def test_single_row_and_no_complete_row(
    representation: SupervisedRepresentation, batch: dict[str, Tensor], target: Tensor
) -> None:
    for observation, truth in (
        ({name: value[:1] for name, value in batch.items()}, target[:1]),
        ({name: batch[name] for name in ("text", "audio")}, target),
    ):
        terms = representation.loss(observation, target=truth)
        assert all(torch.isfinite(term) and term.shape == () for term in terms.values())
        terms["total"].backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in representation.parameters())
        representation.zero_grad()


@pytest.mark.parametrize("method", ["transformer", "transformer-dropout"])
def test_transformer_takes_missing_modalities_for_zeros(
    method: str, batch: dict[str, Tensor], present: dict[str, Tensor], target: Tensor
) -> None:
    model = made(method).eval()
    zeroed = {name: torch.where(present[name][:, None, None], value, 0.0) for name, value in batch.items()}
    torch.testing.assert_close(model.encode(batch, present), model.encode(zeroed))
    error = (model.predict(zeroed) - target).abs().mean()
    torch.testing.assert_close(model.loss(batch, present, target)["total"], error)
    torch.testing.assert_close(model.loss(batch, present, target[:, None])["total"], error)


def test_modality_dropout_keeps_subsets_of_equal_probability() -> None:
    model = made("transformer-dropout", dropout=0.5)
    assert isinstance(model, TransformerDropout)
    torch.manual_seed(2)
    rows = 14_000
    left = model._left(torch.ones(3, rows, dtype=torch.bool))
    subset = (left * torch.tensor([[1], [2], [4]])).sum(dim=0)
    shares = torch.bincount(subset, minlength=8) / rows
    expected = torch.tensor([0.0, *[0.5 / 7] * 6, 0.5 + 0.5 / 7])
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.02)
    assert shares[0] == 0.0
    only_text = torch.tensor([True, False, False])[:, None].expand(3, 50)
    assert torch.equal(model._left(only_text), only_text)


def test_modality_dropout_is_for_training_only(batch: dict[str, Tensor], target: Tensor) -> None:
    model = made("transformer-dropout", dropout=1.0).eval()
    whole = (model.predict(batch) - target).abs().mean()
    torch.testing.assert_close(model.loss(batch, target=target)["total"], whole)
    model.train()
    torch.manual_seed(3)
    totals = {model.loss(batch, target=target)["total"].item() for _ in range(3)}
    assert len(totals) == 3


def test_gmc_encodes_complete_rows_jointly_and_others_by_their_mean(
    batch: dict[str, Tensor], present: dict[str, Tensor]
) -> None:
    model = made("gmc-supervised").eval()
    alone = {name: model.encode({name: batch[name]}) for name in SMALL}
    for latents in (*alone.values(), model.encode(batch)):
        torch.testing.assert_close(latents.norm(dim=1), torch.ones(7))
    for names in itertools.combinations(SMALL, 2):
        mean = (alone[names[0]] + alone[names[1]]) / 2
        torch.testing.assert_close(model.encode({name: batch[name] for name in names}), mean)
    torch.testing.assert_close(model.encode(batch, present)[6], model.encode(batch)[6], rtol=1e-4, atol=1e-5)
    round_again = made("gmc-supervised", normalise_mean=True).eval()
    norms = round_again.encode(batch, present).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(7))


def test_gmc_loss_by_hand(batch: dict[str, Tensor], target: Tensor) -> None:
    model = made("gmc-supervised", contrast_weight=0.5, prediction_weight=2.0, supervise_modalities=True).eval()
    joint, alone = model.encode(batch), {name: model.encode({name: batch[name]}) for name in SMALL}
    contrast = {name: infonce(joint, alone[name], 0.3) for name in SMALL}
    error = (model.predict(batch) - target).abs().mean()
    single = torch.stack([(model.predict({name: batch[name]}) - target).abs() for name in SMALL]).mean()
    terms = model.loss(batch, target=target)
    for name in SMALL:
        torch.testing.assert_close(terms[name], contrast[name])
    torch.testing.assert_close(terms["prediction"], error)
    torch.testing.assert_close(terms["modalities"], single)
    total = 0.5 * torch.stack(list(contrast.values())).sum() + 2.0 * error + 2.0 * single
    torch.testing.assert_close(terms["total"], total)


def test_gmc_trains_its_joint_latent_on_complete_rows_only(batch: dict[str, Tensor], target: Tensor) -> None:
    model = made("gmc-supervised").eval()
    mask = {"audio": torch.tensor([True, False, True, True, False, True, True])}
    chosen = {name: value[mask["audio"]] for name, value in batch.items()}
    expected = model.loss(chosen, target=target[mask["audio"]])
    for name, term in model.loss(batch, mask, target).items():
        torch.testing.assert_close(term, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gram_variants(variant: str, batch: dict[str, Tensor], target: Tensor) -> None:
    model = made("gram-supervised", variant=variant)
    terms = model.loss(batch, target=target)
    named = {name: term for name, term in terms.items() if name != "total"}
    torch.testing.assert_close(terms["total"], torch.stack(list(named.values())).sum())
    terms["total"].backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("method", ["transformer", "gmc-supervised"])
def test_overfits_a_tiny_batch(method: str, batch: dict[str, Tensor], target: Tensor) -> None:
    model = made(method).eval()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        model.loss(batch, target=target)["total"].backward()
        optimiser.step()
    assert (model.predict(batch) - target).abs().mean() < 0.35


def test_every_weight_is_trained(batch: dict[str, Tensor], target: Tensor) -> None:
    for method in METHODS:
        model = made(method)
        model.loss(batch, target=target)["total"].backward()
        idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == []


def refused(change: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        change()


def test_refused_targets(batch: dict[str, Tensor], target: Tensor) -> None:
    model = made("gmc-supervised")
    refused(lambda: model.loss(batch), ValueError, "`target` is missing: 'gmc-supervised' is supervised")
    two = torch.stack([target, target], dim=1)
    refused(lambda: model.loss(batch, target=two), ValueError, r"`target` must hold one number per row, 7; .*\(7, 2\)")


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("transformer", {"layers": 0}, "`layers` must be positive; got 0"),
        ("transformer-dropout", {"dropout": 1.5}, r"`dropout` must lie in \[0, 1\]; got 1.5"),
        ("gmc-supervised", {"contrast_weight": -1.0}, "`contrast_weight` must be a finite number of at least 0"),
        ("gmc-supervised", {"temperature": 0.0}, "`temperature` must be positive"),
    ],
)
def test_refused_settings(method: str, changes: dict[str, Any], message: str) -> None:
    refused(lambda: make_settings(method, "smoke", benchmark="mosei", **changes), ValueError, message)


@pytest.mark.parametrize("method", ["transformer", "transformer-dropout"])
def test_the_transformer_takes_no_networks(method: str) -> None:
    settings = make_settings(method, "smoke", benchmark="mosei")
    assert make_networks(method, "smoke", benchmark="mosei") is None
    message = f"the method '{method}' uses no family of networks; leave out"
    refused(lambda: build(method, sequences(SMALL, 6), settings, networks("sentiment")), ValueError, message)
    refused(lambda: make_networks(method, benchmark="mosei", frame_widths=(8,)), ValueError, message)


def test_recurrent_encoders_come_from_the_family() -> None:
    for method in ("gmc-supervised", "gram-supervised"):
        encoders = [encoder.trunks[name] for name, encoder in made(method).encoders.items()]  # type: ignore[operator,union-attr]
        assert all(isinstance(trunk, GRUTrunk) for trunk in encoders)
        generic = build(method, sequences(SMALL, 6), make_settings(method, "smoke", benchmark="mosei"))
        assert not any(isinstance(module, GRUTrunk) for module in generic.modules())


@pytest.mark.parametrize("complete", [0, 1, 2])
@pytest.mark.parametrize("loss", ["infonce", "infonce_with_joints_as_negatives"])
def test_contrast_needs_two_complete_rows_and_the_prediction_one(
    batch: dict[str, Tensor], target: Tensor, complete: int, loss: str
) -> None:
    model = made("gmc-supervised", loss=loss).eval()
    terms = model.loss(batch, {"audio": torch.arange(7) < complete}, target)
    terms["total"].backward()
    assert [terms[name].item() != 0.0 for name in SMALL] == [complete == 2] * 3
    assert (terms["prediction"].item() != 0.0) == (complete > 0)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_settings_survive_json() -> None:
    for method in METHODS:
        settings = make_settings(method, "paper", benchmark="mosei")
        assert type(settings)(**dataclasses.asdict(settings)) == settings
