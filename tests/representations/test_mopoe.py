"""MoPoE and MVTCAE against every subset written out, with torch.distributions, on linear Gaussian models."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from anysense.representations import Modality, Representation, build, make_settings
from anysense.representations.maths.gaussian import Gaussian, kl, product_of_experts
from anysense.representations.maths.subsets import every_subset_of_rows
from anysense.representations.methods.settings.mvtcae import MVTCAESettings

MakeModel = Callable[..., Representation]
SLOPES = {"first": 1.0, "second": 2.0, "third": -0.5}
NOISE = {"first": 1.0, "second": 0.5, "third": 2.0}
NAMES = tuple(SLOPES)


def expert(name: str, value: float) -> Normal:
    """What the encoder of the fixture says of z: x / slope, with the noise over the slope."""
    return Normal(torch.tensor(value / SLOPES[name]).double(), torch.tensor(NOISE[name] / abs(SLOPES[name])).double())


def product(experts: list[Normal], prior: bool) -> Normal:
    """By precisions."""
    every = [*experts, *([Normal(torch.tensor(0.0).double(), 1.0)] if prior else [])]
    precision = sum(1.0 / float(one.scale) ** 2 for one in every)
    mean = sum(float(one.loc) / float(one.scale) ** 2 for one in every) / precision
    return Normal(torch.tensor(mean).double(), torch.tensor(precision**-0.5).double())


def expected_error(name: str, value: float, posterior: Normal) -> float:
    """Mean of -log N(x; slope * z, noise) over z from the posterior, in closed form."""
    slope, noise = SLOPES[name], NOISE[name]
    square = (value - slope * float(posterior.loc)) ** 2 + (slope * float(posterior.scale)) ** 2
    return 0.5 * math.log(2 * math.pi * noise**2) + square / (2 * noise**2)


def subsets(names: list[str]) -> list[tuple[str, ...]]:
    return [it for size in range(1, len(names) + 1) for it in itertools.combinations(names, size)]


ROWS = {"first": [0.4, -1.2, 2.0, 0.3], "second": [1.5, -0.3, math.nan, 0.2], "third": [0.1, 0.9, -0.7, math.nan]}
HAS = [["first", "second", "third"], ["first", "second", "third"], ["first", "third"], ["first"]]
REPEATS = 40_000


def batch(repeats: int = 1) -> tuple[dict[str, Tensor], Tensor]:
    """The four rows and their masks; the last row has one modality, what is absent is NaN."""
    present = torch.tensor([[name in has for has in HAS] for name in NAMES]).repeat(1, repeats)
    values = {name: torch.tensor(column)[:, None].repeat(repeats, 1) for name, column in ROWS.items()}
    values["second"][3::4] = math.nan
    return values, present


def standard() -> Normal:
    return Normal(torch.tensor(0.0).double(), 1.0)


@pytest.mark.parametrize("prior", [False, True])
def test_mopoe_is_the_mean_over_all_subsets_of_each_row(linear_gaussian: MakeModel, prior: bool) -> None:
    divergence, errors = 0.0, dict.fromkeys(NAMES, 0.0)
    for row, has in enumerate(HAS):
        every = subsets(has)
        assert len(every) == 2 ** len(has) - 1
        for subset in every:
            posterior = product([expert(name, ROWS[name][row]) for name in subset], prior)
            divergence += float(kl_divergence(posterior, standard())) / len(every) / len(HAS)
            for name in has:
                errors[name] += expected_error(name, ROWS[name][row], posterior) / len(every) / len(HAS)
    for decoded in (1, 4, 7):
        settings = {"prior_expert": prior, "decoded_subsets": decoded, "beta": 0.7}
        model = linear_gaussian("mopoe", reconstruction_weights=(("second", 3.0),), **settings)
        values, present = batch(REPEATS)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            found = {name: term.item() for name, term in model.loss(values, present).items()}
        assert found["kl"] == pytest.approx(divergence, rel=1e-4)
        assert {name: found[name] for name in NAMES} == pytest.approx(errors, rel=0.025)
        parts = 0.7 * found["kl"] + found["first"] + 3.0 * found["second"] + found["third"]
        assert found["total"] == pytest.approx(parts, rel=1e-5)


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_mvtcae_is_its_terms_written_out(linear_gaussian: MakeModel, alpha: float, prior: bool) -> None:
    total, terms = 0.0, dict.fromkeys(("kl", "conditional_kl", *NAMES), 0.0)
    for row, has in enumerate(HAS):
        experts = {name: expert(name, ROWS[name][row]) for name in has}
        joint, count = product(list(experts.values()), prior), len(has)
        own = float(kl_divergence(joint, standard()))
        others = sum(float(kl_divergence(joint, one)) for one in experts.values())
        errors = {name: expected_error(name, ROWS[name][row], joint) for name in has}
        loss = (count - alpha) / count * sum(errors.values())
        total += (loss + 0.7 * ((1 - alpha) * own + alpha / count * others)) / len(HAS)
        for name, value in {"kl": own, "conditional_kl": others / count, **errors}.items():
            terms[name] += value / len(HAS)
    model = linear_gaussian("mvtcae", alpha=alpha, prior_expert=prior, beta=0.7)
    values, present = batch(REPEATS)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        found = {name: term.item() for name, term in model.loss(values, present).items()}
    assert found["kl"] == pytest.approx(terms["kl"], rel=1e-4)
    assert found["conditional_kl"] == pytest.approx(terms["conditional_kl"], rel=1e-4)
    assert {name: found[name] for name in NAMES} == pytest.approx({name: terms[name] for name in NAMES}, rel=0.025)
    assert found["total"] == pytest.approx(total, rel=0.025)


@pytest.mark.parametrize("method", ["mopoe", "mvtcae"])
def test_latents_are_the_means_of_the_products(linear_gaussian: MakeModel, method: str) -> None:
    values, present = batch()
    for prior in (False, True):
        found = linear_gaussian(method, prior_expert=prior).encode(values, present)
        expected = [
            float(product([expert(name, ROWS[name][row]) for name in has], prior).loc) for row, has in enumerate(HAS)
        ]
        assert found.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_every_subset_of_each_row() -> None:
    present = torch.tensor([[True, True, False], [True, False, True], [True, True, False]])
    found = every_subset_of_rows(present)
    assert found.shape == (7, 3, 3)
    for row in range(3):
        has = [index for index in range(3) if present[index, row]]
        made = {tuple(table[:, row].nonzero().flatten().tolist()) for table in found}
        assert made - {()} == {it for size in (1, 2, 3) for it in itertools.combinations(has, size)}
        assert len([table for table in found if table[:, row].any()]) == 2 ** len(has) - 1


def test_divergences_and_products_equal_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    means, logs = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    experts = Gaussian(means, logs)
    found = kl(Gaussian(means[0], logs[0]), experts)
    normal = [Normal(mean, (0.5 * log).exp()) for mean, log in zip(means, logs, strict=True)]
    for row, one in zip(found, normal, strict=True):
        torch.testing.assert_close(row, kl_divergence(normal[0], one).sum(dim=-1))
    present = torch.tensor([[True, False, True, False], [True, True, False, False], [True, False, False, False]])
    mean, log = product_of_experts(experts, present, prior=False)
    for row in range(4):
        chosen = present[:, row]
        precision = (-logs[chosen, row]).exp()
        total = precision.sum(dim=0) if chosen.any() else torch.ones(5, dtype=torch.float64)
        torch.testing.assert_close((-log[row]).exp(), total)
        torch.testing.assert_close(mean[row], (precision * means[chosen, row]).sum(dim=0) / total)


def test_gradients_in_double_precision() -> None:
    values = torch.randn(2, 3, 2, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    present = torch.tensor([[True, True], [True, False], [False, True]])

    def divergences(it: Tensor) -> Tensor:
        joint = product_of_experts(Gaussian(*it), present, prior=False)
        return torch.where(present, kl(joint, Gaussian(*it)), 0.0).sum()

    assert torch.autograd.gradcheck(divergences, (values,))


@pytest.mark.parametrize("method", ["mopoe", "mvtcae"])
def test_order_of_modalities_and_rows_does_not_matter(linear_gaussian: MakeModel, method: str) -> None:
    """Divergences are exact, and those of a model with its modalities the other way round."""
    values, present = batch()
    order, turned = torch.tensor([2, 0, 3, 1]), {name: values[name] for name in reversed(NAMES)}
    names = ("kl", "conditional_kl") if method == "mvtcae" else ("kl",)
    expected = linear_gaussian(method).loss(values, present)
    shuffled = linear_gaussian(method).loss({name: rows[order] for name, rows in values.items()}, present[:, order])
    other = linear_gaussian(method, tuple(reversed(NAMES))).loss(turned, present.flip(0))
    for name in names:
        torch.testing.assert_close(shuffled[name], expected[name])
        torch.testing.assert_close(other[name], expected[name])


def test_agreeing_experts_have_no_conditional_divergence_but_for_their_number(linear_gaussian: MakeModel) -> None:
    """Alone, a modality is the posterior; M equal experts differ from their product by its smaller variance alone."""
    model = linear_gaussian("mvtcae", ("first",))
    assert model.loss({"first": torch.randn(5, 1)})["conditional_kl"].item() == pytest.approx(0.0, abs=1e-6)
    same = Gaussian(torch.zeros(4, 1, 1), torch.zeros(4, 1, 1))
    joint = product_of_experts(same, torch.ones(4, 1, dtype=torch.bool), prior=False)
    assert kl(joint, same).mean().item() == pytest.approx(0.5 * (1 / 4 - 1 + math.log(4)))


def test_settings_and_presets() -> None:
    for method in ("mopoe", "mvtcae"):
        for benchmark in ("pendulum", "mhd", "mfeat", "generic", "hyperhot"):
            mvae, own = (make_settings(name, "default", benchmark=benchmark) for name in ("mvae", method))
            for name in ("latent_dim", "reconstruction_weights", "beta", "warmup_epochs"):
                assert getattr(own, name) == getattr(mvae, name)
    with pytest.raises(ValueError, match=r"`alpha` must lie in \[0, 1\); got 1.0"):
        MVTCAESettings(alpha=1.0)
    many = {f"m{index}": Modality(f"m{index}", (1,), "float32", 0.0, 1.0) for index in range(11)}
    with pytest.raises(ValueError, match="`modalities` must be at most 10 to take every subset of them; got 11"):
        build("mopoe", many)
    assert build("mvtcae", many).encode({"m3": np.zeros((2, 1), np.float32)}).shape == (2, 64)
