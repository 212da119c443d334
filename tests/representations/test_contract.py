"""The contract, for every registered method and preset: a method is tested by existing."""

import math
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor

from anysense.representations import (
    Modality,
    Representation,
    build,
    load_representation,
    make_settings,
    method_names,
    modalities_from_space,
    presets,
    save_representation,
)

CASES = [(method, preset) for method in method_names() for preset in presets(method)]
Observation = dict[str, Tensor]
MakeBatch = Callable[..., Observation]
Take = Callable[[Observation, object], Observation]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def representation(request: pytest.FixtureRequest, pendulum_modalities: dict[str, Modality]) -> Representation:
    method, preset = request.param
    return build(method, pendulum_modalities, make_settings(method, preset), seed=1)


@pytest.fixture
def small(pendulum_modalities: dict[str, Modality]) -> Representation:
    return build("gmc", pendulum_modalities, make_settings("gmc", "smoke"))


def poisoned(batch: Observation, rows: Tensor) -> Observation:
    """The same batch with garbage in ``rows``: NaN in sounds, white in images."""
    out = {name: value.clone() for name, value in batch.items()}
    for value in out.values():
        value[rows] = math.nan if value.is_floating_point() else 255
    return out


def test_every_non_empty_subset_gives_finite_latents(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(3)
    for subset in (("image",), ("sound",), ("image", "sound")):
        latents = representation.encode({name: batch[name] for name in subset})
        assert latents.shape == (3, representation.latent_dim)
        assert latents.dtype == torch.float32
        assert torch.isfinite(latents).all()


def test_masks_equal_subsets(representation: Representation, pendulum_batch: MakeBatch, take: Take) -> None:
    batch = pendulum_batch(10)
    present = {
        "image": torch.tensor([True, True, False, True, False]).repeat(2),
        "sound": torch.tensor([True, False, True, True, True]).repeat(2),
    }
    mixed = representation.encode(batch, present)
    for row in range(10):
        names = [name for name in batch if present[name][row]]
        single = representation.encode({name: batch[name][row : row + 1] for name in names})
        torch.testing.assert_close(mixed[row : row + 1], single, rtol=1e-4, atol=1e-5)


def test_absent_input_has_no_influence(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch, absent = pendulum_batch(8), torch.tensor([False, True, False, True]).repeat(2)
    for name in batch:
        dirty = dict(batch) | {name: poisoned(batch, absent)[name]}
        present = {name: ~absent}
        for call in (representation.encode, lambda *args: representation.loss(*args)["total"]):
            clean = call(batch, present)
            assert torch.isfinite(clean).all()
            torch.testing.assert_close(call(dirty, present), clean, rtol=0, atol=0)


def test_wholly_absent_equals_left_out(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch, nowhere = pendulum_batch(3), torch.zeros(3, dtype=torch.bool)
    for name, other in (("image", "sound"), ("sound", "image")):
        expected = representation.encode({other: batch[other]})
        masked = representation.encode(poisoned(batch, ~nowhere) | {other: batch[other]}, {name: nowhere})
        torch.testing.assert_close(masked, expected, rtol=0, atol=0)
        left_out = representation.encode({other: batch[other]}, {name: nowhere})
        torch.testing.assert_close(left_out, expected, rtol=0, atol=0)


def test_absent_input_gets_no_gradient(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch, absent = pendulum_batch(8), torch.tensor([False, True, False, True]).repeat(2)
    batch = {
        "image": (batch["image"].float() / 255).requires_grad_(),
        "sound": batch["sound"].clone().requires_grad_(),
    }
    representation.encode(batch, {"sound": ~absent, "image": absent | ~absent}).square().sum().backward()
    gradient = batch["sound"].grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert not gradient[absent].any()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in representation.parameters())
    representation.zero_grad()


def test_rows_do_not_influence_each_other(
    representation: Representation, pendulum_batch: MakeBatch, take: Take
) -> None:
    batch, order = pendulum_batch(10), torch.tensor([4, 2, 9, 0, 7, 5, 1, 3, 8, 6])
    latents = representation.encode(batch)
    torch.testing.assert_close(representation.encode(take(batch, order)), latents[order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(representation.encode(take(batch, slice(0, 1))), latents[:1], rtol=1e-4, atol=1e-5)


def test_float_images_equal_uint8_images(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(3)
    scaled = batch | {"image": batch["image"].float() / 255}
    torch.testing.assert_close(representation.encode(scaled), representation.encode(batch), rtol=1e-4, atol=1e-5)


def test_same_call_same_result(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch, state = pendulum_batch(9), torch.random.get_rng_state()
    assert torch.equal(representation.encode(batch), representation.encode(batch))
    torch.testing.assert_close(representation.encode(batch, validate=False), representation.encode(batch))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_input_is_left_alone(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(4)
    before = {name: value.clone() for name, value in batch.items()}
    representation.encode(batch, {"sound": torch.tensor([True, False, True, False])})
    representation.loss(batch)["total"].backward()
    representation.zero_grad()
    assert all(torch.equal(batch[name], before[name]) for name in batch)


def test_loss_is_scalar_finite_and_reaches_every_weight(
    representation: Representation, pendulum_batch: MakeBatch
) -> None:
    terms = representation.loss(pendulum_batch(8))
    assert all(value.shape == () and torch.isfinite(value) for value in terms.values())
    terms["total"].backward()
    idle = [name for name, p in representation.named_parameters() if p.grad is None or not p.grad.any()]
    representation.zero_grad()
    assert idle == []


def test_loss_of_few_complete_rows_is_finite(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(3)
    for complete in (0, 1, 2):
        present = {"sound": torch.arange(3) < complete}
        total = representation.loss(batch, present)["total"]
        total.backward()
        assert torch.isfinite(total)
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in representation.parameters())
        representation.zero_grad()
    assert torch.isfinite(representation.loss(pendulum_batch(1))["total"])


@pytest.mark.parametrize("method", method_names())
def test_overfits_a_tiny_batch(
    method: str, pendulum_modalities: dict[str, Modality], pendulum_batch: MakeBatch
) -> None:
    representation, batch = build(method, pendulum_modalities, make_settings(method, "smoke")), pendulum_batch(8)
    optimiser = torch.optim.Adam(representation.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        total = representation.loss(batch)["total"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(total.item())
    assert losses[-1] < 0.2 * losses[0]


def test_saved_and_loaded_is_the_same(
    representation: Representation, pendulum_batch: MakeBatch, tmp_path: Path
) -> None:
    save_representation(representation, tmp_path)
    loaded = load_representation(tmp_path)
    batch = pendulum_batch(9)
    assert type(loaded) is type(representation)
    assert loaded.settings == representation.settings
    assert loaded.modalities == representation.modalities
    assert loaded.latent_dim == representation.latent_dim
    for name in batch:
        assert torch.equal(loaded.encode({name: batch[name]}), representation.encode({name: batch[name]}))
    assert torch.equal(loaded.encode(batch), representation.encode(batch))


@pytest.mark.parametrize("method", method_names())
def test_one_sense_is_enough(method: str, pendulum_space: gymnasium.spaces.Dict, pendulum_batch: MakeBatch) -> None:
    modalities = modalities_from_space(pendulum_space, senses=["sound"])
    representation = build(method, modalities, make_settings(method, "smoke"))
    sound = {"sound": pendulum_batch(4)["sound"]}
    assert representation.encode(sound).shape == (4, representation.latent_dim)
    assert torch.isfinite(representation.loss(sound)["total"])


# Wrong observations


def test_unknown_modality_names_the_nearest(small: Representation, pendulum_batch: MakeBatch) -> None:
    with pytest.raises(ValueError, match=r"one of 'image', 'sound'; got 'sounds'\. Did you mean 'sound'\?"):
        small.encode({"sounds": pendulum_batch(1)["sound"]})
    with pytest.raises(ValueError, match=r"`present` must be one of 'image', 'sound'; got 'smell'"):
        small.encode(pendulum_batch(1), {"smell": torch.ones(1, dtype=torch.bool)})


def test_wrong_shapes(small: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(2)
    with pytest.raises(ValueError, match=r"`observation\['sound'\]` lacks the batch axis.*\(B, 2, 3, 2\).*unsqueeze"):
        small.encode({"sound": batch["sound"][0]})
    with pytest.raises(
        ValueError, match=r"`observation\['image'\]` must have shape \(B, 2, 60, 60\); got \(2, 2, 60, 50"
    ):
        small.encode({"image": batch["image"][..., :50]})
    with pytest.raises(ValueError, match=r"one batch size for all modalities; got \{'image': 2, 'sound': 1\}"):
        small.encode({"image": batch["image"], "sound": batch["sound"][:1]})


def test_wrong_types(small: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(2)
    with pytest.raises(TypeError, match=r"`observation` must map modality names to tensors; got Tensor"):
        small.encode(batch["sound"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must be a torch\.Tensor; got ndarray.*torch\.as_tensor"):
        small.encode({"sound": batch["sound"].numpy()})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"`observation\['sound'\]` must have dtype torch\.float32; got torch\.float64"):
        small.encode({"sound": batch["sound"].double()})
    with pytest.raises(TypeError, match=r"must have dtype torch\.float32 or torch\.uint8; got torch\.int64"):
        small.encode({"image": batch["image"].long()})


def test_wrong_values(small: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(3)
    for bad in (math.nan, math.inf):
        sound = batch["sound"].clone()
        sound[1, 0, 0, 0] = bad
        with pytest.raises(ValueError, match=r"`observation\['sound'\]` must be finite.*rows \[1\].*`present`"):
            small.encode({"sound": sound})
    with pytest.raises(ValueError, match=r"`observation\['image'\]` is floating.* \[0, 1\]; got values from 0 to 255"):
        small.encode({"image": batch["image"].float()})


def test_wrong_device(small: Representation, pendulum_batch: MakeBatch) -> None:
    with pytest.raises(ValueError, match=r"`observation\['sound'\]` is on meta, the representation on cpu"):
        small.encode({"sound": pendulum_batch(1)["sound"].to("meta")})


def test_nothing_present(small: Representation, pendulum_batch: MakeBatch) -> None:
    batch, nowhere = pendulum_batch(3), torch.zeros(3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"`observation` holds no data.*\['image', 'sound'\]"):
        small.encode({})
    with pytest.raises(ValueError, match=r"`observation` holds no data"):
        small.encode({"sound": batch["sound"][:0]})
    with pytest.raises(ValueError, match=r"`present` leaves every row without any modality"):
        small.encode(batch, {"image": nowhere, "sound": nowhere})
    some = {"image": torch.tensor([True, False, False]), "sound": torch.tensor([False, True, False])}
    with pytest.raises(ValueError, match=r"`present` leaves rows \[2\] without any modality"):
        small.encode(batch, some)
    with pytest.raises(ValueError, match=r"`present` leaves rows \[1, 2\] without any modality"):
        small.encode({"image": batch["image"]}, {"image": some["image"]})


def test_wrong_present(small: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(3)
    with pytest.raises(TypeError, match=r"`present` must map modality names to boolean tensors; got list"):
        small.encode(batch, ["image"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"`present\['image'\]` must be a boolean.* got torch\.uint8.*\.bool\(\)"):
        small.encode(batch, {"image": torch.ones(3, dtype=torch.uint8)})
    with pytest.raises(TypeError, match=r"`present\['image'\]` must be a boolean torch\.Tensor; got bool"):
        small.encode(batch, {"image": True})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"`present\['image'\]` must have shape \(3,\), one per row; got \(2,\)"):
        small.encode(batch, {"image": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(ValueError, match=r"`present\['sound'\]` marks rows as present, but `observation` has no"):
        small.encode({"image": batch["image"]}, {"sound": torch.ones(3, dtype=torch.bool)})


# Modalities


def test_modalities_of_a_space(pendulum_space: gymnasium.spaces.Dict) -> None:
    modalities = modalities_from_space(pendulum_space)
    assert list(modalities) == ["image", "sound"]
    assert modalities["image"] == Modality("image", (2, 60, 60), "uint8", 0.0, 255.0)
    low, high = modalities["sound"].bounds()
    box = pendulum_space["sound"]
    assert isinstance(box, gymnasium.spaces.Box)
    np.testing.assert_array_equal(low, box.low)
    np.testing.assert_array_equal(high, box.high)
    assert list(modalities_from_space(pendulum_space, senses=("sound",))) == ["sound"]


def test_unbounded_space_has_no_bounds() -> None:
    space = gymnasium.spaces.Dict(touch=gymnasium.spaces.Box(-np.inf, np.inf, (3,)))
    modality = modalities_from_space(space)["touch"]
    assert modality.low is None
    with pytest.raises(ValueError, match=r"modality 'touch' has no bounds; give `low` and `high`"):
        modality.bounds()


def test_wrong_spaces(pendulum_space: gymnasium.spaces.Dict) -> None:
    with pytest.raises(TypeError, match=r"`space` must be a gymnasium\.spaces\.Dict.* got Box"):
        modalities_from_space(pendulum_space["image"])
    with pytest.raises(
        ValueError, match=r"`senses` must be one of 'image', 'sound'; got 'imag'\. Did you mean 'image'"
    ):
        modalities_from_space(pendulum_space, senses=["imag"])
    with pytest.raises(TypeError, match=r"`space` entry 'present' must be a Box of dtype uint8 or float32"):
        modalities_from_space(pendulum_space, senses=["present"])
    with pytest.raises(ValueError, match=r"`senses` is empty"):
        modalities_from_space(pendulum_space, senses=[])


def test_wrong_modality_fields() -> None:
    with pytest.raises(ValueError, match=r"`name` of a modality must be an identifier.* got 'two words'"):
        Modality("two words", (3,), "float32")
    for reserved in ("total", "items"):
        with pytest.raises(ValueError, match=rf"`name` of a modality must not be the reserved word '{reserved}'"):
            Modality(reserved, (3,), "float32")
    with pytest.raises(ValueError, match=r"`dtype` must be one of 'uint8', 'float32'; got 'float64'"):
        Modality("touch", (3,), "float64")
    for shape in ((), (0,), (2.0,)):
        with pytest.raises(ValueError, match=r"`shape` of modality 'touch' must hold positive integers"):
            Modality("touch", shape, "float32")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`low` and `high` of modality 'touch' must both be given"):
        Modality("touch", (3,), "float32", low=0.0)
    with pytest.raises(ValueError, match=r"`low` of modality 'touch' must be below `high`"):
        Modality("touch", (2,), "float32", (0.0, 1.0), (1.0, 1.0))
    with pytest.raises(
        ValueError, match=r"`high` of modality 'touch' must be one number or have shape \(3,\); got shape"
    ):
        Modality("touch", (3,), "float32", 0.0, (1.0, 1.0))
    with pytest.raises(ValueError, match=r"`high` of modality 'touch' must be finite"):
        Modality("touch", (3,), "float32", 0.0, math.inf)
    with pytest.raises(ValueError, match=r"bounds of modality 'touch' must be numbers"):
        Modality("touch", (3,), "float32", "low", "high")  # type: ignore[arg-type]
