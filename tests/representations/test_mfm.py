"""MFM: which factor reaches which output, what absent modalities become, and its loss."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from anysense.representations import Modality, build, make_settings
from anysense.representations.methods.mfm import MFM, MFMSettings, kept
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder, Likelihood
from anysense.representations.networks.trunk import Trunk
from tests.representations.models import preset_model

MakeMFM = Callable[..., MFM]
SIZES = {"touch": 3, "smell": 4, "label": 5}
ROWS = 6


class TinyTrunk(Trunk):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.feature_dim = 8
        self.linear = nn.Linear(size, 8)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, value: Tensor) -> Tensor:
        hidden: Tensor = self.norm(self.linear(value))
        return hidden.tanh()


class TinyDecoder(Decoder):
    def __init__(self, name: str, size: int, latent_dim: int) -> None:
        super().__init__()
        self.shape = (size,)
        self.likelihood: Likelihood = "categorical" if name == "label" else "gaussian"
        self.linear = nn.Linear(latent_dim, size)

    def logits(self, latent: Tensor) -> Tensor:
        found: Tensor = self.linear(latent)
        return found

    def target(self, value: Tensor) -> Tensor:
        return value.float()

    def raw(self, mean: Tensor) -> Tensor:
        return mean


class TinyNetworks(Networks):
    name = "tiny-mfm"

    def trunk(self, modality: Modality) -> Trunk:
        return TinyTrunk(modality.shape[0])

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        return TinyDecoder(modality.name, modality.shape[0], latent_dim)


@pytest.fixture
def make() -> MakeMFM:
    """Function (overrides) -> MFM of two modalities and a label, supervised, with small networks."""
    modalities = {name: Modality(name, (size,), "float32", 0.0, 1.0) for name, size in SIZES.items()}

    def make(**overrides: object) -> MFM:
        chosen: dict[str, object] = {
            "code_dim": 7,
            "factor_dim": 6,
            "latent_dim": 9,
            "supervised_modality": "label",
            "supervised_weight": 2.0,
            "reconstruction_weights": (("smell", 50.0),),
        }
        built = build("mfm", modalities, make_settings("mfm", **(chosen | overrides)), TinyNetworks(), seed=2)
        assert isinstance(built, MFM)
        return built

    return make


@pytest.fixture
def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = {name: torch.rand(ROWS, SIZES[name], generator=generator) for name in ("touch", "smell")}
    return drawn | {"label": torch.eye(5)[torch.tensor([0, 3, 1, 4, 2, 0])]}


def gradient(mfm: MFM, value: Tensor) -> dict[str, bool]:
    """Which parts of the model a value depends on."""
    mfm.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    parts = {
        f"{part}.{name}": module
        for part in ("encoders", "intermediates", "decoders")
        for name, module in getattr(mfm, part).items()
    } | {"fusion": mfm.fusion, "head": mfm.head}
    return {
        part: any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())
        for part, module in parts.items()
        if module is not None
    }


# Factorisation


def test_a_reconstruction_depends_on_its_own_generative_factor_only(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make()
    for name in SIZES:
        reached = gradient(mfm, mfm.loss(batch)[name])
        for other in SIZES:
            assert reached[f"intermediates.{other}"] is (other == name)
            assert reached[f"decoders.{other}"] is (other == name)
            assert reached[f"encoders.{other}"]
        assert reached["fusion"]
        assert not reached["head"]


def test_the_class_depends_on_no_generative_factor(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make()
    reached = gradient(mfm, mfm.loss(batch)["supervised"])
    assert reached["head"]
    assert reached["fusion"]
    assert not any(reached[f"{part}.{name}"] for part in ("intermediates", "decoders") for name in SIZES)


def test_weights_of_zero_give_no_gradient(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    unsupervised = make(supervised_weight=0.0)
    assert not gradient(unsupervised, unsupervised.loss(batch)["total"])["head"]
    supervised = make(reconstruction_weights=tuple((name, 0.0) for name in SIZES))
    reached = gradient(supervised, supervised.loss(batch)["total"])
    assert reached["head"]
    assert not any(reached[f"{part}.{name}"] for part in ("intermediates", "decoders") for name in SIZES)


def test_without_a_supervised_modality_there_is_no_head(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make(supervised_modality=None, supervised_weight=0.0)
    assert mfm.head is None
    assert mfm.loss(batch).keys() == {"total", *SIZES}


# Encoding


def linear_layers(module: nn.Module) -> list[tuple[int, int]]:
    return [(each.in_features, each.out_features) for each in module.modules() if isinstance(each, nn.Linear)]


def test_sizes_of_the_layers(make: MakeMFM) -> None:
    mfm = make()
    assert linear_layers(mfm.fusion) == [(3 * 7, 128), (128, 9)]
    assert isinstance(mfm.fusion[-1], nn.ReLU)
    for name, size in SIZES.items():
        assert linear_layers(mfm.intermediates[name]) == [(7, 64), (64, 6)]
        assert linear_layers(mfm.decoders[name]) == [(6 + 9, size)]
    assert mfm.head is not None
    assert linear_layers(mfm.head) == [(9, 20), (20, 5)]


def test_published_sizes_on_mhd() -> None:
    shapes = {"image": (1, 28, 28), "sound": (1, 32, 128), "trajectory": (200,), "label": (10,)}
    modalities = {name: Modality(name, shape, "float32", 0.0, 1.0) for name, shape in shapes.items()}
    mfm = preset_model("mfm", modalities, "paper", "mhd")
    assert isinstance(mfm, MFM)
    assert linear_layers(mfm.fusion) == [(4 * 64, 128), (128, 64)]
    assert linear_layers(mfm.decoders["trajectory"])[0][0] == 128
    assert all(linear_layers(module) == [(64, 64), (64, 64)] for module in mfm.intermediates.values())
    assert mfm.head is not None
    assert linear_layers(mfm.head) == [(64, 20), (20, 10)]
    generator = torch.Generator().manual_seed(0)
    batch = {name: torch.rand(3, *shape, generator=generator) for name, shape in shapes.items()}
    batch["label"] = torch.eye(10)[:3]
    terms = mfm.loss(batch)
    assert terms.keys() == {"total", *shapes, "supervised"}
    expected = sum(
        weight * terms[name]
        for name, weight in (("image", 1), ("sound", 1), ("trajectory", 50), ("label", 50), ("supervised", 2))
    )
    torch.testing.assert_close(terms["total"], expected)
    made = mfm.translate({"label": batch["label"]})
    assert {name: tuple(value.shape) for name, value in made.items()} == {n: (3, *s) for n, s in shapes.items()}


def test_absent_codes_are_zero_before_fusion(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make().eval()
    codes = {name: mfm.encoders[name](batch[name]) for name in SIZES}
    present = {
        "touch": torch.tensor([1, 1, 0, 0, 1, 0]).bool(),
        "smell": torch.tensor([1, 0, 1, 0, 1, 1]).bool(),
        "label": torch.tensor([1, 0, 1, 1, 0, 0]).bool(),
    }
    blanked = torch.cat([codes[name] * present[name][:, None] for name in SIZES], dim=1)
    found = mfm.encode(batch, present)
    torch.testing.assert_close(found, mfm.fusion(blanked))
    assert (found >= 0.0).all()
    assert (found > 0.0).any()


def test_rows_without_a_modality_do_not_enter_its_batch_statistics(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm, twin, present = make(), make(), torch.arange(ROWS) < 4
    mfm.loss(batch, {"touch": present})
    twin.encoders["touch"](batch["touch"][present])
    name = "encoders.touch.trunk.norm.running_mean"
    torch.testing.assert_close(mfm.get_buffer(name), twin.get_buffer(name))


def test_loss_of_complete_rows_starts_from_what_encode_returns(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make().eval()
    latents, terms = mfm.encode(batch), mfm.loss(batch)
    weights, expected = {"touch": 1.0, "smell": 50.0, "label": 1.0}, torch.zeros(())
    for name, weight in weights.items():
        factors = torch.cat([mfm.intermediates[name](mfm.encoders[name](batch[name])), latents], dim=1)
        logits = mfm.decoder(name).linear(factors)  # type: ignore[operator]
        if name == "label":
            error = nn.functional.cross_entropy(logits, batch["label"].argmax(dim=1))
        else:
            error = (logits.sigmoid() - batch[name]).square().sum() / ROWS
        torch.testing.assert_close(terms[name], error)
        expected = expected + weight * error
    assert mfm.head is not None
    supervised = nn.functional.cross_entropy(mfm.head(latents), batch["label"].argmax(dim=1))
    torch.testing.assert_close(terms["supervised"], supervised)
    torch.testing.assert_close(terms["total"], expected + 2.0 * supervised)


def test_absent_modalities_are_neither_reconstructed_nor_predicted(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm, half = make().eval(), torch.arange(ROWS) < 3
    rows = [mfm.loss({name: value[row : row + 1] for name, value in batch.items()}) for row in range(3)]
    rows += [mfm.loss({name: batch[name][row : row + 1] for name in ("touch", "smell")}) for row in range(3, ROWS)]
    terms = mfm.loss(batch, {"label": half})
    for name, value in terms.items():
        torch.testing.assert_close(value, torch.stack([row[name] for row in rows]).mean())
    alone = mfm.loss({"touch": batch["touch"]})
    assert alone["smell"].item() == alone["label"].item() == alone["supervised"].item() == 0.0
    torch.testing.assert_close(alone["total"], alone["touch"])


# Head


def test_only_the_published_head_forbids_negative_logits(make: MakeMFM) -> None:
    latents = torch.randn(200, 9, generator=torch.Generator().manual_seed(0)).relu()
    corrected, published = make().head, make(as_published=True).head
    assert corrected is not None
    assert published is not None
    assert (corrected(latents) < 0.0).any()
    assert (published(latents) >= 0.0).all()


# Decoding and sampling


def test_latents_are_decoded_with_the_factors_of_zero_codes(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make().eval()
    latents = mfm.encode(batch)
    factors = torch.cat([mfm.intermediates["touch"](torch.zeros(ROWS, 7)), latents], dim=1)
    expected = mfm.decoder("touch").linear(factors).sigmoid()  # type: ignore[operator]
    found = mfm.decode(latents, ["touch"])
    assert found.keys() == {"touch"}
    torch.testing.assert_close(found["touch"], expected)
    torch.testing.assert_close(mfm.translate(batch, modalities=["touch"])["touch"], expected)


def test_running_moments_of_the_latents(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make()
    parts = [{name: value[rows] for name, value in batch.items()} for rows in (slice(0, 3), slice(3, 6))]
    with torch.no_grad():
        latents = torch.cat([mfm.encode(part) for part in parts])
    for part in parts:
        mfm.loss(part)
    torch.testing.assert_close(mfm.latent_mean, latents.mean(dim=0))
    torch.testing.assert_close(mfm.latent_second_moment, latents.T @ latents / ROWS)
    before = mfm.latent_mean.clone()
    mfm.eval().loss(batch)
    assert torch.equal(mfm.latent_mean, before)


def test_drawn_latents_have_the_moments_and_are_never_negative(make: MakeMFM) -> None:
    mfm, generator = make(), torch.Generator().manual_seed(0)
    assert (mfm.draw_latents(50, generator) >= 0.0).all()
    mixing = torch.randn(9, 9, generator=generator)
    mean, covariance = torch.linspace(20.0, 40.0, 9), mixing @ mixing.T
    mfm.latent_mean.copy_(mean)
    mfm.latent_second_moment.copy_(covariance + torch.outer(mean, mean))
    drawn = mfm.draw_latents(20_000, generator)
    torch.testing.assert_close(drawn.mean(dim=0), mean, rtol=0, atol=0.1)
    torch.testing.assert_close(drawn.T.cov(), covariance, rtol=0, atol=0.6)
    repeated = [mfm.sample(4, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert all(torch.equal(repeated[0][name], repeated[1][name]) for name in SIZES)
    assert repeated[0]["smell"].shape == (4, 4)


# Modality dropout


def test_dropout_keeps_at_least_one_present_modality() -> None:
    torch.manual_seed(0)
    present = torch.ones(3, 30_000, dtype=torch.bool)
    present[2, :10_000] = False
    chosen = kept(present, 0.5)
    assert not (chosen & ~present).any()
    assert chosen.any(dim=0).all()
    share = chosen[:, 10_000:].float().mean(dim=1)
    expected = 0.5 + 0.5**3 / 3  # kept by chance, or as the one that is left of none
    torch.testing.assert_close(share, torch.full((3,), expected), rtol=0, atol=0.02)
    assert kept(present, 0.0).equal(present)


def test_dropout_is_for_training_only(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm, plain = make(modality_dropout=0.6), make()
    torch.manual_seed(0)
    assert not torch.equal(mfm.loss(batch)["total"], mfm.loss(batch)["total"])
    torch.testing.assert_close(make(modality_dropout=0.6).encode(batch), plain.encode(batch))
    trained = make(modality_dropout=0.6).eval().loss(batch)["total"]
    torch.testing.assert_close(trained, make().eval().loss(batch)["total"])


def test_loss_falls(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make()
    optimiser = torch.optim.Adam(mfm.parameters(), lr=1e-2)
    losses = []
    for _ in range(200):
        total = mfm.loss(batch)["total"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(total.item())
    assert losses[-1] < 0.5 * losses[0]
    assert mfm.head is not None
    found = mfm.eval().encode(batch)
    assert mfm.head(found).argmax(dim=1).equal(batch["label"].argmax(dim=1))


def test_autocast_changes_little(make: MakeMFM, batch: dict[str, Tensor]) -> None:
    mfm = make().eval()
    expected, loss = mfm.encode(batch), mfm.loss(batch)["total"]
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(mfm.encode(batch), expected, rtol=0, atol=0)
        torch.testing.assert_close(mfm.loss(batch)["total"], loss, rtol=5e-2, atol=5e-2)


def test_published_settings() -> None:
    paper, default = (make_settings("mfm", preset, benchmark="mhd") for preset in ("paper", "default"))
    assert isinstance(paper, MFMSettings)
    assert isinstance(default, MFMSettings)
    assert (paper.latent_dim, paper.code_dim, paper.factor_dim) == (64, 64, 64)
    assert (paper.supervised_modality, paper.supervised_weight) == ("label", 2.0)
    assert dict(paper.reconstruction_weights) == {"image": 1.0, "sound": 1.0, "trajectory": 50.0, "label": 50.0}
    assert (paper.as_published, default.as_published) == (True, False)
    pendulum = make_settings("mfm", benchmark="pendulum")
    assert isinstance(pendulum, MFMSettings)
    assert (pendulum.latent_dim, pendulum.code_dim, pendulum.factor_dim) == (32, 64, 10)
    assert (pendulum.supervised_weight, dict(pendulum.reconstruction_weights)) == (0.0, {"sound": 100.0})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"code_dim": 0}, r"`code_dim` must be positive; got 0"),
        ({"fusion_widths": (8, 0)}, r"`fusion_widths` must be positive; got \(8, 0\)"),
        ({"supervised_weight": math.inf}, r"`supervised_weight` must be a finite number of at least 0; got inf"),
        ({"supervised_modality": None}, r"`supervised_weight` has no effect without `supervised_modality`; .*got 2\.0"),
        (
            {"supervised_modality": "lable"},
            r"`supervised_modality` must be one of .* Did you mean 'label'\?.*leave it",
        ),
        ({"supervised_modality": "touch"}, r"`supervised_modality` must hold one-hot labels; 'touch' is .* gaussian"),
        ({"modality_dropout": 1.0}, r"`modality_dropout` must lie in \[0, 1\); got 1\.0"),
    ],
)
def test_wrong_settings(make: MakeMFM, overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**overrides)
