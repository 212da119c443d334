"""MUSE: the divergence between posteriors in closed form, subsets against a loop, published switches."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from anysense.representations import Modality, Networks, build, make_settings
from anysense.representations.maths.gaussian import Gaussian, kl_to_standard, product_of_experts, symmetric_kl
from anysense.representations.methods.muse import MUSE, alma, subset_table
from anysense.representations.methods.two_level import Noise
from anysense.representations.observations import check_batch

SIZES = {"touch": 3, "smell": 2, "taste": 4}


def small(family: Networks, **overrides: object) -> MUSE:
    modalities = {name: Modality(name, (size,), "float32") for name, size in SIZES.items()}
    chosen = {"latent_dim": 5, "top_widths": (8,), "default_modality_dim": 4, **overrides}
    representation = build("muse", modalities, make_settings("muse", **chosen), family, seed=1)
    assert isinstance(representation, MUSE)
    return representation


def observed(rows: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return {name: torch.rand(rows, size, generator=generator) for name, size in SIZES.items()}


def gaussian(mean: float, variance: float) -> Gaussian:
    return Gaussian(torch.tensor([mean]), torch.tensor([math.log(variance)]))


def normal(part: Gaussian) -> Normal:
    return Normal(part.mean, (0.5 * part.log_variance).exp())


def product_by_hand(experts: list[Gaussian]) -> Gaussian:
    """Of N(0, I) and the experts, by their precisions."""
    precision = 1.0 + sum((-expert.log_variance).exp() for expert in experts)
    mean = sum(expert.mean * (-expert.log_variance).exp() for expert in experts) / precision
    return Gaussian(torch.as_tensor(mean), -torch.as_tensor(precision).log())


def divergence_by_hand(joint: Gaussian, subset: Gaussian) -> Tensor:
    first, second = normal(joint), normal(subset)
    return (kl_divergence(first, second) + kl_divergence(second, first)).sum(dim=-1)


# Closed forms


@pytest.mark.parametrize(("mean", "variance", "expected"), [(1.0, 1.0, 1.0), (0.0, 4.0, 1.125), (1.0, 4.0, 1.75)])
def test_symmetric_divergence_from_the_standard_normal(mean: float, variance: float, expected: float) -> None:
    standard, other = gaussian(0.0, 1.0), gaussian(mean, variance)
    assert symmetric_kl(standard, other).item() == pytest.approx(expected)
    assert symmetric_kl(other, standard).item() == pytest.approx(expected)
    assert symmetric_kl(other, other).item() == pytest.approx(0.0, abs=1e-6)


@given(st.integers(1, 5), st.floats(-3.0, 3.0), st.floats(0.1, 10.0))
def test_alma_of_identical_experts(count: int, mean: float, variance: float) -> None:
    experts = Gaussian(torch.full((count, 1, 1), mean), torch.full((count, 1, 1), math.log(variance)))
    present, table = torch.ones(count, 1, dtype=torch.bool), torch.eye(count, dtype=torch.bool)
    joint = product_of_experts(experts, present)
    found = alma(joint, product_of_experts(experts, table[:, :, None] & present), table, present)
    whole, single = 1.0 / (1.0 + count / variance), 1.0 / (1.0 + 1.0 / variance)
    assert joint.log_variance.item() == pytest.approx(math.log(whole), rel=1e-4, abs=1e-5)
    square = (mean * whole * count / variance - mean * single / variance) ** 2
    expected = 0.5 * (square + single) / whole + 0.5 * (square + whole) / single - 1.0
    assert found.item() == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_alma_of_one_modality_is_0() -> None:
    part, present = Gaussian(torch.randn(1, 4, 3), torch.randn(1, 4, 3)), torch.ones(1, 4, dtype=torch.bool)
    joint = product_of_experts(part, present)
    for subsets in ("singletons", "proper"):
        table = subset_table(1, subsets)
        posteriors = product_of_experts(part, table[:, :, None] & present)
        assert torch.equal(alma(joint, posteriors, table, present), torch.zeros(4))


def test_experts_that_know_nothing() -> None:
    experts = Gaussian(torch.randn(3, 4, 2), torch.full((3, 4, 2), math.inf))
    present, table = torch.ones(3, 4, dtype=torch.bool), subset_table(3, "proper")
    joint = product_of_experts(experts, present)
    assert torch.equal(kl_to_standard(joint), torch.zeros(4))
    assert torch.equal(
        alma(joint, product_of_experts(experts, table[:, :, None] & present), table, present), torch.zeros(4)
    )


# Subsets


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_tables_of_subsets(count: int) -> None:
    assert torch.equal(subset_table(count, "singletons"), torch.eye(count, dtype=torch.bool))
    table = subset_table(count, "proper")
    rows = {tuple(row) for row in table.tolist()}
    assert table.shape == (2**count - 2, count)
    assert rows == {
        tuple(name in chosen for name in range(count))
        for size in range(1, count)
        for chosen in itertools.combinations(range(count), size)
    }


def upper_terms_by_hand(muse: MUSE, batch: dict[str, Tensor], names: list[str], noise: Noise) -> dict[str, Tensor]:
    """Terms of one row that has the named modalities, subset by subset."""
    latents, experts = {}, {}
    for name in names:
        mean, log_variance = muse.bottom[name](batch[name])
        latents[name] = (mean + (0.5 * log_variance).exp() * noise.bottom[name]).detach()
        experts[name] = muse.experts[name](latents[name])
    joint = product_by_hand(list(experts.values()))
    top = joint.mean + (0.5 * joint.log_variance).exp() * noise.top
    sizes = [1] if muse.settings.subsets == "singletons" else range(1, len(names))
    subsets = [chosen for size in sizes for chosen in itertools.combinations(names, size)]
    divergences = [divergence_by_hand(joint, product_by_hand([experts[name] for name in chosen])) for chosen in subsets]
    return {
        "latent_reconstruction": sum(
            10.0 * ((muse.top_decoders[name](top) - latents[name]) ** 2).sum(dim=-1) for name in names
        ),
        "top_kl": kl_divergence(normal(joint), Normal(0.0, 1.0)).sum(dim=-1),
        "alma": 1.5 * torch.stack(divergences).mean(dim=0) if divergences else torch.zeros(1),
    }


@pytest.mark.parametrize("subsets", ["singletons", "proper"])
def test_upper_terms_by_hand(linear_networks: Networks, subsets: str) -> None:
    muse, batch = small(linear_networks, subsets=subsets, alma_weight=1.5), observed(7)
    noise = muse.draw_noise(7)
    has = torch.tensor([[bool(row >> bit & 1) for bit in range(3)] for row in range(1, 8)]).T
    present = dict(zip(SIZES, has, strict=True))
    terms = muse.loss_given(check_batch(batch, present, muse.modalities, muse.device), noise)
    rows = []
    for row in range(7):
        one = slice(row, row + 1)
        names = [name for name in SIZES if present[name][row]]
        single = Noise({name: value[one] for name, value in noise.bottom.items()}, noise.top[one])
        rows.append(upper_terms_by_hand(muse, {name: batch[name][one] for name in names}, names, single))
    for name in rows[0]:
        torch.testing.assert_close(terms[name], torch.stack([row[name] for row in rows]).mean(), msg=name)


def test_latents_are_products_of_all_present_experts(linear_networks: Networks) -> None:
    muse, batch = small(linear_networks), observed(5)
    for names in (("touch",), ("smell", "taste"), tuple(SIZES)):
        experts = [muse.experts[name](muse.bottom[name](batch[name]).mean) for name in names]
        torch.testing.assert_close(muse.encode({name: batch[name] for name in names}), product_by_hand(experts).mean)


def test_alma_trains_joint_and_subsets(linear_networks: Networks) -> None:
    muse = small(linear_networks)
    muse.loss(observed(6))["alma"].backward()
    assert all(p.grad is not None and p.grad.any() for p in muse.experts.parameters())
    assert all(p.grad is None or not p.grad.any() for p in muse.top_decoders.parameters())


def test_published_divergence_that_never_counts(linear_networks: Networks) -> None:
    muse, batch = small(linear_networks, top_kl_inert=True, top_warmup_epochs=200), observed(6)
    for epoch in (0, 499):
        muse.begin_epoch(epoch)
        assert muse.loss(batch)["top_kl"] == 0.0
    assert muse.eval().loss(batch)["top_kl"] == 0.0


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"`subsets` must be one of 'singletons', 'proper'; got 'pairs'"):
        make_settings("muse", subsets="pairs")
    with pytest.raises(ValueError, match="`alma_weight` must be a finite number of at least 0; got -1"):
        make_settings("muse", alma_weight=-1.0)


def test_published_settings_of_the_pendulum() -> None:
    settings = make_settings("muse", "paper", benchmark="pendulum")
    assert (dict(settings.modality_dims), settings.latent_dim) == ({"image": 16, "sound": 8}, 10)
    assert (settings.top_widths, settings.top_warmup_epochs, settings.subsets) == ((256,) * 3, 200, "singletons")
    assert (settings.alma_weight, settings.default_latent_weight) == (1.0, 10.0)
    assert dict(settings.reconstruction_weights) == {"sound": 100.0}
