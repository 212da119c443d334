"""What the contract refuses, and what modalities are. Methods are tested in test_conformance."""

import math
from collections.abc import Callable

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor

from anysense.representations import Modality, Representation, modalities_from_space, presets
from tests.representations.models import preset_model

METHODS = presets("pendulum").methods
Observation = dict[str, Tensor]
MakeBatch = Callable[..., Observation]


@pytest.fixture(scope="module", params=METHODS)
def representation(request: pytest.FixtureRequest, pendulum_modalities: dict[str, Modality]) -> Representation:
    return preset_model(request.param, pendulum_modalities, "smoke", seed=1)


@pytest.fixture
def small(pendulum_modalities: dict[str, Modality]) -> Representation:
    return preset_model("gmc", pendulum_modalities, "smoke")


def test_float_images_equal_uint8_images(representation: Representation, pendulum_batch: MakeBatch) -> None:
    batch = pendulum_batch(3)
    scaled = batch | {"image": batch["image"].float() / 255}
    torch.testing.assert_close(representation.encode(scaled), representation.encode(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_one_modality_is_enough(method: str, pendulum_space: gymnasium.spaces.Dict, pendulum_batch: MakeBatch) -> None:
    modalities = modalities_from_space(pendulum_space, modalities=["sound"])
    representation = preset_model(method, modalities, "smoke")
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
    with pytest.raises(
        ValueError, match=r"`observation\['sound'\]` must have shape \(B, 2, 3, 2\); got \(2, 3, 2\)\. Add .*unsqueeze"
    ):
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
    with pytest.raises(TypeError, match=r"`observation\['sound'\]` must be a numpy array or a torch\.Tensor; got list"):
        small.encode({"sound": batch["sound"].tolist()})
    with pytest.raises(TypeError, match=r"`observation\['sound'\]` must have dtype torch\.float32; got torch\.int32"):
        small.encode({"sound": batch["sound"].int()})
    with pytest.raises(TypeError, match=r"must have dtype torch\.uint8 or torch\.float32; got torch\.int64"):
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
    with pytest.raises(TypeError, match=r"`present` must map modality names to boolean arrays, or be one .*; got list"):
        small.encode(batch, ["image"])  # type: ignore[arg-type]
    for bad in (math.nan, 0.5, 2.0):
        with pytest.raises(ValueError, match=rf"`present` must hold booleans, or 0 and 1; got {bad:g} in 1 places"):
            small.encode(batch, torch.tensor([[1.0, 1.0, 1.0], [0.0, bad, 1.0]]))
        with pytest.raises(ValueError, match=r"`present\['sound'\]` must hold booleans, or 0 and 1"):
            small.encode(batch, {"sound": np.array([0.0, bad, 1.0])})
    with pytest.raises(
        ValueError, match=r"`present` must have shape \(2, 3\), one row per modality of \['image', 'sound"
    ):
        small.encode(batch, torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(
        ValueError, match=r"`present` marks rows of 'sound' as present, but `observation` has no 'sound'"
    ):
        small.encode({"image": batch["image"]}, torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"`present\['image'\]` must be a numpy array or a torch\.Tensor; got bool"):
        small.encode(batch, {"image": True})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"`present\['image'\]` must have shape \(3,\), one per row; got \(2,\)"):
        small.encode(batch, {"image": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(ValueError, match=r"`present` marks rows of 'sound' as present, but `observation` has no"):
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
    assert list(modalities_from_space(pendulum_space, modalities=("sound",))) == ["sound"]


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
        ValueError, match=r"`modalities` must be one of 'image', 'sound'; got 'imag'\. Did you mean 'image'"
    ):
        modalities_from_space(pendulum_space, modalities=["imag"])
    with pytest.raises(TypeError, match=r"`space` entry 'present' must be a Box of numbers"):
        modalities_from_space(pendulum_space, modalities=["present"])
    with pytest.raises(ValueError, match=r"`space` must hold a Box of numbers for each modality"):
        modalities_from_space(pendulum_space, modalities=[])


def test_wrong_modality_fields() -> None:
    with pytest.raises(ValueError, match=r"`name` of a modality must be an identifier.* got 'two words'"):
        Modality("two words", (3,), "float32")
    for reserved in ("total", "kl", "items"):
        with pytest.raises(ValueError, match=rf"`name` of a modality must not be the reserved word '{reserved}'"):
            Modality(reserved, (3,), "float32")
    with pytest.raises(ValueError, match=r"`dtype` must be one of 'uint8', 'float32'; got 'float64'"):
        Modality("touch", (3,), "float64")
    for shape in ((), (0,), (2.0,), 5, None, "2"):
        with pytest.raises(ValueError, match=r"`shape` of modality 'touch' must hold positive integers"):
            Modality("touch", shape, "float32")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`low` and `high` of modality 'touch' must both be given"):
        Modality("touch", (3,), "float32", low=0.0)
    with pytest.raises(ValueError, match=r"`low` of modality 'touch' must be below `high`"):
        Modality("touch", (2,), "float32", (0.0, 1.0), (1.0, 1.0))
    with pytest.raises(
        ValueError,
        match=r"`high` of modality 'touch' must be one number or have shape \(3,\), or its last axes; got shape",
    ):
        Modality("touch", (3,), "float32", 0.0, (1.0, 1.0))
    with pytest.raises(ValueError, match=r"`high` of modality 'touch' must be finite"):
        Modality("touch", (3,), "float32", 0.0, math.inf)
    with pytest.raises(ValueError, match=r"bounds of modality 'touch' must be numbers"):
        Modality("touch", (3,), "float32", "low", "high")  # type: ignore[arg-type]
