"""Missing modalities: which modalities are present, what absent ones look like, how often they go missing."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anysense.envs import PRESENT, Corrupt, MissingModalities, VectorMissingModalities, present_modalities


def episodes(env: gymnasium.Env, count: int, steps: int = 3) -> list[np.ndarray]:
    """Returns `present` of each observation: one array (1 + steps, n) per episode."""
    rows = []
    for episode in range(count):
        observation, _ = env.reset(seed=0 if episode == 0 else None)
        rows.append([observation[PRESENT], *(env.step(env.action_space.sample())[0][PRESENT] for _ in range(steps))])
    return [np.array(row) for row in rows]


def test_observation_space(toy_env: Any) -> None:
    plain = toy_env().observation_space
    space = MissingModalities(toy_env(), 0.5).observation_space
    assert PRESENT == "present"
    assert set(space.spaces) == {"image", "sound", "present"}
    assert space["present"] == spaces.MultiBinary(2)
    assert space["image"] == plain["image"]
    assert (space["sound"].low == 0).all()
    assert (space["sound"].high == plain["sound"].high).all()
    assert space["sound"].dtype == np.float32
    assert present_modalities(space) == present_modalities(plain) == ("image", "sound")


def test_modalities_are_sorted_whatever_the_order_of_the_space() -> None:
    box = spaces.Box(0, 1, (1,), np.float32)
    assert present_modalities(spaces.Dict({"b": box, "present": box, "a": box}, sort_keys=False)) == ("a", "b")


@given(
    image=st.floats(0, 1),
    sound=st.floats(0, 1),
    per=st.sampled_from(["episode", "step"]),
    keep_one=st.booleans(),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_present_modalities_are_true_and_absent_ones_zero(
    image: float, sound: float, per: Any, keep_one: bool, seed: int, toy_env: Any
) -> None:
    plain = SyncVectorEnv([toy_env] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    inner = SyncVectorEnv([toy_env] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    venv = VectorMissingModalities(inner, {"image": image, "sound": sound}, per, keep_one)
    actions = np.zeros((3, 1), np.float32)
    pairs = [(venv.reset(seed=seed)[0], plain.reset(seed=seed)[0])]
    for _ in range(8):
        ours, truth = venv.step(actions), plain.step(actions)
        pairs.append((ours[0], truth[0]))
        np.testing.assert_array_equal(ours[1], truth[1])
    for ours, truth in pairs:
        assert venv.observation_space.contains(ours)
        for column, modality in enumerate(("image", "sound")):
            shown = ours[PRESENT][:, column].astype(bool)
            np.testing.assert_array_equal(ours[modality][shown], truth[modality][shown])
            assert not ours[modality][~shown].any()
        if keep_one:
            assert ours[PRESENT].any(axis=1).all()


def test_draw_lasts_an_episode_or_a_step(toy_env: Any) -> None:
    per_episode = episodes(MissingModalities(toy_env(limit=99), 0.5), 60)
    assert all((rows == rows[0]).all() for rows in per_episode)
    assert len({tuple(rows[0]) for rows in per_episode}) == 3
    per_step = episodes(MissingModalities(toy_env(limit=99), 0.5, "step"), 60)
    assert sum((rows != rows[0]).any() for rows in per_step) > 40


@pytest.mark.parametrize(
    ("probability", "keep_one", "expected"),
    [
        # independent draws; with keep_one "both missing" is shared out among the modalities that may stay
        ({"image": 0.3}, True, {(1, 1): 0.7, (0, 1): 0.3}),
        (0.5, False, {(1, 1): 0.25, (1, 0): 0.25, (0, 1): 0.25, (0, 0): 0.25}),
        (0.5, True, {(1, 1): 0.25, (1, 0): 0.375, (0, 1): 0.375}),
        ({"image": 0.2, "sound": 0.6}, True, {(1, 1): 0.32, (1, 0): 0.48 + 0.06, (0, 1): 0.08 + 0.06}),
        (1.0, True, {(1, 0): 0.5, (0, 1): 0.5}),
        (1.0, False, {(0, 0): 1.0}),
        (0.0, True, {(1, 1): 1.0}),
        ({"image": 1.0, "sound": 0.5}, True, {(0, 1): 1.0}),
    ],
)
def test_frequencies(
    probability: float | Mapping[str, float], keep_one: bool, expected: dict[Any, float], toy_env: Any
) -> None:
    venv = VectorMissingModalities(SyncVectorEnv([toy_env] * 2000), probability, keep_one=keep_one)
    rows = venv.reset(seed=1)[0][PRESENT]
    assert rows.dtype == np.int8
    frequencies = {key: float((rows == key).all(axis=1).mean()) for key in expected}
    assert sum(frequencies.values()) == 1.0
    for key, share in expected.items():
        # 4.5 standard deviations of a frequency from 2000 draws; certain where the share is 0 or 1
        assert abs(frequencies[key] - share) <= 4.5 * np.sqrt(share * (1 - share) / 2000)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"probability": 1.5}, ValueError, r"`probability of modality 'image'` must lie in \[0, 1\], got 1.5"),
        (
            {"probability": {"sound": -0.1}},
            ValueError,
            r"`probability of modality 'sound'` must lie in \[0, 1\], got -0.1",
        ),
        ({"probability": float("nan")}, ValueError, r"must lie in \[0, 1\], got nan"),
        (
            {"probability": {"sonud": 0.1}},
            ValueError,
            "`probability` must be one of 'image', 'sound'; got 'sonud'. Did .*'sound'",
        ),
        (
            {"probability": 0.5, "per": "steps"},
            ValueError,
            "`per` must be one of 'episode', 'step'; got 'steps'. Did .*'step'",
        ),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], match: str, toy_env: Any) -> None:
    with pytest.raises(error, match=match):
        MissingModalities(toy_env(), **arguments)
    with pytest.raises(error, match=match):
        VectorMissingModalities(SyncVectorEnv([toy_env]), **arguments)


def test_wrong_spaces(toy_env: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a `gymnasium.spaces.Dict` of modalities, got Box"):
        MissingModalities(gymnasium.make("Pendulum-v1"), 0.5)
    env = toy_env()
    env.observation_space = spaces.Dict({"image": spaces.Discrete(3)})
    with pytest.raises(TypeError, match=r"modality 'image' must be a `gymnasium.spaces.Box`, got Discrete"):
        MissingModalities(env, 0.5)


@pytest.mark.parametrize("keep_one", [True, False])
def test_what_an_environment_says_is_absent_stays_absent(keep_one: bool, toy_env: Any) -> None:
    inner = MissingModalities(toy_env(), 0.5, "step", keep_one=False)
    env = MissingModalities(inner, {"image": 1.0}, "step", keep_one=keep_one)
    told = np.concatenate(episodes(MissingModalities(toy_env(), 0.5, "step", keep_one=False), 20))
    both = np.concatenate(episodes(env, 20))
    last = keep_one & (told[:, 1] == 0)  # The image is dropped, but for where nothing else is there.
    assert np.array_equal(both, np.stack([told[:, 0] * last, told[:, 1]], axis=1))
    assert set(map(tuple, told.tolist())) == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("told", [[1.0, np.nan], [2, 1], [0.5, 0]])
@pytest.mark.parametrize("wrap", [lambda env: MissingModalities(env, 0), lambda env: Corrupt(env, "sound:dead_sensor")])
def test_what_is_told_must_be_zero_or_one(wrap: Any, told: list[float], toy_env: Any) -> None:
    env = MissingModalities(toy_env(), 0.0)
    env = gymnasium.wrappers.TransformObservation(env, lambda it: {**it, PRESENT: np.array(told)}, None)
    with pytest.raises(ValueError, match=r"`present` must hold booleans, or 0 and 1; got \[\["):
        wrap(env).reset(seed=0)
