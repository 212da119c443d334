"""MMVAE: every objective against a slow loop, exact bounds in a linear-Gaussian model, incomplete rows."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import Laplace, Normal

from anysense.representations import Modality, Networks, build, make_settings
from anysense.representations.maths.location_scale import LocationScale
from anysense.representations.methods import mmvae
from anysense.representations.methods.mmvae import MMVAE

SIZES = {"touch": 3, "smell": 2, "label": 4}
MIXTURES = ("iwae_looser", "iwae", "dreg_looser")
WEIGHTS = {"touch": 2.0, "label": 5.0}
PRESENT = {
    "touch": torch.tensor([True, True, False, True, True]),
    "smell": torch.tensor([True, False, True, False, True]),
    "label": torch.tensor([True, False, True, True, True]),
}
PUBLISHED = {"objective": "iwae_looser", "posterior": "laplace", "laplace_likelihood": 0.75}
Make = Callable[..., MMVAE]
Observation = dict[str, Tensor]


@pytest.fixture
def tiny(linear_networks: Networks) -> Make:
    """Function (**settings) -> a model of three small modalities, one a label, with weights that are not tiny."""
    modalities = {name: Modality(name, (size,), "float32") for name, size in SIZES.items()}

    def model(names: tuple[str, ...] = tuple(SIZES), **overrides: object) -> MMVAE:
        chosen = {"latent_dim": 3, "reconstruction_weights": tuple(WEIGHTS.items())}
        settings = make_settings("mmvae", **(chosen | overrides))
        built = build("mmvae", {name: modalities[name] for name in names}, settings, linear_networks, seed=3)
        if built.raw_prior_scale is not None:
            with torch.no_grad():
                built.raw_prior_scale.copy_(torch.linspace(-1.0, 1.0, 3 * len(names)).view(len(names), 3))
        return built

    return model


def random_batch(rows: int = 5, seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(rows) % 4
    observation = {name: torch.rand(rows, SIZES[name], generator=generator) for name in ("touch", "smell")}
    return observation | {"label": torch.nn.functional.one_hot(classes, 4).float()}


def same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sample of a distribution lies the same number of scales off its location, whatever is present."""

    def fixed(density: LocationScale, count: int) -> Tensor:
        noise = torch.linspace(-1.0, 1.5, count * density.location.shape[-1]).view(count, 1, -1)
        return density.location + density.scale * noise

    monkeypatch.setattr(mmvae, "samples", fixed)


def seeded(call: Callable[[], Tensor]) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return call()


