"""Corruptions of one modality against their definitions, the registry and the written form."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anysense.envs import (
    CORRUPTIONS,
    PRESENT,
    Corrupt,
    Corruption,
    CorruptionModel,
    MissingModalities,
    VectorCorrupt,
    parse_corruption,
)

LEVELLED = [name for name in CORRUPTIONS.names() if CORRUPTIONS.get(name).level is not None]


def some(modality: str, name: str, level: float = 1) -> Corruption:
    """A corruption with the level, where it takes one."""
    return Corruption(modality, name, level if name in LEVELLED else None)


def episode(env: Any, steps: int, modality: str, seed: int = 0) -> np.ndarray:
    """Returns one modality over an episode: (1 + steps, ...)."""
    action = np.zeros(1, np.float32)
    return np.array([env.reset(seed=seed)[0][modality], *(env.step(action)[0][modality] for _ in range(steps))])


def long_pair(toy_env: Any, modality: str, name: str, level: float, steps: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a corrupted modality delivers and the truth."""
    return episode(Corrupt(toy_env(), Corruption(modality, name, level)), steps, modality), episode(
        toy_env(), steps, modality
    )


def test_other_modalities_are_untouched(toy_env: Any) -> None:
    for name in CORRUPTIONS.names():
        np.testing.assert_array_equal(
            episode(Corrupt(toy_env(), some("sound", name)), 5, "image"), episode(toy_env(), 5, "image")
        )


@pytest.mark.parametrize(("modality", "span", "rounding"), [("image", 255, 1 / 12), ("sound", 10, 0)])
def test_gaussian_noise_has_the_given_deviation(modality: str, span: float, rounding: float, toy_env: Any) -> None:
    delivered, truth = long_pair(toy_env, modality, "gaussian_noise", 0.02, steps=800)
    low = 10 if modality == "sound" else 0
    unsaturated = np.abs(truth - (low + span / 2)) < 0.3 * span  # ten deviations away from the bounds
    noise = (delivered.astype(float) - truth)[unsaturated]
    expected = np.sqrt((0.02 * span) ** 2 + rounding)
    assert noise.size > 2000
    assert abs(noise.mean()) < 4.5 * expected / np.sqrt(noise.size)
    assert abs(noise.std() / expected - 1) < 4.5 / np.sqrt(2 * noise.size)


def test_gaussian_noise_saturates(toy_env: Any) -> None:
    delivered, _ = long_pair(toy_env, "image", "gaussian_noise", 100.0)
    shares = [(delivered == value).mean() for value in (0, 255)]
    assert delivered.dtype == np.uint8
    assert min(shares) > 0.45
    assert sum(shares) > 0.99


def test_gaussian_noise_of_wide_integers(toy_env: Any) -> None:
    env = toy_env()
    env.observation_space = spaces.Dict({"count": spaces.Box(0, 2**31 - 2, (1,), np.int32)})
    env._observe = lambda: {"count": np.array([2**31 - 3], np.int32)}
    assert Corrupt(env, "count:gaussian_noise:0").reset()[0]["count"] == 2**31 - 3


@pytest.mark.parametrize("modality", ["image", "sound"])
def test_salt_and_pepper_hits_both_bounds_alike(modality: str, toy_env: Any) -> None:
    delivered, truth = long_pair(toy_env, modality, "salt_and_pepper", 0.3, steps=400)
    low, high = (0, 255) if modality == "image" else (10, 20)
    interior = (truth > low) & (truth < high)
    for bound in (low, high):
        share = (delivered[interior] == bound).mean()
        assert abs(share - 0.15) < 4.5 * np.sqrt(0.15 * 0.85 / interior.sum())
    untouched = interior & (delivered > low) & (delivered < high)
    np.testing.assert_array_equal(delivered[untouched], truth[untouched])
    assert delivered.dtype == truth.dtype
    assert set(np.unique(long_pair(toy_env, modality, "salt_and_pepper", 1.0)[0])) == {low, high}


