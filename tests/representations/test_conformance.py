"""The contract, for every registered method on every benchmark it has settings for: a method is tested by existing."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anysense.representations import (
    METHODS,
    Modality,
    Representation,
    load_representation,
    presets,
    save_representation,
)
from anysense.representations.benchmarks import PRESET_NAMES
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from anysense.representations.data.readers.sentiment import SENTIMENT_MODALITIES
from tests.representations.models import preset_model

Observation = dict[str, Tensor]

GENERIC = {
    "photo": Modality("photo", (3, 16, 16), "uint8"),
    "touch": Modality("touch", (5,), "float32", -1.0, 1.0),
    "joints": Modality("joints", (8, 3), "float32", -1.0, 1.0),
}
WORLDS: Mapping[str, Mapping[str, Modality]] = {
    "pendulum": {},
    "mhd": MHD_MODALITIES,
    "generic": GENERIC,
    "mosi": {name: replace(each, shape=(10, each.shape[1])) for name, each in SENTIMENT_MODALITIES("mosi").items()},
}


def cases() -> list[tuple[str, str, str]]:
    """Method, benchmark and preset; presets with equal settings once. Published sizes of sentiment take too long.

    A method like another has its networks and sizes, which are tested there: it is left out on the largest networks.
    """
    found = []
    for method, benchmark in SETS:
        if benchmark == "mhd" and METHODS.get(method).settings_class.like:
            continue
        seen: list[object] = []
        for preset in PRESET_NAMES if benchmark != "mosi" else PRESET_NAMES[:2]:
            family = presets(benchmark).networks(method, preset)
            settings = presets(benchmark).method_settings(method, preset), family and family.settings
            if settings not in seen:
                seen.append(settings)
                found.append((method, benchmark, preset))
    return found


SETS = [(method, name) for method in METHODS.names() for name in WORLDS if method in presets(name).methods]
CASES = cases()
GENERATIVE = [case for case in CASES if METHODS.get(case[0]).generative]
SUPERVISED = [case for case in CASES if METHODS.get(case[0]).needs_target]


@dataclass
class World:
    """A representation, and random observations for it."""

    representation: Representation
    draw: Callable[..., Observation]

    def target(self, rows: int) -> Tensor | None:
        return torch.linspace(-1.0, 3.0, rows) if self.representation.needs_target else None

    def loss(self, batch: Observation, present: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The loss with fixed draws."""
        with seeded():
            return self.representation.loss(batch, present, self.target(len(next(iter(batch.values())))))

    def subsets(self) -> list[tuple[str, ...]]:
        names = tuple(self.representation.modalities)
        return [subset for size in range(1, len(names) + 1) for subset in combinations(names, size)]


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def random_value(modality: Modality, rows: int, generator: torch.Generator) -> Tensor:
    shape = (rows, *modality.shape)
    if modality.dtype == "uint8":
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    if modality.name == "label":
        return torch.eye(modality.shape[0])[torch.randint(modality.shape[0], (rows,), generator=generator)]
    return torch.rand(shape, generator=generator)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def world(request: pytest.FixtureRequest, pendulum_modalities, pendulum_batch) -> World:
    method, benchmark, preset = request.param
    modalities = pendulum_modalities if benchmark == "pendulum" else WORLDS[benchmark]

    def draw(rows: int, seed: int = 0) -> Observation:
        if benchmark == "pendulum":
            return dict(pendulum_batch(rows, seed))
        generator = torch.Generator().manual_seed(seed)
        return {name: random_value(modality, rows, generator) for name, modality in modalities.items()}

    return World(preset_model(method, modalities, preset, benchmark, seed=1).eval(), draw)


def alternating(rows: int) -> Tensor:
    return torch.arange(rows) % 2 == 1


def poisoned(value: Tensor, rows: Tensor) -> Tensor:
    """The same with garbage in ``rows``: NaN, or white in images."""
    value = value.clone()
    value[rows] = math.nan if value.is_floating_point() else 255
    return value


def test_every_non_empty_subset_gives_finite_latents(world: World) -> None:
    batch = world.draw(3)
    for subset in world.subsets():
        latents = world.representation.encode({name: batch[name] for name in subset})
        assert latents.shape == (3, world.representation.latent_dim)
        assert latents.dtype == torch.float32
        assert torch.isfinite(latents).all()


def test_masks_equal_subsets(world: World) -> None:
    """Rows with every subset of modalities, in one batch and one by one."""
    subsets = world.subsets()
    batch = world.draw(len(subsets))
    present = {name: torch.tensor([name in subset for subset in subsets]) for name in batch}
    mixed = world.representation.encode(batch, present)
    assert torch.equal(world.representation.encode(batch, torch.stack(list(present.values()))), mixed)
    for row, subset in enumerate(subsets):
        single = world.representation.encode({name: batch[name][row : row + 1] for name in subset})
        torch.testing.assert_close(mixed[row : row + 1], single, rtol=1e-3, atol=1e-5)


