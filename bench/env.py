"""`anysense bench env`: steps per second of the environment, against rendering Gymnasium's pendulum at each step."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from anysense.envs import DEFAULT_WORLD
from bench.measure import Figure, alternate, ratio, speed

__all__ = ["bench_env"]

_ACTIONS = 256


def bench_env(repeats: int, seconds: float, seed: int, num_envs: int, sound_envs: int) -> list[Figure]:
    """Measure the single form, the vector form with both modalities and the vector form with sound only.

    Raises:
        ModuleNotFoundError: pygame, which draws Gymnasium's pendulum, is not installed.
    """
    if importlib.util.find_spec("pygame") is None:
        raise ModuleNotFoundError("Gymnasium's pendulum is drawn with pygame: pip install 'anysense[window]' first.")
    both, sound = ("image", "sound"), ("sound",)
    rates = alternate(
        {
            "rendered": _single(gymnasium.make("Pendulum-v1", render_mode="rgb_array"), seed, steps=10, render=True),
            "single": _single(gymnasium.make(DEFAULT_WORLD, modalities=both), seed, steps=200, render=False),
            "vector": _vector(gymnasium.make_vec(DEFAULT_WORLD, num_envs=num_envs, modalities=both), seed, steps=20),
            "sound": _vector(gymnasium.make_vec(DEFAULT_WORLD, num_envs=sound_envs, modalities=sound), seed, steps=20),
        },
        repeats,
        seconds,
    )
    rendered = rates["rendered"]
    return [
        speed("Pendulum-v1 of Gymnasium, rgb_array, render at each step", rendered, "steps"),
        speed("single, image and sound", rates["single"], "steps"),
        speed(f"vector of {num_envs}, image and sound", rates["vector"], "steps"),
        speed(f"vector of {sound_envs}, sound only", rates["sound"], "steps", target=1e6),
        ratio("single against rendered Gymnasium", rates["single"], rendered, target=30),
        ratio(f"vector of {num_envs} against rendered Gymnasium", rates["vector"], rendered, target=1000),
    ]


def _single(env: gymnasium.Env[Any, Any], seed: int, steps: int, render: bool) -> Callable[[], int]:
    actions = np.random.default_rng(seed).uniform(-2, 2, (_ACTIONS, 1)).astype(np.float32)
    env.reset(seed=seed)

    def work() -> int:
        for step in range(steps):
            _, _, terminated, truncated, _ = env.step(actions[step % _ACTIONS])
            if render:
                env.render()
            if terminated or truncated:
                env.reset()
        return steps

    return work


def _vector(env: gymnasium.vector.VectorEnv[Any, Any, Any], seed: int, steps: int) -> Callable[[], int]:
    actions = np.random.default_rng(seed).uniform(-2, 2, (steps, env.num_envs, 1)).astype(np.float32)
    env.reset(seed=seed)

    def work() -> int:
        for action in actions:
            env.step(action)
        return steps * env.num_envs

    return work
