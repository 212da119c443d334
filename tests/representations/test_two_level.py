"""What Nexus and MUSE share: masks row by row, no influence between the levels, warm-up, decoding."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from anysense.representations import Modality, Networks, build, make_settings
from anysense.representations.methods.two_level import Noise, TwoLevel
from anysense.representations.observations import check_batch
from tests.representations.models import preset_model

METHODS = ("muse", "nexus")
SIZES = {"touch": 3, "smell": 2, "taste": 4, "label": 5}
SMALL = {
    "latent_dim": 5,
    "modality_dims": (("touch", 3), ("label", 2)),
    "default_modality_dim": 4,
    "latent_weights": (("smell", 3.0),),
    "default_latent_weight": 2.0,
    "reconstruction_weights": (("taste", 7.0),),
    "kl_weights": (("touch", 0.5),),
    "top_kl_weight": 0.7,
    "top_widths": (6, 6),
}
LOWER, UPPER = {"reconstruction", "kl"}, {"latent_reconstruction", "top_kl", "alma"}
Model = Callable[..., TwoLevel]
Observation = dict[str, Tensor]


@pytest.fixture
def model(linear_networks: Networks) -> Model:
    """Function (method, **settings) -> a model of four small modalities."""

    def build_model(method: str, **overrides: object) -> TwoLevel:
        modalities = {name: Modality(name, (size,), "float32") for name, size in SIZES.items()}
        return build(method, modalities, make_settings(method, **(SMALL | overrides)), linear_networks, seed=2)

    return build_model


def observed(rows: int) -> Observation:
    generator = torch.Generator().manual_seed(rows)
    return {name: torch.rand(rows, size, generator=generator) for name, size in SIZES.items()}


def every_presence() -> dict[str, Tensor]:
    """One row for each non-empty subset of the four modalities."""
    rows = torch.tensor([[bool(row >> bit & 1) for bit in range(4)] for row in range(1, 16)])
    return dict(zip(SIZES, rows.T, strict=True))


def loss_of(model: TwoLevel, batch: Observation, present: Mapping[str, Tensor] | None, noise: Noise) -> Observation:
    return model.loss_given(check_batch(batch, present, model.modalities, model.device), noise)


def row_of(noise: Noise, row: int) -> Noise:
    one = slice(row, row + 1)
    bottom = {name: value[one] for name, value in noise.bottom.items()}
    return Noise(bottom, noise.top[one], None if noise.dropout is None else noise.dropout[:, one])


@pytest.mark.parametrize("subsets", ["singletons", "proper"])
@pytest.mark.parametrize("method", METHODS)
def test_loss_is_the_mean_of_rows_with_only_what_they_have(model: Model, method: str, subsets: str) -> None:
    representation = model(method, **({"subsets": subsets} if method == "muse" else {"drop_rate": 1.0}))
    batch, present = observed(15), every_presence()
    noise = representation.draw_noise(15)
    rows = []
    for row in range(15):
        single = {name: value[row : row + 1] for name, value in batch.items() if present[name][row]}
        rows.append(loss_of(representation, single, None, row_of(noise, row)))
    mixed = loss_of(representation, batch, present, noise)
    assert set(mixed) == {"total"} | LOWER | (UPPER if method == "muse" else UPPER - {"alma"})
    for name, value in mixed.items():
        torch.testing.assert_close(value, torch.stack([row[name] for row in rows]).mean(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mixed["total"], sum(value for name, value in mixed.items() if name != "total"))


@pytest.mark.parametrize("method", METHODS)
def test_loss_is_that_of_a_model_without_the_other_modalities(model: Model, method: str) -> None:
    whole, names = model(method), ("smell", "label")
    part = build(method, {name: whole.modalities[name] for name in names}, whole.settings, whole.networks)
    part.load_state_dict({key: value for key, value in whole.state_dict().items() if key in part.state_dict()})
    batch = {name: value for name, value in observed(6).items() if name in names}
    whole.eval()
    part.eval()
    noise = whole.draw_noise(6)
    for name, value in loss_of(part, batch, None, noise).items():
        torch.testing.assert_close(loss_of(whole, batch, None, noise)[name], value, msg=name)
    torch.testing.assert_close(whole.encode(batch), part.encode(batch))


@pytest.mark.parametrize("method", METHODS)
def test_latents_of_rows_with_only_what_they_have(model: Model, method: str) -> None:
    representation, batch, present = model(method), observed(15), every_presence()
    mixed = representation.encode(batch, present)
    for row in range(15):
        single = {name: value[row : row + 1] for name, value in batch.items() if present[name][row]}
        torch.testing.assert_close(mixed[row : row + 1], representation.encode(single))


@pytest.mark.parametrize("method", METHODS)
def test_lower_terms_by_hand(model: Model, method: str) -> None:
    representation, batch = model(method), observed(6)
    noise = representation.draw_noise(6)
    reconstruction, divergence = torch.zeros(6), torch.zeros(6)
    for name, value in batch.items():
        mean, log_variance = representation.bottom[name](value)
        posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
        prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
        logits = representation.decoder(name)(mean + posterior.stddev * noise.bottom[name])
        error = representation.decoder(name).error(logits, value)
        reconstruction = reconstruction + (7.0 if name == "taste" else 1.0) * error
        kl = torch.distributions.kl_divergence(posterior, prior).sum(dim=-1)
        divergence = divergence + (0.5 if name == "touch" else 1.0) * kl
    terms = loss_of(representation, batch, None, noise)
    torch.testing.assert_close(terms["reconstruction"], reconstruction.mean())
    torch.testing.assert_close(terms["kl"], divergence.mean())


@pytest.mark.parametrize("method", METHODS)
def test_levels_do_not_influence_each_other(model: Model, method: str) -> None:
    representation = model(method)
    lower = {f"{part}.{name}" for part in ("bottom", "decoders") for name, _ in named(representation, part)}
    for wanted, names in ((lower, LOWER), ({name for name, _ in named(representation)} - lower, UPPER)):
        terms = representation.loss(observed(6))
        representation.zero_grad()
        torch.stack([value for name, value in terms.items() if name in names]).sum().backward()
        reached = {name for name, p in named(representation) if p.grad is not None and p.grad.any()}
        assert reached == wanted


def named(module: nn.Module, part: str = "") -> list[tuple[str, nn.Parameter]]:
    return list(module.get_submodule(part).named_parameters())


@pytest.mark.parametrize("method", METHODS)
def test_absent_modality_equals_left_out_in_the_loss(model: Model, method: str) -> None:
    representation, batch = model(method), observed(4)
    noise = representation.draw_noise(4)
    nowhere, left = torch.zeros(4, dtype=torch.bool), {k: v for k, v in batch.items() if k != "smell"}
    masked = loss_of(representation, batch | {"smell": torch.full((4, 2), torch.nan)}, {"smell": nowhere}, noise)
    assert torch.equal(masked["total"], loss_of(representation, left, None, noise)["total"])


@pytest.mark.parametrize("method", METHODS)
def test_warm_up(model: Model, method: str) -> None:
    representation, batch = model(method, warmup_epochs=20, top_warmup_epochs=200), observed(5)
    noise = representation.draw_noise(5)
    final = loss_of(representation, batch, None, noise)
    for epoch, lower, upper in ((0, 1 / 20, 1 / 200), (9, 0.5, 0.05), (199, 1.0, 1.0), (400, 1.0, 1.0)):
        representation.begin_epoch(epoch)
        terms = loss_of(representation, batch, None, noise)
        torch.testing.assert_close(terms["kl"], lower * final["kl"])
        torch.testing.assert_close(terms["top_kl"], upper * final["top_kl"])
        torch.testing.assert_close(terms["latent_reconstruction"], final["latent_reconstruction"])
    representation.begin_epoch(0)
    validation = loss_of(representation.eval(), batch, None, noise)
    torch.testing.assert_close(validation["kl"], final["kl"])
    torch.testing.assert_close(validation["top_kl"], final["top_kl"])


@pytest.mark.parametrize("method", METHODS)
def test_published_log_variance_is_the_mean(model: Model, method: str) -> None:
    representation, batch = model(method, mean_as_log_variance=("smell",)), observed(5)
    zeros = Noise(
        {name: torch.zeros_like(value) for name, value in representation.draw_noise(5).bottom.items()},
        torch.zeros(5, 5),
    )
    checked = check_batch(batch, None, representation.modalities, representation.device)
    shifted = zeros.bottom | {"smell": torch.ones_like(zeros.bottom["smell"])}
    mean = representation.bottom["smell"](batch["smell"]).mean
    sample = representation.bottom_level(checked, shifted)[0]["smell"]
    torch.testing.assert_close(sample, (mean + (0.5 * mean).exp()).detach())
    difference = representation.bottom_level(checked, zeros.bottom)[0]["touch"]
    torch.testing.assert_close(difference, representation.bottom["touch"](batch["touch"]).mean.detach())


@pytest.mark.parametrize("method", METHODS)
def test_decoding_goes_through_both_levels(model: Model, method: str) -> None:
    representation = model(method)
    latents = representation.draw_latents(3, torch.Generator().manual_seed(0))
    for name, value in representation.decode(latents).items():
        decoder = representation.decoder(name)
        expected = decoder.mean(decoder(representation.top_decoders[name](latents)))
        assert value.shape == (3, SIZES[name])
        torch.testing.assert_close(value, expected.detach())
    one = representation.sample(2, torch.Generator().manual_seed(5))
    two = representation.sample(2, torch.Generator().manual_seed(5))
    assert all(torch.equal(one[name], two[name]) for name in SIZES)
    assert set(representation.translate({"smell": observed(2)["smell"]}, modalities=["label"])) == {"label"}


@pytest.mark.parametrize("method", METHODS)
def test_loss_under_autocast_is_float32(model: Model, method: str) -> None:
    representation, batch = model(method), observed(8)
    noise = representation.draw_noise(8)
    expected = loss_of(representation, batch, None, noise)
    with torch.autocast("cpu", torch.bfloat16):
        terms = loss_of(representation, batch, None, noise)
    for name, value in terms.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[name], rtol=0.1, atol=0.1)


@pytest.mark.parametrize("preset", ["smoke", "paper"])
@pytest.mark.parametrize("method", METHODS)
def test_mhd(method: str, preset: str) -> None:
    shapes = {"image": (1, 28, 28), "sound": (1, 32, 128), "trajectory": (200,), "label": (10,)}
    modalities = {name: Modality(name, shape, "float32", 0.0, 1.0) for name, shape in shapes.items()}
    representation = preset_model(method, modalities, preset, "mhd")
    batch = {name: torch.rand(2, *shape) for name, shape in shapes.items()}
    sizes = [representation.bottom[name].mean.out_features for name in shapes]
    assert sizes == ([64, 128, 32, 4] if method == "muse" else [64, 128, 16, 5])
    assert representation.encode(batch).shape == (2, 64)
    present = {"sound": torch.tensor([True, False]), "label": torch.tensor([False, True])}
    total = representation.loss(batch, present)["total"]
    total.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in representation.parameters())
    one = representation.loss({name: value[:1] for name, value in batch.items()})["total"]
    assert torch.isfinite(torch.stack([total, one])).all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("modality_dims", (("image", 0),), r"`modality_dims` must be positive; got .*'image', 0"),
        ("default_modality_dim", 0, "`default_modality_dim` must be positive"),
        ("top_widths", (), "`top_widths` is empty; expected at least one hidden layer"),
        ("top_kl_weight", -1.0, "`top_kl_weight` must be a finite number of at least 0"),
        ("latent_weights", (("image", -1.0),), "`latent_weights` must be a finite number of at least 0"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_wrong_settings(method: str, field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_settings(method, **{field: value})
