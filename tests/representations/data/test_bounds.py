"""Generative methods on modalities without bounds: they get those of the training data, and keep them."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anysense.representations import METHODS, Modality, build, load_representation
from anysense.representations.data import Samples
from anysense.representations.data.bounds import MARGIN, with_bounds
from anysense.representations.training import PretrainSettings, pretrain
from anysense.runs.cli import main

GENERATIVE = [name for name in METHODS.names() if METHODS.get(name).generative]
SHAPES = {"walk": (6, 2), "touch": (3,), "map": (2, 8, 8)}


def recorded(rows: int = 24) -> Samples:
    rng = np.random.default_rng(0)
    values = {name: 100 * rng.normal(size=(rows, *shape)) for name, shape in SHAPES.items()}
    values["touch"][:, 1] = 7.0  # never changes
    values["touch"][3] = np.nan  # absent
    known = {name: Modality(name, shape, "float32") for name, shape in SHAPES.items()}
    return Samples(known, values, (np.arange(rows) % 2).astype("f4"), {"touch": np.arange(rows) != 3})


@pytest.mark.parametrize("method", GENERATIVE)
def test_every_generative_method_on_data_without_bounds(method: str, tmp_path: Path) -> None:
    samples = recorded()
    with pytest.raises(ValueError, match=r"modality 'walk' has no bounds; give .*or training data to `build`"):
        build(method, samples.modalities)
    representation = build(method, samples.modalities, data=samples)
    run = PretrainSettings(epochs=1, batch_size=12, precision="32", device="cpu")
    pretrain(representation, samples, samples, run, tmp_path)
    loaded: Any = load_representation(tmp_path / "representation")
    for name, modality in with_bounds(samples.modalities, samples).items():
        assert (loaded.modalities[name].low, loaded.modalities[name].high) == (modality.low, modality.high)
    decoded = loaded.translate({"walk": samples.values["walk"]})
    for name, value in decoded.items():
        low, high = loaded.modalities[name].bounds()
        assert bool(((value >= torch.tensor(low) - 1e-3) & (value <= torch.tensor(high) + 1e-3)).all())


def test_bounds_are_range_and_margin_per_feature() -> None:
    samples = recorded()
    found = with_bounds(samples.modalities, samples)
    walk = samples.values["walk"].double().numpy().reshape(-1, 2)
    span = walk.max(axis=0) - walk.min(axis=0)
    np.testing.assert_allclose(found["walk"].low, walk.min(axis=0) - MARGIN * span)
    np.testing.assert_allclose(found["walk"].high, walk.max(axis=0) + MARGIN * span)
    assert found["walk"].bounds()[0].shape == (6, 2)
    assert (found["touch"].low[1], found["touch"].high[1]) == (3.5, 10.5)  # type: ignore[index]
    assert isinstance(found["map"].low, float)
    known = {"touch": Modality("touch", (3,), "float32", -1.0, 1.0), "eye": Modality("eye", (1, 4, 4), "uint8")}
    assert with_bounds(known, samples) == known
    nothing = Samples(samples.modalities, samples.values, masks={"touch": np.zeros(24)})
    with pytest.raises(ValueError, match="bounds of modality 'touch' are unknown, and it is in no sample"):
        with_bounds(samples.modalities, nothing)


@settings(max_examples=50, deadline=None)
@example(np.full((3, 2), 2.8936618e38, np.float32))
@given(arrays(np.float32, (3, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_any_finite_data_are_scaled_to_the_unit_interval(values: np.ndarray) -> None:
    touch = Modality("touch", (2,), "float32")
    low, high = with_bounds({"touch": touch}, Samples({"touch": touch}, {"touch": values}))["touch"].bounds()
    span = (high - low).astype(np.float32)
    assert np.isfinite(span).all()
    assert (span > 0).all()
    scaled = (values.clip(-1.5e38, 1.5e38) - low.astype(np.float32)) / span
    assert ((scaled >= 0) & (scaled <= 1 + 1e-6)).all()


class Unbounded(gym.Env[Any, Any]):
    """Two modalities of a Box without bounds."""

    observation_space = gym.spaces.Dict(
        {name: gym.spaces.Box(-np.inf, np.inf, (2,), np.float32) for name in ("far", "near")}
    )
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, ...]:
        return self._seen(), 0.0, False, False, {}

    def _seen(self) -> dict[str, np.ndarray]:
        place = self.np_random.normal(size=2).astype(np.float32)
        return {"far": 100 * place, "near": place}


def test_command_on_an_environment_without_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(gym.registry, "tests/Unbounded-v0", None)
    del gym.registry["tests/Unbounded-v0"]
    gym.register("tests/Unbounded-v0", entry_point=Unbounded, max_episode_steps=10)
    asked = ["--env", "tests/Unbounded-v0", "--method", "mvae", "--preset", "smoke", "--samples", "100"]
    assert main(["pretrain", *asked, "--epochs", "1", "--out", "out", "--name", "a"]) == 0
    far = load_representation(next((tmp_path / "out").rglob("representation"))).modalities["far"]
    low, high = far.bounds()
    assert low.max() < -100 < 100 < high.min()
