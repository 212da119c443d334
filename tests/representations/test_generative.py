"""What the generative methods share: settings, warm-up, experts of incomplete rows, decoding."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from anysense.representations.maths.gaussian import LOG_VARIANCE_LIMIT
from anysense.representations.methods.generative import (
    GaussianEncoder,
    GenerativeRepresentation,
    GenerativeSettings,
    of_modality,
)
from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.trunk import Trunk
from anysense.representations.observations import check_batch

MODALITIES = {name: Modality(name, (3,), "float32", -9.0, 9.0) for name in ("first", "second")}
ROWS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


# Settings and weights


@pytest.mark.parametrize(
    ("weight", "epoch", "epochs", "expected"),
    [
        (2.0, 0, 0, 2.0),
        (2.0, 0, 1, 2.0),
        (2.0, 0, 4, 0.5),
        (2.0, 1, 4, 1.0),
        (2.0, 3, 4, 2.0),
        (2.0, 100, 4, 2.0),
        (0.0, 1, 4, 0.0),
    ],
)
def test_weights_warm_up_linearly(weight: float, epoch: int, epochs: int, expected: float) -> None:
    model = Identity()
    assert model.warmed_up(weight, epochs) == weight
    model.begin_epoch(epoch)
    assert model.warmed_up(weight, epochs) == expected


def test_numbers_by_modality() -> None:
    assert of_modality((("image", 2.0), ("sound", 3.0)), "sound", 1.0) == 3.0
    assert of_modality((("image", 2.0),), "sound", 1.0) == 1.0
    assert of_modality((), "sound", 0.5) == 0.5
    assert GenerativeSettings(reconstruction_weights=[["image", 2]]).reconstruction_weights == (("image", 2.0),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_dim": 0}, r"`latent_dim` must be positive; got 0"),
        (
            {"reconstruction_weights": (("sound", -1.0),)},
            r"`reconstruction_weights` must be a finite number of at least 0; got .*'sound', -1.0",
        ),
        (
            {"reconstruction_weights": (("sound", math.inf),)},
            r"`reconstruction_weights` must be a finite .*; got .*'sound', inf",
        ),
        (
            {"reconstruction_weights": (("sound", math.nan),)},
            r"`reconstruction_weights` must be a finite .*; got .*'sound', nan",
        ),
    ],
)
def test_wrong_settings(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GenerativeSettings(**changes)


# Experts


class Normalised(Trunk):
    """Batch normalisation alone: each row depends on which others are in the batch."""

    feature_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, value: Tensor) -> Tensor:
        return self.norm(value)


def encoder_of(seed: int = 0) -> GaussianEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GaussianEncoder(Normalised(), 3, 2)


def batch_of(mask: list[bool]):
    present = {"first": torch.tensor(mask)}
    observation = {"first": ROWS, "second": ROWS}
    return check_batch(observation, present, MODALITIES, torch.device("cpu"))


def test_only_rows_that_have_a_modality_enter_its_statistics() -> None:
    mask = [True, False, True, True, False, True]
    encoder = encoder_of()
    twin = copy.deepcopy(encoder)
    found = encoder.expert(batch_of(mask), "first")
    expected = twin(ROWS[torch.tensor(mask)])
    row = 0
    for number, present in enumerate(mask):
        for got, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(got[number], wanted[row] if present else torch.zeros(2))
        row += present
    assert torch.equal(encoder.trunk.norm.running_mean, twin.trunk.norm.running_mean)


def test_gradients_are_those_of_the_rows_that_are_there() -> None:
    mask = [False, True, True, False, True, True]
    encoder = encoder_of()
    twin = copy.deepcopy(encoder)
    for module, found in (
        (encoder, encoder.expert(batch_of(mask), "first")),
        (twin, twin(ROWS[torch.tensor(mask)])),
    ):
        (found.mean.square().sum() + found.log_variance.exp().sum() - found.mean.numel()).backward()
        assert module.mean.weight.grad.any()
    for one, other in zip(encoder.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_an_expert_that_nobody_has_is_the_prior() -> None:
    found = encoder_of().expert(batch_of([False] * 6), "first")
    assert torch.equal(found.mean, torch.zeros(6, 2))
    assert torch.equal(found.log_variance, torch.zeros(6, 2))


def test_an_expert_that_all_have_is_the_encoder_alone() -> None:
    encoder = encoder_of().eval()
    for found, expected in zip(encoder.expert(batch_of([True] * 6), "first"), encoder(ROWS), strict=True):
        assert torch.equal(found, expected)


def test_log_variances_are_clamped() -> None:
    encoder = encoder_of().eval()
    with torch.no_grad():
        encoder.log_variance.weight.mul_(1e6)
    found = encoder(ROWS)
    assert float(found.log_variance.detach().abs().max()) == LOG_VARIANCE_LIMIT
    assert torch.isfinite(found.log_variance.exp()).all()


# Decoding


class Ramp(Decoder):
    """Logits are the latent times a factor; raw units are twice the decoded ones, which lie in [0, 1]."""

    likelihood = "gaussian"

    def __init__(self, shape: tuple[int, ...], factor: float) -> None:
        super().__init__()
        self.shape, self.factor = shape, factor

    def logits(self, latent: Tensor) -> Tensor:
        return self.factor * latent

    def target(self, value: Tensor) -> Tensor:
        return value / 2

    def raw(self, mean: Tensor) -> Tensor:
        return 2 * mean


class Identity(GenerativeRepresentation):
    """Latent: the mean of what is there. The prior is a standard normal."""

    method = "identity"
    settings_class = GenerativeSettings
    uses_networks = False

    def __init__(self) -> None:
        super().__init__(MODALITIES, GenerativeSettings(latent_dim=3), None)
        self.latent_dim = 3
        self.decoders = nn.ModuleDict({"first": Ramp((3,), 0.5), "second": Ramp((3,), 1.0)})
        self.weight = nn.Parameter(torch.ones(()))

    def encode_batch(self, batch):
        return self.weight * torch.stack(list(batch.inputs.values())).mean(dim=0)

    def loss_batch(self, batch):
        return {"total": self.encode_batch(batch).sum()}

    def decode_logits(self, latent: Tensor, name: str) -> Tensor:
        return self.weight * self.decoder(name)(latent)

    def draw_latents(self, count: int, generator: torch.Generator | None) -> Tensor:
        return torch.randn(count, 3, generator=generator)


def by_hand(latent: Tensor, factor: float) -> Tensor:
    return 2 / (1 + (-factor * latent).exp())


def test_decoding_gives_raw_units_of_the_wanted_modalities() -> None:
    decoded = Identity().decode(ROWS)
    assert list(decoded) == ["first", "second"]
    torch.testing.assert_close(decoded["first"], by_hand(ROWS, 0.5))
    torch.testing.assert_close(decoded["second"], by_hand(ROWS, 1.0))
    assert not decoded["first"].requires_grad
    assert list(Identity().decode(ROWS, ("second",))) == ["second"]
    assert Identity().decode(ROWS, ()) == {}


def test_translation_decodes_the_latent_of_what_is_there() -> None:
    model = Identity()
    translated = model.translate({"first": ROWS}, modalities=("second",))
    assert list(translated) == ["second"]
    torch.testing.assert_close(translated["second"], by_hand(ROWS, 1.0))
    present = {"first": torch.arange(6) < 3}
    both = model.translate({"first": ROWS, "second": 3 * ROWS}, present)
    latent = torch.where(present["first"][:, None], 2 * ROWS, 1.5 * ROWS)  # Absent counts as zeros here.
    torch.testing.assert_close(both["first"], by_hand(latent, 0.5))


def test_samples_are_decoded_draws_of_the_prior() -> None:
    model = Identity()
    one, again, other = (model.sample(4, torch.Generator().manual_seed(seed))["first"] for seed in (1, 1, 2))
    torch.testing.assert_close(one, by_hand(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), 0.5))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert model.sample(2)["second"].shape == (2, 3)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 1)])
def test_latents_of_another_shape(shape: tuple[int, ...]) -> None:
    message = rf"`latent` must have shape \(B, 3\); got \({', '.join(map(str, shape))},?\)"
    with pytest.raises(ValueError, match=message):
        Identity().decode(torch.zeros(shape))


def test_what_cannot_be_decoded_or_drawn() -> None:
    with pytest.raises(
        ValueError, match=r"`modalities` must be one of 'first', 'second'; got 'frist'. Did you mean 'first'"
    ):
        Identity().decode(ROWS, ("frist",))
    for count in (0, -1):
        with pytest.raises(ValueError, match=rf"`count` must be at least 1; got {count}"):
            Identity().sample(count)
    with pytest.raises(ValueError, match=r"`observation` must be one of 'first', 'second'; got 'third'"):
        Identity().translate({"third": ROWS})