@pytest.mark.parametrize("name", LEVELLED)
def test_level_zero_changes_nothing(name: str, toy_env: Any) -> None:
    for modality in ("image", "sound"):
        np.testing.assert_array_equal(*long_pair(toy_env, modality, name, 0))


def test_dead_sensor_delivers_zeros_inside_its_space(toy_env: Any) -> None:
    env = Corrupt(toy_env(), "sound:dead_sensor")
    assert not episode(env, 5, "sound").any()
    assert (env.observation_space["sound"].low == 0).all()
    assert (env.observation_space["sound"].high == 20).all()
    assert Corrupt(toy_env(), "image:dead_sensor").observation_space == toy_env().observation_space


def test_frozen_sensor_repeats_what_it_delivered_last(toy_env: Any) -> None:
    delivered, truth = long_pair(toy_env, "image", "frozen_sensor", 0.7, steps=600)
    fresh = (delivered == truth).all(axis=(1, 2, 3))
    assert fresh[0]
    held = np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), 0))
    np.testing.assert_array_equal(delivered, truth[held])
    assert abs(fresh[1:].mean() - 0.3) < 4.5 * np.sqrt(0.21 / 600)
    delivered, truth = long_pair(toy_env, "sound", "frozen_sensor", 1.0)
    np.testing.assert_array_equal(delivered, np.broadcast_to(truth[0], truth.shape))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_delay_delivers_the_past(steps: int, toy_env: Any) -> None:
    env = Corrupt(toy_env(), Corruption("sound", "delay", steps))
    for seed in (0, 1):  # a second episode remembers nothing of the first
        truth = episode(toy_env(), 12, "sound", seed)
        past = truth[np.maximum(np.arange(13) - steps, 0)]
        np.testing.assert_array_equal(episode(env, 12, "sound", seed), past)


