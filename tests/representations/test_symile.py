"""Symile: its loss against loops, what it prefers, and how it trains on the encoders of GMC."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from anysense.representations import Modality, build, make_settings
from anysense.representations.methods.settings.symile import SymileSettings
from anysense.representations.methods.symile import SymileContrast, multilinear_logits
from anysense.representations.networks.catalogue import networks
from tests.oracles.contrasts import infonce

ONLY: dict[str, Any] = {"cosine_weight": 0.0, "alignment_weight": 1.0, "temperature": 0.1}
NAMES = ("a", "b", "c", "d")


def directions(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def latents(rows: int, modalities: int, size: int = 6) -> dict[str, Tensor]:
    return dict(zip(NAMES, directions(modalities, rows, size), strict=False))


def loss(single: dict[str, Tensor], seed: int = 0, **settings: Any) -> Tensor:
    """The loss of products alone, with its shuffles drawn from a seed."""
    contrast = SymileContrast(SymileSettings(**ONLY | settings), tuple(single))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        (found,) = contrast.terms(directions(*next(iter(single.values())).shape), single).values()
    return found


def twin(single: dict[str, Tensor], temperature: float, seed: int = 0) -> float:
    """Loops over anchors and samples; negatives are drawn as the loss draws them."""
    names, total = list(single), 0.0
    rows, count = {name: value.numpy() for name, value in single.items()}, len(single["a"])
    generator = torch.Generator().manual_seed(seed)
    for anchor in names:
        first, *rest = [name for name in names if name != anchor]
        orders = {first: range(count)} | {name: torch.randperm(count, generator=generator).tolist() for name in rest}
        for n in range(count):
            scores = []
            for j in range(count):
                score = 0.0
                for d in range(rows[anchor].shape[1]):
                    factor = rows[anchor][n, d]
                    for name in orders:
                        factor *= rows[name][n if j == n else orders[name][j], d]
                    score += factor
                scores.append(math.exp(score * rows[anchor].shape[1] ** (len(names) / 2 - 1) / temperature))
            total -= math.log(scores[n] / sum(scores))
    return total / count / len(names)


@pytest.mark.parametrize("modalities", [2, 3, 4])
def test_equals_loops(modalities: int) -> None:
    single = latents(5, modalities)
    for temperature, seed in ((0.1, 0), (0.5, 1)):
        assert loss(single, seed, temperature=temperature).item() == pytest.approx(twin(single, temperature, seed))


def test_two_modalities_are_told_apart_by_their_cosines_both_ways() -> None:
    single = latents(7, 2)
    logits, own = single["a"] @ single["b"].T / 0.2, torch.arange(7)
    expected = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(loss(single, temperature=0.2), expected)


def test_products_of_aligned_and_of_orthogonal_latents() -> None:
    """Rows of a Hadamard matrix, of signs over sqrt(D): an even number of factors is 1 with itself, else 0."""
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    rows = torch.kron(torch.kron(two, two), two) / math.sqrt(8)
    for factors in (2, 4):
        others = rows.expand(factors - 1, 8, 8)
        logits = multilinear_logits(rows, others, others)
        torch.testing.assert_close(logits, torch.eye(8, dtype=torch.float64))
    single = dict.fromkeys(NAMES[:2], rows)
    assert loss(single, temperature=0.05).item() == pytest.approx(math.log1p(7 * math.exp(-20.0)), rel=1e-4)


def test_equal_latents_of_all_samples_cost_log_b() -> None:
    single = {name: directions(1, 6).expand(9, 6) for name in NAMES[:3]}
    assert loss(single).item() == pytest.approx(math.log(9))


def test_gradient() -> None:
    rows = directions(3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda it: loss(dict(zip(NAMES, it, strict=False)), temperature=0.5), (rows,))


def test_order_of_samples_and_modalities_does_not_matter_on_average() -> None:
    """The shuffles differ, so means over many draws are compared; with two modalities nothing is drawn."""
    single, order = latents(6, 3), torch.tensor([3, 0, 5, 1, 4, 2])

    def mean(of: dict[str, Tensor]) -> float:
        return float(np.mean([loss(of, seed, temperature=1.0).item() for seed in range(300)]))

    expected = mean(single)
    assert mean({name: rows[order] for name, rows in single.items()}) == pytest.approx(expected, abs=0.01)
    assert mean({name: single[name] for name in "cab"}) == pytest.approx(expected, abs=0.01)
    pair = {name: single[name] for name in "ab"}
    assert loss(pair).item() == pytest.approx(loss({name: pair[name][order] for name in "ba"}).item())


def test_learns_what_no_pair_knows() -> None:
    """The third of three signs is the product of the others: products tell samples apart, pairs share nothing."""
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=2)), dtype=torch.float64)
    given = torch.stack([signs[:, 0], signs[:, 1], signs.prod(dim=1)])
    assert torch.equal(given @ given.T, 4 * torch.eye(3, dtype=torch.float64))
    single = {name: row[:, None] for name, row in zip(NAMES, given, strict=False)}  # one dimension: the sign itself
    known = float(np.mean([loss(single, seed, temperature=0.1).item() for seed in range(50)]))
    pairs = [loss({"a": single[one], "b": single[two]}, temperature=0.1) for one, two in ("ab", "ac", "bc")]
    assert known < math.log(2.5) < min(pairs).item()


def test_a_part_of_cosines_and_the_temperature() -> None:
    joint, single = directions(5, 6, seed=9), latents(5, 3)
    mixed = SymileContrast(SymileSettings(temperature=0.1, cosine_weight=0.25, cosine_temperature=0.7), tuple(single))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        terms = mixed.terms(joint, single)
    assert terms.pop("symile").item() == pytest.approx(0.75 * loss(single).item())
    expected = {name: 0.25 * infonce(joint.numpy(), rows.numpy(), 0.7) for name, rows in single.items()}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected)
    learning = SymileContrast(SymileSettings(**ONLY, learn_temperature=True), tuple(single))
    (term,) = learning.terms(joint, single).values()
    term.backward()
    assert learning.log_temperature.grad.item() != 0.0
    assert learning.temperature().item() == pytest.approx(0.1)


WRONG = {
    "`cosine_weight` must lie in [0, 1); got 1.0": {"cosine_weight": 1.0},
    "`alignment_weight` must be positive with `cosine_weight` 0: nothing else trains": {"cosine_weight": 0.0},
    "`cosine_temperature` has no effect with `cosine_weight` 0": ONLY | {"cosine_temperature": 0.5},
    "`temperature` must be positive; got 0.0": {"temperature": 0.0},
    "`temperature` must lie in [0.01, 1.0] to be learned; got 2.0": {"temperature": 2.0, "learn_temperature": True},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_settings(message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        SymileSettings(**WRONG[message])
    assert message in str(caught.value)


def test_presets_and_modalities(pendulum_modalities: dict[str, Modality], pendulum_batch: Callable[..., Any]) -> None:
    """Sizes are those of GMC on the same data; one modality has cosines alone; rows must be complete to count."""
    for benchmark in ("pendulum", "mhd", "mfeat", "generic", "hyperhot"):
        for preset in ("smoke", "default", "paper"):
            gmc, own = (make_settings(name, preset, benchmark=benchmark) for name in ("gmc", "symile"))
            sizes = ("latent_dim", "common_dim", "head_widths")
            assert [getattr(own, name) for name in sizes] == [getattr(gmc, name) for name in sizes]
    settings = make_settings("symile", "smoke", benchmark="pendulum")
    method, batch = build("symile", pendulum_modalities, settings, networks("pendulum")), pendulum_batch(6)
    image = {"image": pendulum_modalities["image"]}
    terms = build("symile", image, settings, networks("pendulum")).loss({"image": batch["image"]})
    assert terms.keys() == {"total", "image"}
    with pytest.raises(ValueError, match="`cosine_weight` must be positive with the one modality 'image'"):
        build("symile", image, SymileSettings(**ONLY), networks("pendulum"))
    terms = method.loss(batch)
    assert terms.keys() == {"total", "image", "sound", "symile"}
    assert all(value.item() == 0.0 for value in method.loss(batch, {"image": torch.arange(6) < 1}).values())