def test_absent_input_has_no_influence(world: World) -> None:
    batch, absent = world.draw(8), alternating(8)
    for name in batch:
        dirty, present = batch | {name: poisoned(batch[name], absent)}, {name: ~absent}
        encoded = world.representation.encode(batch, present)
        torch.testing.assert_close(world.representation.encode(dirty, present), encoded, rtol=0, atol=0)
        total = world.loss(batch, present)["total"]
        assert torch.isfinite(total)
        torch.testing.assert_close(world.loss(dirty, present)["total"], total, rtol=0, atol=0)


def test_wholly_absent_equals_left_out(world: World) -> None:
    batch, nowhere = world.draw(3), torch.zeros(3, dtype=torch.bool)
    for name in batch:
        others = {other: value for other, value in batch.items() if other != name}
        expected = world.representation.encode(others)
        masked = world.representation.encode(batch | {name: poisoned(batch[name], ~nowhere)}, {name: nowhere})
        torch.testing.assert_close(masked, expected, rtol=0, atol=0)
        torch.testing.assert_close(world.representation.encode(others, {name: nowhere}), expected, rtol=0, atol=0)


def test_absent_input_gets_no_gradient(world: World) -> None:
    batch, absent = world.draw(8), alternating(8)
    batch = {
        name: (value.float() / 255 if value.dtype == torch.uint8 else value.clone()).requires_grad_()
        for name, value in batch.items()
    }
    for name, value in batch.items():
        latents = world.representation.encode(batch, {name: ~absent})
        (gradient,) = torch.autograd.grad(latents.square().sum() + latents.sum(), value, allow_unused=True)
        assert gradient is None or torch.isfinite(gradient).all()
        assert gradient is None or not gradient[absent].any()


def test_gradients_of_inputs_do_not_depend_on_the_batch(world: World) -> None:
    """Also of images that are mostly empty, for which there may be a short way in large batches."""

    def gradients(rows: Observation) -> list[Tensor]:
        leaves = [value.detach().clone().requires_grad_() for value in rows.values()]
        latents = world.representation.encode(dict(zip(rows, leaves, strict=True)))
        return list(torch.autograd.grad((latents * torch.linspace(1, 2, latents.shape[1])).sum(), leaves))

    batch = {
        name: value.float() / 255 if value.dtype == torch.uint8 else value for name, value in world.draw(9).items()
    }
    for value in batch.values():
        if value.ndim == 4:
            value[..., 4:, :] = 0.0
    single = [gradients({name: value[row : row + 1] for name, value in batch.items()}) for row in range(9)]
    for found, rows in zip(gradients(batch), zip(*single, strict=True), strict=True):
        torch.testing.assert_close(found, torch.cat(rows), rtol=1e-3, atol=1e-5)


def test_rows_do_not_influence_each_other(world: World) -> None:
    batch, order = world.draw(10), torch.tensor([4, 2, 9, 0, 7, 5, 1, 3, 8, 6])
    latents = world.representation.encode(batch)
    shuffled = world.representation.encode({name: value[order] for name, value in batch.items()})
    torch.testing.assert_close(shuffled, latents[order], rtol=1e-3, atol=1e-5)
    alone = world.representation.encode({name: value[:1] for name, value in batch.items()})
    torch.testing.assert_close(alone, latents[:1], rtol=1e-3, atol=1e-5)


def test_same_call_same_result(world: World) -> None:
    batch, state = world.draw(9), torch.random.get_rng_state()
    assert torch.equal(world.representation.encode(batch), world.representation.encode(batch))
    torch.testing.assert_close(
        world.representation.encode(batch, validate=False), world.representation.encode(batch), rtol=0, atol=0
    )
    assert torch.equal(torch.random.get_rng_state(), state)


def test_input_is_left_alone(world: World) -> None:
    batch = world.draw(4)
    before = {name: value.clone() for name, value in batch.items()}
    name = next(iter(batch))
    world.representation.encode(batch, {name: torch.tensor([True, False, True, False])})
    world.loss(batch)["total"].backward()
    world.representation.zero_grad()
    assert all(torch.equal(batch[name], before[name]) for name in batch)


def test_loss_is_scalar_finite_and_reaches_every_weight(world: World) -> None:
    """In train mode, where nothing is skipped; some draws leave a part out, so several passes count together."""
    world.representation.train()
    for _ in range(3):
        terms = world.representation.loss(world.draw(8), target=world.target(8))
        assert all(value.shape == () and torch.isfinite(value) for value in terms.values())
        terms["total"].backward()
    named = world.representation.named_parameters()
    idle = [name for name, p in named if p.grad is None or not p.grad.any()]
    world.representation.zero_grad()
    world.representation.eval()
    assert idle == []