class SlowTwin:
    """The published formulas, one sample and one density of torch.distributions at a time."""

    def __init__(self, model: MMVAE, batch: Observation, present: dict[str, Tensor]) -> None:
        self.model, self.batch, self.present = model, batch, present
        self.names, self.rows = list(model.modalities), len(batch["touch"])
        self.posteriors, self.latents = self._draw()
        self.leaves = [latent.detach().requires_grad_() for latent in self.latents]

    def _kind(self, name: str) -> type[Normal] | type[Laplace]:
        return Laplace if self.model.settings.posterior == "laplace" and name != "label" else Normal

    def _scale(self, raw: Tensor, name: str, form: str) -> Tensor:
        if self._kind(name) is Laplace:
            return raw.softmax(dim=-1) * 3 + 1e-6
        return (raw / 2).exp() if form == "exp" else torch.nn.functional.softplus(raw) + 1e-6

    def _draw(self) -> tuple[list[tuple[Tensor, Tensor]], list[Tensor]]:
        """Posterior of every source and samples (K, B, D) of it, with the noise of `same_noise`."""
        posteriors, latents, count = [], [], self.model.settings.expert_samples
        form = "exp" if self.model.settings.posterior == "gaussian" else "softplus"
        for name in self.names:
            encoder, value = self.model.encoders[name], self.batch[name]
            location, scale = encoder.mean(value), self._scale(encoder.log_variance(value), name, form)
            noise = torch.linspace(-1.0, 1.5, count * 3).view(count, 1, 3)
            posteriors.append((location, scale))
            latents.append(location + scale * noise)
        return posteriors, latents

    def available(self, row: int) -> list[int]:
        return [index for index, name in enumerate(self.names) if self.present[name][row]]

    def log_likelihood(self, latent: Tensor, row: int) -> Tensor:
        total = torch.zeros(())
        for target in self.available(row):
            name = self.names[target]
            decoder, value = self.model.decoder(name), self.batch[name][row]
            output = decoder.layer(latent)
            if name == "label":
                likelihood = output.log_softmax(dim=-1)[value.argmax()]
            elif self.model.settings.laplace_likelihood is None:
                likelihood = Normal(output, decoder.deviation).log_prob(value).sum()
            else:
                location = output.sigmoid().clamp(1e-6, 1 - 1e-6)
                likelihood = (Laplace(location, 0.75).log_prob(value) + math.log(1.5)).sum()  # without constants
            total = total + WEIGHTS.get(name, 1.0) * likelihood
        return total

    def log_weight(self, source: int, latent: Tensor, row: int) -> Tensor:
        raw = self.model.raw_prior_scale[source]
        prior = self._kind(self.names[source])(torch.zeros(3), self._scale(raw, self.names[source], "softplus"))
        densities = []
        for expert in self.available(row):
            location, scale = (part[row].detach() for part in self.posteriors[expert])
            densities.append(self._kind(self.names[expert])(location, scale).log_prob(latent).sum())
        mixture = torch.stack(densities).exp().mean().log()
        return prior.log_prob(latent).sum() + self.log_likelihood(latent, row) - mixture

    def log_weights(self, row: int) -> Tensor:
        """(available sources, K), from the leaves."""
        return torch.stack(
            [
                torch.stack([self.log_weight(source, latent, row) for latent in self.leaves[source][:, row]])
                for source in self.available(row)
            ]
        )

    def bound(self) -> Tensor:
        rows = []
        for row in range(self.rows):
            weights = self.log_weights(row)
            if self.model.settings.objective == "iwae":
                rows.append(weights.exp().mean().log())
            elif self.model.settings.objective == "iwae_looser":
                rows.append(weights.exp().mean(dim=1).log().mean())
            else:
                rows.append((weights.softmax(dim=1).detach() * weights).sum(dim=1).mean())
        return torch.stack(rows).mean()

    def backward(self) -> None:
        """Gradients of minus the bound; what reaches a sample is weighted once more in ``dreg_looser``."""
        (-self.bound()).backward()
        gradients = [leaf.grad.clone() for leaf in self.leaves]
        if self.model.settings.objective == "dreg_looser":
            for row in range(self.rows):
                with torch.no_grad():
                    weights = self.log_weights(row).softmax(dim=1)
                for source, weight in zip(self.available(row), weights, strict=True):
                    gradients[source][:, row] *= weight[:, None]
        torch.autograd.backward(self.latents, gradients)


@pytest.mark.parametrize("posterior", ["laplace", "gaussian"])
@pytest.mark.parametrize("objective", MIXTURES)
def test_batched_loss_and_gradient_equal_the_slow_loop(
    objective: str, posterior: str, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_noise(monkeypatch)
    scale = 0.75 if posterior == "laplace" else None
    model, batch = (
        tiny(objective=objective, posterior=posterior, expert_samples=3, laplace_likelihood=scale),
        random_batch(),
    )
    total = model.loss(batch, PRESENT)["total"]
    total.backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    twin = SlowTwin(model, batch, PRESENT)
    twin.backward()
    torch.testing.assert_close(total, -twin.bound(), rtol=1e-5, atol=1e-5)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-4, atol=1e-5, msg=name)


