"""Every argument of environments and wrappers, single and vector: a wrong value is refused by name, before anything is
made of it; a right one works, in whatever form of numpy it comes."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.envs import (
    Corrupt,
    Corruption,
    MissingModalities,
    MultimodalPendulumEnv,
    MultimodalPendulumVectorEnv,
    VectorCorrupt,
    VectorMissingModalities,
    World,
    world,
)
from anysense.envs.sb3_adapter import GymnasiumVecEnv
from anysense.envs.selection import SelectModalities, VectorSelectModalities

NAN = float("nan")
ODD: list[Any] = [
    *(None, True, False, np.True_, 0, 1, 2, -1, 2.0, 1.5, NAN, np.inf, -np.inf, 1e300, 10**12, 10**30, -(10**30)),
    2**63,
    *(np.int64(2), np.int8(-1), np.uint64(2**63), np.float32(0.5), np.float64(NAN), np.array(2), np.array(NAN), 1j),
    *("", "1", "image", "sound", "step", "SameStep", "gym-0.19", "rgb_array", b"1", "x" * 99, "image:delay:1e12", "::"),
    *("sound:delay:1000000000000", "image:gaussian_noise:1e300", "image:gaussian_noise:nan", "image:dead_sensor:3"),
    *("image:delay:2", "sound:frozen_sensor:1", "sound:delay:-0.0", "delay", "gaussian_noise", AutoresetMode.DISABLED),
    *([], [1], (0,), [5], (0, 3), [3, 0], (0, 10**12), (0, NAN), (0, 1, 2), [None, 3], [NAN, 0], [[1], [1, 2]]),
    ["1", "1"],
    *(("image",), ["sound", "image"], ("image", "image"), ("image", 3), {"image"}, np.array(["image"]), ["left_top"]),
    *({}, {1: 2}, {"image": 0.5}, {"image": NAN}, {"smell": 0.5}, {"state": None}, {"state": [0, NAN]}),
    *({"state": [0.0, 9.0]}, {"state": [1e300, 0]}, {"state": ["0", "0"]}, {"state": [[0, 1], [2, 3]]}, {"state": 1j}),
    *({"reset_mask": [True, True]}, {"reset_mask": np.array([True, True])}, {"reset_mask": np.ones(2)}, {"goal": 1}),
    *(np.array([0, 3]), np.array([1, 2]), np.zeros((2, 2)), np.full((2, 1), NAN), np.full((2, 1), np.inf)),
    np.zeros((2, 1), int),
    *(np.array([[0.5], [1]], ">f8")[::-1], np.zeros(1), np.array([NAN]), np.zeros(10**5), object(), max, int),
]  # fmt: skip
"""Types, signs, sizes and forms; what is right for one argument is wrong for the others."""
ANY = st.one_of(
    st.floats(), st.integers(-3, 3), st.integers(10**7), st.text(max_size=3), st.binary(max_size=2), st.booleans(),
    st.lists(st.floats() | st.integers(-3, 3), max_size=3), st.floats(width=32).map(np.float32),
)  # fmt: skip


def single(**options: Any) -> MultimodalPendulumEnv:
    return MultimodalPendulumEnv(**{"modalities": ("image", "sound")} | options)


def vector(**options: Any) -> MultimodalPendulumVectorEnv:
    return MultimodalPendulumVectorEnv(**{"num_envs": 2, "autoreset_mode": "SameStep"} | options)


def running(env: Any) -> Any:
    env.reset(seed=0)
    return env


def loaded(entry: str) -> Callable[[Any], Any]:
    def load(value: Any) -> Any:
        venv = running(vector())
        venv.load_state_dict({**venv.state_dict(), entry: value})
        return venv

    return load


def played(env: Any) -> None:
    """What was accepted works: a reset and two steps inside the space."""
    if isinstance(env, GymnasiumVecEnv):
        env.reset()
        env.step(np.zeros((env.num_envs, 1)))
        return
    assert env.observation_space.contains(env.reset()[0])
    for _ in range(2):
        assert env.observation_space.contains(env.step(env.action_space.sample())[0])


SINGLE = [name for name in inspect.signature(MultimodalPendulumEnv).parameters if name != "unknown"]
VECTOR = [name for name in inspect.signature(MultimodalPendulumVectorEnv).parameters if name != "unknown"]
DROPPED = {"probability": 0.5}
CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    **{f"single {name}": (name, lambda value, name=name: single(**{name: value})) for name in SINGLE},
    **{f"vector {name}": (name, lambda value, name=name: vector(**{name: value})) for name in VECTOR},
    **{f"missing {name}": (name, lambda value, name=name: MissingModalities(single(), **DROPPED | {name: value}))
       for name in ("probability", "per", "keep_one")},
    **{f"vector missing {name}": (name, lambda value, name=name: VectorMissingModalities(
        vector(), **DROPPED | {name: value})) for name in ("probability", "per", "keep_one")},
    "corrupt": ("corruption", lambda value: Corrupt(single(), value)),
    "vector corrupt": ("corruption", lambda value: VectorCorrupt(vector(), value)),
    "corruption's modality": ("modality", lambda value: Corrupt(single(), Corruption(value, "dead_sensor"))),
    "corruption's name": ("corruption", lambda value: Corrupt(single(), Corruption("image", value, 0.5))),
    **{f"level of {name}": ("", lambda value, name=name: VectorCorrupt(vector(), Corruption("image", name, value)))
       for name in ("gaussian_noise", "salt_and_pepper", "dead_sensor", "frozen_sensor", "delay")},
    "select": ("modalities", lambda value: SelectModalities(single(), value)),
    "vector select": ("modalities", lambda value: VectorSelectModalities(vector(), value)),
    "adapter record_episodes": ("record_episodes", lambda value: GymnasiumVecEnv(vector(), value)),
    "adapter info_keys": ("info_keys", lambda value: GymnasiumVecEnv(vector(), info_keys=value)),
    "adapter seed": ("seed", lambda value: GymnasiumVecEnv(vector()).seed(value)),
    "world id": ("env", world),
    **{f"{kind.__name__} make_vec {name}": (name, lambda value, kind=kind, name=name: kind(world().id).make_vec(
        **{"num_envs": 2, "episode_steps": 5} | {name: value})) for kind in (World, type(world()))
       for name in ("num_envs", "modalities", "episode_steps", "autoreset_mode")},
    "single seed": ("seed", lambda value: single().reset(seed=value)),
    "vector seed": ("seed", lambda value: vector().reset(seed=value)),
    "wrapper seed": ("seed", lambda value: MissingModalities(single(), 0.5).reset(seed=value)),
    "vector wrapper seed": ("seed", lambda value: VectorMissingModalities(vector(), 0.5).reset(seed=value)),
    "single options": ("options", lambda value: single().reset(options=value)),
    "vector options": ("options", lambda value: vector().reset(options=value)),
    "vector wrapper options": ("options", lambda value: VectorMissingModalities(vector(), 0.5).reset(options=value)),
    "single action": ("action", lambda value: running(single()).step(value)),
    "vector action": ("action", lambda value: running(vector()).step(value)),
    **{f"state {name}": ("state", loaded(name)) for name in ("states", "elapsed_steps", "ended", "streams")},
}  # fmt: skip
NAMES = {"autoreset_mode": ("autoreset_mode", "episode_steps"), "corruption": ("corruption", "modality", "steps"),
         "episode_steps": ("episode_steps", "max_episode_steps")}  # fmt: skip


def try_out(case: str, value: Any) -> str:
    argument, call = CALLS[case]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = call(value)
            if isinstance(answer, gym.Env | gym.vector.VectorEnv | GymnasiumVecEnv):
                played(answer)
    except (TypeError, ValueError) as error:
        named = any(f"`{name}" in str(error) for name in NAMES.get(argument, (argument,)))
        return "refused" if named else f"{case} given {value!r}: {error!r}"
    return "accepted"


@pytest.mark.parametrize("case", CALLS)
def test_odd_values_are_refused_by_name_or_work(case: str) -> None:
    assert {try_out(case, value) for value in ODD} in ({"refused"}, {"refused", "accepted"})


@pytest.mark.parametrize("case", CALLS)
@settings(max_examples=20, deadline=None)
@given(value=ANY)
def test_any_values_are_refused_by_name_or_work(case: str, value: Any) -> None:
    assert try_out(case, value) in ("refused", "accepted")


@pytest.mark.parametrize(
    ("case", "values"),
    [
        ("single initial_steps", [3, np.int64(2), np.array(2), [0, 3], (0, 3), np.array([0, 3])]),
        ("vector frame_stack", [1, np.int64(2), np.array(2), np.uint8(3)]),
        ("vector num_envs", [1, np.int64(2), np.array(2)]),
        ("vector max_episode_steps", [None, 10**30, np.int64(1)]),
        ("single antialias", [True, np.False_]),
        ("missing probability", [0, 1, 0.5, np.float32(0.5), np.int8(1), {"image": np.float64(0.5)}]),
        ("level of delay", [0, 2.0, np.int64(2), np.float32(1)]),
        ("vector seed", [0, 2**63, np.uint64(2**63), [1, None], np.array([3, 4])]),
        ("vector action", [[[0.5], [1]], np.zeros((2, 1), np.int8), np.array([[0.5], [1]], ">f8")[::-1]]),
        ("vector wrapper options", [None, {}, {"state": np.zeros((2, 2), ">f4")}]),
    ],
)
def test_right_values_in_any_form(case: str, values: list[Any]) -> None:
    assert [try_out(case, value) for value in values] == ["accepted"] * len(values)


@pytest.mark.parametrize("frames", [(1_000, 1_001), (3, 333_334)])
def test_together_they_may_not_take_the_memory(frames: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"`num_envs` must be a whole number from 1 to {10**6 // frames[0]}, got"):
        vector(frame_stack=frames[0], num_envs=frames[1])


@pytest.mark.parametrize("damage", [np.nan, -1.0, 1e9])
@pytest.mark.parametrize("corruption", ["sound:delay:2", "sound:frozen_sensor:0.5"])
def test_states_of_wrappers_outside_the_space_are_refused(corruption: str, damage: float) -> None:
    venv = running(VectorCorrupt(vector(), corruption))
    state = venv.state_dict()
    for entry in (state["model"]["memory"], state["delivered"]):
        name = next(iter(entry))
        with pytest.raises(ValueError, match="`state` has"):
            venv.load_state_dict(_damaged(state, entry, name, damage))
    played(venv)


def _damaged(state: Any, entry: Any, name: str, damage: float) -> Any:
    change = {name: np.full_like(entry[name], damage)}
    if entry is state["delivered"]:
        return {**state, "delivered": {**entry, **change}}
    return {**state, "model": {**state["model"], "memory": {**entry, **change}}}
