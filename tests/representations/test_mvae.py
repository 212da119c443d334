"""MVAE: exact bounds in a linear-Gaussian model, subsets row by row, published switches."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anysense.representations import Modality, Networks, build, make_settings
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from anysense.representations.maths.gaussian import Gaussian, draw
from anysense.representations.methods import mvae
from anysense.representations.methods.mvae import MVAE
from anysense.representations.networks import mhd
from tests.oracles.published_mvae import published_loss
from tests.representations.models import preset_model

VALUES = {"first": 0.7, "second": -0.3, "third": 1.2}
EVIDENCE = {
    ("first",): -1.3880121,
    ("second",): -1.6529863,
    ("third",): -0.5 * (math.log(2.0 * math.pi * 4.25) + 1.44 / 4.25),
    ("first", "second"): -2.9346380,
    ("first", "second", "third"): -4.7139941,
}
Make = Callable[..., MVAE]
Observation = dict[str, Tensor]


def observation(rows: int = 1, names: tuple[str, ...] = tuple(VALUES)) -> Observation:
    return {name: torch.full((rows, 1), VALUES[name]) for name in names}


def with_noise(monkeypatch: pytest.MonkeyPatch, noise: float) -> None:
    """Every sample lies this many standard deviations off its mean."""
    monkeypatch.setattr(mvae, "draw", lambda part: draw(part, torch.full_like(part.mean, noise)))


@pytest.fixture
def tiny(linear_networks: Networks) -> Make:
    """Function (**settings) -> a model of three small modalities, one a label."""
    modalities = {name: Modality(name, (size,), "float32") for name, size in (("touch", 3), ("smell", 2), ("label", 4))}

    def model(**overrides: object) -> MVAE:
        settings = make_settings("mvae", **{"latent_dim": 5, **overrides})
        return build("mvae", modalities, settings, linear_networks, seed=3)

    return model


def random_batch(rows: int, seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    label = torch.nn.functional.one_hot(torch.randint(4, (rows,), generator=generator), 4).float()
    return {
        "touch": torch.rand(rows, 3, generator=generator),
        "smell": torch.rand(rows, 2, generator=generator),
        "label": label,
    }


@pytest.mark.parametrize("names", EVIDENCE, ids="-".join)
def test_bounds_are_the_evidence_where_experts_are_exact(
    names: tuple[str, ...], linear_gaussian: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, totals = linear_gaussian("mvae"), []
    for noise in (-1.0, 1.0):  # two nodes integrate the quadratic error exactly
        with_noise(monkeypatch, noise)
        totals.append(model.loss(observation(names=names))["total"])
    expected = -EVIDENCE[names] - sum(EVIDENCE[(name,)] for name in names)
    assert torch.stack(totals).mean().item() == pytest.approx(expected, abs=1e-5)


def test_latent_is_the_exact_posterior_mean(linear_gaussian: Make) -> None:
    model = linear_gaussian("mvae")
    for names, mean in (
        (("first",), 0.35),
        (("second",), -0.1411765),
        (("first", "second"), -0.0944444),
        (tuple(VALUES), -0.1024221),
    ):
        assert model.encode(observation(names=names)).item() == pytest.approx(mean, abs=1e-6)


def test_one_modality_costs_twice_a_plain_vae(linear_gaussian: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with_noise(monkeypatch, 0.3)
    model = linear_gaussian("mvae", ("first",), beta=0.5, reconstruction_weights=(("first", 3.0),))
    posterior = Gaussian(torch.tensor(0.35), torch.tensor(0.5).log())
    latent = 0.35 + 0.3 * math.sqrt(0.5)
    error = 0.5 * math.log(2.0 * math.pi) + 0.5 * (0.7 - latent) ** 2
    divergence = 0.5 * (0.5 + posterior.mean**2 - 1.0 - posterior.log_variance)
    terms = model.loss(observation(names=("first",)))
    assert terms["first"].item() == pytest.approx(2.0 * error, abs=1e-6)
    assert terms["kl"].item() == pytest.approx(2.0 * divergence.item(), abs=1e-6)
    assert terms["total"].item() == pytest.approx(2.0 * (3.0 * error + 0.5 * divergence.item()), abs=1e-5)


def test_divergence_warms_up(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with_noise(monkeypatch, 0.0)
    model, batch = tiny(beta=2.0, warmup_epochs=4), random_batch(3)
    full = model.loss(batch)
    errors = full["total"] - 2.0 * full["kl"]
    for epoch, weight in ((0, 0.5), (1, 1.0), (3, 2.0), (50, 2.0)):
        model.begin_epoch(epoch)
        torch.testing.assert_close(model.loss(batch)["total"], errors + weight * full["kl"])


@pytest.mark.parametrize("networks_in_training", [True, False])
def test_incomplete_rows_cost_what_their_modalities_cost(
    networks_in_training: bool, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_noise(monkeypatch, 0.4)
    model, batch = tiny().train(networks_in_training), random_batch(4)
    present = {
        "touch": torch.tensor([True, True, False, True]),
        "smell": torch.tensor([True, False, True, False]),
        "label": torch.tensor([True, False, True, True]),
    }
    mixed = model.loss(batch, present)
    rows = []
    for row in range(4):
        names = [name for name in batch if present[name][row]]
        rows.append(model.loss({name: batch[name][row : row + 1] for name in names}))
    for term, value in mixed.items():
        torch.testing.assert_close(value, torch.stack([row[term] for row in rows]).mean())


def test_what_a_row_lacks_gets_no_gradient(tiny: Make) -> None:
    model, batch = tiny(random_subsets=2), random_batch(4)
    dirty = batch | {"smell": torch.full((4, 2), math.nan)}
    model.loss(dirty, {"smell": torch.zeros(4, dtype=torch.bool)})["total"].backward()
    for part in (model.encoders, model.decoders):
        assert all(weight.grad is None for weight in part["smell"].parameters())
        for name in ("touch", "label"):
            assert all(torch.isfinite(weight.grad).all() for weight in part[name].parameters())


def test_single_bounds_train_only_their_own_networks(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bound of all switched off, the error of one modality depends on its own encoder and decoder alone."""
    monkeypatch.setattr(mvae, "all_and_single", lambda present: torch.eye(3, dtype=torch.bool)[:, :, None])
    model = tiny()
    model.loss(random_batch(1))["touch"].backward()
    for part in (model.encoders, model.decoders):
        assert all(weight.grad is not None and weight.grad.any() for weight in part["touch"].parameters())
        for name in ("smell", "label"):
            assert all(weight.grad is None or not weight.grad.any() for weight in part[name].parameters())