def test_dreg_of_one_sample_is_sticking_the_landing(tiny: Make) -> None:
    batch, results = random_batch(), []
    for objective in ("dreg_looser", "iwae_looser"):
        model = tiny(**(PUBLISHED | {"objective": objective}))
        total = seeded(lambda model=model: model.loss(batch, PRESENT)["total"])
        total.backward()
        results.append([total.detach(), *(weight.grad for weight in model.parameters())])
    torch.testing.assert_close(*results)


def test_detaching_the_posterior_changes_the_gradient_alone(tiny: Make) -> None:
    batch, results = random_batch(), []
    for detach in (True, False):
        model = tiny(**PUBLISHED, detach_posterior=detach)
        total = seeded(lambda model=model: model.loss(batch)["total"])
        total.backward()
        results.append((total.item(), model.encoders["touch"].log_variance.weight.grad))
    assert results[0][0] == results[1][0]
    assert not torch.allclose(results[0][1], results[1][1])


@pytest.mark.parametrize("objective", MIXTURES)
@pytest.mark.parametrize("samples", [1, 4])
def test_every_log_weight_is_the_evidence_where_the_expert_is_exact(
    samples: int, objective: str, linear_gaussian: Make
) -> None:
    model = linear_gaussian("mmvae", ("first",), objective=objective, expert_samples=samples)
    encoder = model.encoders["first"]
    with torch.no_grad():
        model.raw_prior_scale.fill_(math.log(math.e - 1.0))  # softplus: standard normal
        encoder.mean.weight.fill_(0.5)
        encoder.log_variance.bias.fill_(math.log(0.5))
    value = {"first": torch.tensor([[0.7], [-2.0]])}
    expected = -Normal(0.0, math.sqrt(2.0)).log_prob(value["first"])
    totals = [model.loss({"first": value["first"][row : row + 1]})["total"] for row in range(2)]
    torch.testing.assert_close(torch.stack(totals), expected.flatten(), rtol=0, atol=1e-5)
    assert expected[0].item() == pytest.approx(1.3880121)


def test_more_samples_tighten_the_bound_and_one_is_the_elbo(linear_gaussian: Make) -> None:
    """Expert N(0.7, 1) where the exact posterior is N(0.35, 0.5)."""
    bounds = []
    for samples in (1, 4, 16):
        model = linear_gaussian("mmvae", ("first",), objective="iwae_looser", expert_samples=samples)
        with torch.no_grad():
            model.raw_prior_scale.fill_(math.log(math.e - 1.0))
        batch = {"first": torch.full((20_000, 1), 0.7)}
        with torch.no_grad():
            bounds.append(-seeded(lambda model=model, batch=batch: model.loss(batch)["total"]).item())
    elbo = -0.5 * math.log(2.0 * math.pi) - 0.5 - 0.5 * 0.7**2
    assert bounds[0] == pytest.approx(elbo, abs=0.02)
    assert bounds[0] + 0.1 < bounds[1] < bounds[2] - 0.02
    assert bounds[2] < -1.3880121 + 0.01


