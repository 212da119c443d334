"""Environments that fail or give what their spaces do not allow are named with what was expected and what came."""

import os
import re
import sys
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from anysense.envs import PRESENT, world
from anysense.envs.faults import EnvironmentFaultError


class Faulty(gym.Env[Any, Any]):
    """Its fault appears in the third step."""

    def __init__(self, fault: str = "", masked: bool = False) -> None:
        flags = {PRESENT: spaces.MultiBinary(2)} if masked else {}
        boxes = {"camera": spaces.Box(0, 255, (1, 4, 4), np.uint8), "imu": spaces.Box(-9, 9, (2,), np.float32)}
        self.observation_space = spaces.Dict({**boxes, **flags})
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        self.fault, self.masked = fault, masked

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.age, self.place = 0, self.np_random.uniform(-1, 1, 2)
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        self.age, self.place = self.age + 1, self.place + 0.1 * action
        observation: Any = self._observation()
        answer = [observation, float(self.place.sum()), self.age == 7, False, {"place": self.place.copy()}]
        if self.age == 3 and self.fault:
            if self.fault == "death":
                os._exit(7)
            FAULTS[self.fault][0](answer)
        return tuple(answer)

    def _observation(self) -> dict[str, Any]:
        camera = self.np_random.integers(0, 256, (1, 4, 4), np.uint8)
        flags = {PRESENT: np.array([1, self.age % 2], np.int8)} if self.masked else {}
        hidden = self.masked and self.age % 2 == 0
        return {"camera": camera, "imu": np.full(2, np.nan) if hidden else self.place.astype(np.float32), **flags}


def seen(**entries: Any) -> Any:
    return lambda answer: answer[0].update(entries)


def put(place: int, value: Any) -> Any:
    return lambda answer: answer.__setitem__(place, value)


def fail(answer: Any) -> None:
    raise ValueError("the motor is hot.")


FAULTS: dict[str, tuple[Any, str]] = {
    "nan": (seen(imu=np.array([0, np.nan], np.float32)), "'imu' has NaN or infinity"),
    "shape": (seen(imu=np.zeros(3, np.float32)), "'imu' must have shape (2,) as declared, got (3,)"),
    "object": (seen(imu=np.array(["a", None], object)), "'imu' must have dtype float32 as declared, got object"),
    "float image": (seen(camera=np.zeros((1, 4, 4))), "'camera' must have dtype uint8 as declared, got float64"),
    "missing": (lambda answer: answer[0].pop("imu"), "the observation must hold 'imu', it holds ['camera']"),
    "tuple": (lambda answer: put(0, tuple(answer[0].values()))(answer), "must be a dictionary, got tuple"),
    "reward": (put(1, np.ones(2)), "the reward must be a finite number, got array([1., 1.])"),
    "no reward": (put(1, None), "the reward must be a finite number, got None"),
    "four": (lambda answer: answer.pop(), "`step` failed with ValueError: not enough values to unpack"),
    "error": (fail, "`step` failed with ValueError: the motor is hot. Repair the environment."),
}


@pytest.fixture(autouse=True)
def _registered() -> Any:
    entry_point = f"{__name__}:Faulty" if __name__ in sys.modules else Faulty
    gym.register("tests/Faulty-v0", entry_point, max_episode_steps=20, disable_env_checker=True)
    yield
    gym.registry.pop("tests/Faulty-v0")


def play(vector: Any, steps: int = 10, **options: Any) -> list[Any]:
    """Everything that three environments give."""
    venv = replace(world("tests/Faulty-v0", options), vector=vector).make_vec(3, episode_steps=5)
    try:
        given: list[Any] = [venv.reset(seed=4)]
        for step in range(steps):
            given.append(venv.step(np.full((3, 2), 0.1 * step, np.float32)))
        return given
    finally:
        venv.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"`env` tests/Faulty-v0: .*" + re.escape(FAULTS[fault][1])):
        play("sync", fault=fault)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("shape", re.escape(FAULTS["shape"][1])),
        ("death", r"ended while it made a step \(exit code 7\)\. `--vector sync`"),
    ],
)
def test_faults_in_processes_are_named_and_no_process_is_left(fault: str, message: str) -> None:
    venv = replace(world("tests/Faulty-v0", {"fault": fault}), vector="async").make_vec(2, episode_steps=None)
    processes = venv.unwrapped.processes
    venv.reset(seed=0)
    with pytest.raises(EnvironmentFaultError, match=message):
        list(map(venv.step, [np.zeros((2, 2), np.float32)] * 4))
    assert not any(process.is_alive() for process in processes)
    venv.close()


def test_processes_give_what_one_process_gives() -> None:
    one, other = play("sync", masked=True), play("async", masked=True)
    assert "final_obs" in one[5][4]
    for step in (*one, *other):
        step[-1].update(sorted([(name, step[-1].pop(name)) for name in list(step[-1])]))
    assert repr(one) == repr(other)  # Short arrays, written out to the last digit.


def test_what_is_absent_may_be_nan() -> None:
    assert np.isnan(play("auto", 2, masked=True)[2][0]["imu"]).all()


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`vector` must be one of 'auto', 'sync', 'async'; got 'asink'"):
        replace(world("tests/Faulty-v0"), vector="asink")


def test_environments_are_reset_where_asked_in_both_forms() -> None:
    masks = []
    for vector in ("sync", "async"):
        known = replace(world("tests/Faulty-v0"), vector=vector)  # type: ignore[arg-type]
        venv = known.make_vec(2, episode_steps=None, autoreset_mode=AutoresetMode.DISABLED)
        venv.reset(seed=1)
        venv.step(np.ones((2, 2), np.float32))
        masks.append(venv.reset(options={"reset_mask": np.array([True, False])})[0])
        venv.close()
    np.testing.assert_equal(masks[1], masks[0])