@given(
    name=st.sampled_from(CORRUPTIONS.names()),
    modality=st.sampled_from(["image", "sound"]),
    level=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bounds_always_hold(name: str, modality: str, level: float, seed: int, toy_env: Any) -> None:
    level = round(3 * level) if name == "delay" else level
    venv = VectorCorrupt(SyncVectorEnv([toy_env] * 2), some(modality, name, level))
    assert venv.observation_space.contains(venv.reset(seed=seed)[0])
    for _ in range(8):
        assert venv.observation_space.contains(venv.step(np.ones((2, 1), np.float32))[0])


@pytest.mark.parametrize("name", CORRUPTIONS.names())
def test_absent_modalities_stay_zero(name: str, toy_env: Any) -> None:
    env = Corrupt(MissingModalities(toy_env(), {"sound": 0.5}), some("sound", name))
    shown = []
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        for _ in range(3):
            present = bool(observation[PRESENT][1])
            shown.append(present)
            assert present or not observation["sound"].any()
            assert env.observation_space.contains(observation)
            observation = env.step(env.action_space.sample())[0]
    assert set(shown) == {True, False}


def test_text_and_object_are_the_same(toy_env: Any) -> None:
    np.testing.assert_array_equal(
        episode(Corrupt(toy_env(), "sound:gaussian_noise:0.1"), 3, "sound"),
        episode(Corrupt(toy_env(), Corruption("sound", "gaussian_noise", 0.1)), 3, "sound"),
    )


@pytest.mark.parametrize(
    ("modality", "name", "level", "match"),
    [
        ("imagee", "delay", 1, "`modality` must be one of 'image', 'sound'; got 'imagee'. Did you mean 'image'"),
        ("image", "gauss_noise", 1, "`corruption` must be one of 'gaussian_noise', .* Did you mean 'gaussian_noise'"),
        ("image", "gaussian_noise", -1, r"`std` must lie in \[0, 1e\+06\], got -1.0"),
        ("image", "gaussian_noise", float("inf"), r"`std` must lie in \[0, 1e\+06\], got inf"),
        ("image", "salt_and_pepper", 1.1, r"`probability` must lie in \[0, 1\], got 1.1"),
        ("image", "frozen_sensor", float("nan"), r"`probability` must lie in \[0, 1\], got nan"),
        ("image", "dead_sensor", 3, "`corruption` 'dead_sensor' takes no level, got 3.0; write image:dead_sensor"),
        ("image", "delay", 1.5, "`steps` must be a whole number of at least 0, got 1.5"),
        ("image", "delay", -1, "`steps` must be a finite number of at least 0, got -1.0"),
    ],
)
def test_wrong_arguments(modality: str, name: str, level: float, match: str, toy_env: Any) -> None:
    text = f"{modality}:{name}:{level}"
    with pytest.raises(ValueError, match=match):
        Corrupt(toy_env(), text)
    with pytest.raises(ValueError, match=match):
        VectorCorrupt(SyncVectorEnv([toy_env]), text)
    if modality == "image":
        with pytest.raises(ValueError, match=match):
            parse_corruption(text)


@pytest.mark.parametrize("name", ["gaussian_noise", "salt_and_pepper"])
def test_unbounded_modalities_are_refused_where_the_range_counts(name: str, toy_env: Any) -> None:
    env = toy_env()
    env.observation_space = spaces.Dict({"sound": spaces.Box(-np.inf, np.inf, (2,), np.float32)})
    with pytest.raises(ValueError, match=r"modality 'sound' is unbounded, .* give its `Box` finite bounds"):
        Corrupt(env, Corruption("sound", name, 0.1))


@pytest.mark.parametrize(
    ("text", "corruption"),
    [
        ("image:gaussian_noise:0.1", Corruption("image", "gaussian_noise", 0.1)),
        ("sound:salt_and_pepper:1e-3", Corruption("sound", "salt_and_pepper", 0.001)),
        ("sound:dead_sensor", Corruption("sound", "dead_sensor")),
        (" image : frozen_sensor : 1 ", Corruption("image", "frozen_sensor", 1.0)),
        ("image:delay:3", Corruption("image", "delay", 3.0)),
    ],
)
def test_written_form(text: str, corruption: Corruption) -> None:
    assert parse_corruption(text) == corruption
    assert parse_corruption(str(corruption)) == corruption


def test_written_form_is_short() -> None:
    assert str(parse_corruption("image:delay:3.0")) == "image:delay:3"
    assert str(parse_corruption("image:dead_sensor")) == "image:dead_sensor"
    assert str(parse_corruption("image:gaussian_noise:0.1")) == "image:gaussian_noise:0.1"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("gaussian_noise", "must be written modality:name:level, as in image:gaussian_noise:0.1; got 'gaussian_noise'"),
        ("image::0.1", "must be written modality:name:level"),
        ("image:delay:1:2", "must be written modality:name:level"),
        ("image:delay", "`corruption` 'image:delay' lacks its steps; write image:delay:<steps>"),
        ("image:delay:long", "has the level 'long', expected a number"),
    ],
)
def test_wrong_written_form(text: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        parse_corruption(text)


def test_every_model_is_in_the_registry() -> None:
    assert {CORRUPTIONS.get(name) for name in CORRUPTIONS.names()} == set(CorruptionModel.__subclasses__())


def test_a_registered_corruption_works_like_the_others(toy_env: Any) -> None:
    class Inverted(CorruptionModel):
        def deliver(self, values: Any, rows: Any) -> Any:
            return self.box.high - (values - self.box.low)

    CORRUPTIONS.register("inverted", Inverted)
    try:
        np.testing.assert_array_equal(
            episode(Corrupt(toy_env(), "image:inverted"), 4, "image"), 255 - episode(toy_env(), 4, "image")
        )
        assert str(parse_corruption("image:inverted")) == "image:inverted"
    finally:
        del CORRUPTIONS._registered["inverted"]
    with pytest.raises(TypeError, match=r"must be a subclass of anysense\.envs\.CorruptionModel"):
        CORRUPTIONS.register("inverted", dict)  # type: ignore[arg-type]