def test_random_subsets_add_bounds_of_pairs(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with_noise(monkeypatch, 0.0)
    batch, model, more = random_batch(2), tiny(), tiny(random_subsets=1)
    pairs = [{name: batch[name] for name in batch if name != left_out} for left_out in batch]
    singles = {name: model.loss({name: batch[name]})["total"] / 2.0 for name in batch}
    pair_bounds = [model.loss(pair)["total"] - sum(singles[name] for name in pair) for pair in pairs]
    base = model.loss(batch)["total"]
    chosen = torch.tensor([[True, True], [True, True], [False, False]])
    monkeypatch.setattr(mvae, "random_subsets", lambda present, count: chosen.expand(count, 3, 2))
    torch.testing.assert_close(more.loss(batch)["total"], base + pair_bounds[2])


def test_one_decoder_call_per_modality(tiny: Make) -> None:
    model, calls = tiny(random_subsets=3), []
    for name in model.modalities:
        model.decoder(name).register_forward_hook(lambda module, inputs, outputs: calls.append(len(inputs[0])))
        model.encoders[name].register_forward_hook(lambda module, inputs, outputs: calls.append(len(inputs[0])))
    model.loss(random_batch(8))
    assert len(calls) == 6


# Batch normalisation, which sees one subset at a time in the published form


def digits(preset: str, **overrides: object) -> tuple[MVAE, Observation]:
    generator = torch.Generator().manual_seed(1)
    batch = {name: torch.rand(12, *each.shape, generator=generator) for name, each in MHD_MODALITIES.items()}
    batch["label"] = torch.eye(10)[torch.arange(12) % 10]
    return preset_model("mvae", MHD_MODALITIES, preset, "mhd", seed=4, **overrides).train(), batch


def gradients(model: MVAE, loss: Tensor) -> Tensor:
    loss.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters()])


