"""Steps per second of the environment, against rendering Gymnasium's pendulum at each step."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np

from anysense.envs import DEFAULT_WORLD
from bench.measure import SMOKE, Bench, Figure, alternate, ratio, speed

__all__ = ["Part"]

_ACTIONS = 256


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Steps per second of the environment, against Gymnasium's pendulum with a frame rendered at each step."""

    smoke: ClassVar = {**SMOKE, "num_envs": 4, "sound_envs": 4}

    num_envs: int = 64
    """Environments of the vector form with image and sound."""
    sound_envs: int = 256
    """Environments of the vector form with sound only."""

    def measure(self) -> list[Figure]:
        """Measure the single form, and the vector form with both modalities and with each form of sound only.

        Raises:
            ModuleNotFoundError: pygame, which draws Gymnasium's pendulum, is not installed.
        """
        if importlib.util.find_spec("pygame") is None:
            raise ModuleNotFoundError(
                "Gymnasium's pendulum is drawn with pygame: pip install 'anysense[window]' first."
            )
        pendulum, ours = gymnasium.make("Pendulum-v1", render_mode="rgb_array"), gymnasium.make(DEFAULT_WORLD)
        sides = {
            "rendered": _single(pendulum, self.seed, steps=10, render=True),
            "single": _single(ours, self.seed, steps=200, render=False),
            "vector": _vector(self.num_envs, ("image", "sound"), self.seed),
            "sound": _vector(self.sound_envs, ("sound",), self.seed),
            "waveform": _vector(self.num_envs, ("sound",), self.seed, sound="waveform"),
            "mel": _vector(self.num_envs, ("sound",), self.seed, sound="mel"),
        }
        rates = alternate(sides, self.repeats, self.seconds)
        rendered = rates["rendered"]
        return [
            speed("Pendulum-v1 of Gymnasium, rgb_array, render at each step", rendered, "steps"),
            speed("single, image and sound", rates["single"], "steps"),
            speed(f"vector of {self.num_envs}, image and sound", rates["vector"], "steps"),
            speed(f"vector of {self.sound_envs}, sound only", rates["sound"], "steps", target=1e6),
            speed(f"vector of {self.num_envs}, waveform of 3 receivers", rates["waveform"], "steps", target=5_000),
            speed(f"vector of {self.num_envs}, mel of 3 receivers", rates["mel"], "steps", target=3_000),
            ratio("single against rendered Gymnasium", rates["single"], rendered, target=30),
            ratio(f"vector of {self.num_envs} against rendered Gymnasium", rates["vector"], rendered, target=1000),
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


def _vector(
    num_envs: int, modalities: tuple[str, ...], seed: int, steps: int = 20, sound: str = "tones"
) -> Callable[[], int]:
    env = gymnasium.make_vec(DEFAULT_WORLD, num_envs=num_envs, modalities=modalities, sound=sound)
    actions = np.random.default_rng(seed).uniform(-2, 2, (steps, num_envs, 1)).astype(np.float32)
    env.reset(seed=seed)

    def work() -> int:
        for action in actions:
            env.step(action)
        return steps * num_envs

    return work