def test_simple_bound_of_one_modality_is_a_plain_vae(linear_gaussian: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    same_noise(monkeypatch)
    model = linear_gaussian("mmvae", ("first",), beta=0.5, reconstruction_weights=(("first", 3.0),))
    terms = model.loss({"first": torch.tensor([[0.7]])})
    latent = 0.7 - 1.0  # mean 0.7, deviation 1, noise -1
    error = 0.5 * math.log(2.0 * math.pi) + 0.5 * (0.7 - latent) ** 2
    assert terms["first"].item() == pytest.approx(error, abs=1e-6)
    assert terms["kl"].item() == pytest.approx(0.5 * 0.7**2, abs=1e-6)
    assert terms["total"].item() == pytest.approx(3.0 * error + 0.5 * 0.5 * 0.7**2, abs=1e-5)


def test_simple_bound_equals_the_slow_loop(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    same_noise(monkeypatch)
    model, batch = tiny(expert_samples=2, beta=0.7), random_batch()
    twin, rows = SlowTwin(model, batch, PRESENT), []
    for row in range(5):
        sources = []
        for source in twin.available(row):
            errors = torch.stack([-twin.log_likelihood(latent, row) for latent in twin.leaves[source][:, row]])
            posterior = Normal(*(part[row] for part in twin.posteriors[source]))
            divergence = torch.distributions.kl_divergence(posterior, Normal(0.0, 1.0)).sum()
            sources.append(errors.mean() + 0.7 * divergence)
        rows.append(torch.stack(sources).mean())
    torch.testing.assert_close(model.loss(batch, PRESENT)["total"], torch.stack(rows).mean())


@pytest.mark.parametrize("objective", ["elbo_simple", *MIXTURES])
def test_incomplete_rows_cost_what_their_modalities_cost(
    objective: str, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_noise(monkeypatch)
    model, batch = tiny(objective=objective, expert_samples=2), random_batch()
    mixed, rows = model.loss(batch, PRESENT), []
    for row in range(5):
        names = [name for name in batch if PRESENT[name][row]]
        rows.append(model.loss({name: batch[name][row : row + 1] for name in names}))
    for term, value in mixed.items():
        torch.testing.assert_close(value, torch.stack([row[term] for row in rows]).mean())


@pytest.mark.parametrize("objective", ["elbo_simple", *MIXTURES])
def test_absent_everywhere_is_a_model_without_it(objective: str, tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    same_noise(monkeypatch)
    model, batch = tiny(objective=objective), random_batch()
    fewer = tiny(("touch", "label"), objective=objective)
    weights = dict(model.state_dict())
    if model.raw_prior_scale is not None:
        weights["raw_prior_scale"] = weights["raw_prior_scale"][[0, 2]]
    fewer.load_state_dict({name: weights[name] for name in fewer.state_dict()})
    nowhere = torch.zeros(5, dtype=torch.bool)
    total = model.loss(batch | {"smell": torch.full((5, 2), math.nan)}, {"smell": nowhere})["total"]
    rest = {name: batch[name] for name in ("touch", "label")}
    torch.testing.assert_close(total, fewer.loss(rest)["total"])
    total.backward()
    for name, weight in model.named_parameters():
        assert weight.grad is None or torch.isfinite(weight.grad).all()
        assert "smell" not in name or weight.grad is None


def test_latent_is_the_mean_of_the_locations(tiny: Make) -> None:
    model, batch = tiny(**PUBLISHED), random_batch()
    latents = model.encode(batch, PRESENT)
    for row in range(5):
        locations = [model.encoders[name].mean(batch[name][row]) for name in batch if PRESENT[name][row]]
        torch.testing.assert_close(latents[row], torch.stack(locations).mean(dim=0))


def test_label_of_the_first_class_counts_unless_told_otherwise(tiny: Make) -> None:
    """Rows 0 and 4 are of the first class."""
    batch = random_batch()
    for ignore in (False, True):
        model = tiny(**PUBLISHED, ignore_first_class=ignore)
        for row, counts in ((0, not ignore), (1, True), (4, not ignore)):
            model.zero_grad()
            one = {name: value[row : row + 1] for name, value in batch.items()}
            terms = model.loss(one)
            terms["total"].backward()
            assert (terms["label"].item() > 0.0) == counts
            assert bool(model.decoder("label").layer.bias.grad.any()) == counts


def test_divergence_warms_up(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    same_noise(monkeypatch)
    model, batch = tiny(beta=2.0, warmup_epochs=4), random_batch()
    full = model.loss(batch)
    errors = full["total"] - 2.0 * full["kl"]
    for epoch, weight in ((0, 0.5), (1, 1.0), (3, 2.0), (50, 2.0)):
        model.begin_epoch(epoch)
        torch.testing.assert_close(model.loss(batch)["total"], errors + weight * full["kl"])


def test_one_decoder_call_per_modality(tiny: Make) -> None:
    model, calls = tiny(objective="dreg_looser", expert_samples=6), []
    for name in model.modalities:
        model.decoder(name).register_forward_hook(lambda module, inputs, outputs: calls.append(len(inputs[0])))
    model.loss(random_batch())
    assert calls == [3 * 6 * 5] * 3


def test_no_gradient_no_hook(tiny: Make) -> None:
    model, batch = tiny(objective="dreg_looser", expert_samples=2), random_batch()
    with torch.no_grad():
        expected = seeded(lambda: model.loss(batch)["total"])
    torch.testing.assert_close(seeded(lambda: model.loss(batch)["total"]).detach(), expected)
    with torch.inference_mode():
        torch.testing.assert_close(seeded(lambda: model.loss(batch)["total"]).item(), expected.item())


def test_half_precision_networks_still_give_a_float32_loss(tiny: Make) -> None:
    model, batch = tiny(**PUBLISHED), random_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = model.loss(batch)
        terms["total"].backward()
        assert model.encode(batch).dtype == torch.float32
    assert all(value.dtype == torch.float32 and torch.isfinite(value) for value in terms.values())


def test_samples_come_from_the_mixture_of_priors(tiny: Make) -> None:
    model = tiny(**PUBLISHED)
    with torch.no_grad():
        model.raw_prior_scale[0] = torch.tensor([9.0, 0.0, 0.0])
        model.raw_prior_scale[1] = torch.tensor([0.0, 9.0, 0.0])
        model.raw_prior_scale[2] = -9.0
    latents = model.draw_latents(30_000, torch.Generator().manual_seed(0))
    assert torch.equal(latents, model.draw_latents(30_000, torch.Generator().manual_seed(0)))
    # A third of the samples is Laplace of scale 3 along an axis (variance 18), the rest lies at 0.
    torch.testing.assert_close(latents.var(dim=0), torch.tensor([6.0, 6.0, 0.0]), rtol=0.05, atol=0.01)
    plain = tiny().draw_latents(30_000, None)
    torch.testing.assert_close(plain.var(dim=0), torch.ones(3), rtol=0.05, atol=0)
    assert model.sample(4)["label"].shape == (4, 4)


def test_presets_hold_the_published_settings() -> None:
    published = make_settings("mmvae", "paper", benchmark="mhd")
    assert (published.objective, published.expert_samples, published.latent_dim) == ("iwae_looser", 1, 64)
    assert (published.posterior, published.laplace_likelihood, published.detach_posterior) == ("laplace", 0.75, True)
    assert dict(published.reconstruction_weights) == {"image": 1.0, "sound": 1.0, "trajectory": 50.0, "label": 50.0}
    assert make_settings("mmvae").objective == "elbo_simple"


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"`beta` has no effect on the objective 'iwae'; leave it at 1.0 \(got 2.0\)"):
        make_settings("mmvae", objective="iwae", beta=2.0)
    for objective in ("elbo_simple", "dreg_looser"):
        with pytest.raises(ValueError, match=r"`detach_posterior` has no effect on the objective"):
            make_settings("mmvae", objective=objective, detach_posterior=False)
    with pytest.raises(ValueError, match=r"`posterior` must be 'gaussian' for the objective 'elbo_simple'"):
        make_settings("mmvae", posterior="laplace")
    with pytest.raises(ValueError, match=r"`expert_samples` must be positive; got 0"):
        make_settings("mmvae", expert_samples=0)
    with pytest.raises(ValueError, match=r"`laplace_likelihood` must be positive; got 0\.0"):
        make_settings("mmvae", laplace_likelihood=0.0)
    with pytest.raises(ValueError, match=r"`beta` must be a finite number of at least 0; got -1"):
        make_settings("mmvae", beta=-1.0)
    with pytest.raises(ValueError, match=r"`objective` must be one of .*'dreg_looser'; got 'dreg'"):
        make_settings("mmvae", objective="dreg")