def test_loss_of_few_complete_rows_is_finite(world: World) -> None:
    batch = world.draw(3)
    name = next(reversed(batch))
    for complete in (0, 1, 2):
        total = world.loss(batch, {name: torch.arange(3) < complete})["total"]
        total.backward()
        assert torch.isfinite(total)
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in world.representation.parameters())
        world.representation.zero_grad()
    assert torch.isfinite(world.loss(world.draw(1))["total"])


def test_saved_and_loaded_is_the_same(world: World, tmp_path: Path) -> None:
    save_representation(world.representation, tmp_path)
    loaded = load_representation(tmp_path)
    batch = world.draw(5)
    assert type(loaded) is type(world.representation)
    assert loaded.settings == world.representation.settings
    assert type(loaded.networks) is type(world.representation.networks)
    assert loaded.networks is None or loaded.networks.settings == world.representation.networks.settings
    assert loaded.modalities == world.representation.modalities
    frozen = copy.deepcopy(world.representation).requires_grad_(False)  # as loaded: torch multiplies otherwise if not
    for subset in world.subsets():
        part = {name: batch[name] for name in subset}
        assert torch.equal(loaded.encode(part), frozen.encode(part))


@pytest.mark.parametrize("world", GENERATIVE, indirect=True, ids="-".join)
def test_decoded_observations_are_valid_ones(world: World) -> None:
    """Whatever a generative method decodes, it takes again as an observation."""
    batch, name = world.draw(3), next(iter(world.representation.modalities))
    decoded = world.representation.translate({name: batch[name]})
    assert {key: (value.shape, value.dtype) for key, value in decoded.items()} == {
        key: (value.shape, value.dtype) for key, value in batch.items()
    }
    assert torch.isfinite(world.representation.encode(decoded)).all()
    drawn = [world.representation.sample(2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert all(torch.equal(drawn[0][key], drawn[1][key]) for key in batch)
    assert any(not torch.equal(drawn[0][key], drawn[2][key]) for key in batch)
    with pytest.raises(ValueError, match=r"`latent` must have shape \(B, \d+\); got \(3,\)"):
        world.representation.decode(torch.zeros(3))
    with pytest.raises(ValueError, match=r"`modalities` must be one of .*; got 'smell'"):
        world.representation.decode(torch.zeros(1, world.representation.latent_dim), ("smell",))
    with pytest.raises(ValueError, match="`count` must be at least 1; got 0"):
        world.representation.sample(0)


@pytest.mark.parametrize("world", SUPERVISED, indirect=True, ids="-".join)
def test_supervised_methods_predict_and_need_targets(world: World) -> None:
    representation, batch = world.representation, world.draw(4)
    for subset in world.subsets():
        predicted = representation.predict({name: batch[name] for name in subset})
        assert predicted.shape == (4,)
        assert torch.isfinite(predicted).all()
    with pytest.raises(ValueError, match=r"`target` is missing: .* is supervised"):
        representation.loss(batch)
    with pytest.raises(ValueError, match="`target` must have one entry per row, 4"):
        representation.loss(batch, target=torch.zeros(3))
    with pytest.raises(ValueError, match="`target` must be finite"):
        representation.loss(batch, target=torch.full((4,), math.nan))


@pytest.mark.parametrize(("method", "benchmark"), [case for case in SETS if case[1] != "mhd"])
def test_overfits_a_tiny_batch(method: str, benchmark: str, pendulum_modalities, pendulum_batch) -> None:
    modalities = pendulum_modalities if benchmark == "pendulum" else WORLDS[benchmark]
    generator = torch.Generator().manual_seed(0)
    batch = (
        pendulum_batch(8)
        if benchmark == "pendulum"
        else {name: random_value(modality, 8, generator) for name, modality in modalities.items()}
    )
    representation = preset_model(method, modalities, "smoke", benchmark)
    target = torch.linspace(-2, 2, 8) if representation.needs_target else None
    optimiser, losses = torch.optim.Adam(representation.parameters(), lr=3e-3, fused=True), []
    with seeded():
        while len(losses) < 100 and not learned(losses):
            total = representation.loss(batch, target=target)["total"]
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            losses.append(total.item())
    assert learned(losses), (losses[0], losses[-1])


def learned(losses: list[float]) -> bool:
    """Whether the last five losses are all below the first one by 30%."""
    return len(losses) > 5 and losses[0] - max(losses[-5:]) > 0.3 * abs(losses[0])