def test_published_loss_gradients_and_running_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    with_noise(monkeypatch, 0.7)
    # Without kinks: of thousands of units one always lies so near to zero that rounding decides about its gradient.
    monkeypatch.setattr(mhd.torch, "relu", torch.nn.functional.softplus)
    model, batch = digits("paper")
    twin = copy.deepcopy(model)
    weights = dict(model.settings.reconstruction_weights)
    expected = published_loss(twin.encoders, twin.decoders, batch, weights, 0.7)
    found = model.loss(batch)["total"]
    torch.testing.assert_close(found, expected)
    ours, theirs = gradients(model, found), gradients(twin, expected)
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()
    for (name, buffer), other in zip(model.named_buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, msg=name)
        assert "num_batches" not in name or buffer == 2
    together, _ = digits("default")
    other = gradients(together, together.loss(batch)["total"])
    assert torch.cosine_similarity(other, theirs, dim=0) < 0.99, "the switch makes no difference"


def test_separate_passes_of_incomplete_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In eval mode, where batch normalisation does not look at the batch, both forms are the same."""
    with_noise(monkeypatch, -0.3)
    (model, batch), (together, _) = digits("paper"), digits("default")
    present = torch.rand(4, 12, generator=torch.Generator().manual_seed(5)) < 0.6
    present[2] = False
    present[0] |= ~present.any(dim=0)
    for masks in (None, present):
        terms, expected = (each.eval().loss(batch, masks) for each in (model, together))
        for name, value in terms.items():
            torch.testing.assert_close(value, expected[name], msg=name)


def test_separate_passes_of_random_subsets(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with_noise(monkeypatch, 0.5)
    losses = []
    for separate in (False, True):
        torch.manual_seed(3)
        losses.append(tiny(random_subsets=2, separate_passes=separate).loss(random_batch(6))["total"])
    torch.testing.assert_close(*losses)


def test_published_sound_expert_repeats_its_mean(tiny: Make) -> None:
    model, batch = tiny(mean_as_log_variance=("touch",)), {"touch": random_batch(2)["touch"]}
    mean = model.encoders["touch"](batch["touch"]).mean
    precision = (-mean).exp()
    torch.testing.assert_close(model.encode(batch), mean * precision / (1.0 + precision))
    model.loss(batch)["total"].backward()
    assert model.encoders["touch"].log_variance.weight.grad is None


def test_half_precision_networks_still_give_a_float32_loss(tiny: Make) -> None:
    model, batch = tiny(), random_batch(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = model.loss(batch)
        terms["total"].backward()
        assert model.encode(batch).dtype == torch.float32
    assert all(value.dtype == torch.float32 and torch.isfinite(value) for value in terms.values())


def test_decodes_and_samples(tiny: Make) -> None:
    model, batch = tiny(), random_batch(3)
    decoded = model.decode(model.encode(batch), ["label"])
    assert list(decoded) == ["label"]
    torch.testing.assert_close(decoded["label"].sum(dim=1), torch.ones(3))
    first, second = (model.sample(6, torch.Generator().manual_seed(1)) for _ in range(2))
    assert {name: value.shape[0] for name, value in first.items()} == dict.fromkeys(batch, 6)
    assert all(torch.equal(first[name], second[name]) for name in batch)


def test_presets_hold_the_published_weights() -> None:
    published = make_settings("mvae", "paper", benchmark="mhd")
    assert (published.latent_dim, published.beta, published.warmup_epochs) == (64, 1.0, 0)
    assert published.separate_passes
    assert dict(published.reconstruction_weights) == {"image": 1.0, "sound": 1.0, "trajectory": 50.0, "label": 50.0}
    assert dict(make_settings("mvae", "paper", benchmark="pendulum").reconstruction_weights)["sound"] == 1.0
    assert dict(make_settings("mvae", benchmark="pendulum").reconstruction_weights)["sound"] == 100.0


def test_wrong_settings() -> None:
    for field in ("beta", "warmup_epochs", "random_subsets"):
        with pytest.raises(ValueError, match=rf"`{field}` must be a finite number of at least 0; got -1"):
            make_settings("mvae", **{field: -1})
    with pytest.raises(ValueError, match=r"`latent_dim` must be positive; got 0"):
        make_settings("mvae", latent_dim=0)
    with pytest.raises(
        ValueError, match=r"`reconstruction_weights` must be a finite number of at least 0; got .*'sound'"
    ):
        make_settings("mvae", reconstruction_weights=(("sound", -1.0),))
