"""`anysense bench train`: SAC on latents encoded once per step, against the frozen encoder inside its policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecEnv

from anysense.agents.frozen import FrozenExtractor
from anysense.agents.latent import LatentVecEnv
from anysense.envs import ENV_ID
from anysense.envs.sb3_adapter import GymnasiumVecEnv
from anysense.representations.contract import Representation, modalities_from_space
from anysense.representations.registry import build
from anysense.runs.measure import Figure, alternate, ratio, speed

__all__ = ["bench_train"]

_STEPS_AT_ONCE = 50


def bench_train(
    repeats: int, seconds: float, seed: int, batch_size: int, buffer_size: int, device: str
) -> list[Figure]:
    """Measure environment and training steps per second (one gradient step per step) and replay memory of both."""
    representation = build("gmc", modalities_from_space(_environment(seed).observation_space), seed=seed)
    common: dict[str, Any] = {
        "batch_size": batch_size,
        "buffer_size": buffer_size,
        "learning_starts": batch_size,
        "seed": seed,
        "device": device,
    }
    cached = SAC("MlpPolicy", _latents(representation, seed, device), **common)
    inside = SAC(
        "MultiInputPolicy",
        _environment(seed),
        policy_kwargs={
            "features_extractor_class": FrozenExtractor,
            "features_extractor_kwargs": {"representation": representation},
        },
        **common,
    )
    for model in (cached, inside):
        model.learn(batch_size + 1)  # fill the memory far enough that every further step learns
    rates = alternate({"cached": _learning(cached, _STEPS_AT_ONCE), "inside": _learning(inside, 1)}, repeats, seconds)
    sizes = {name: replay_bytes(model) / buffer_size for name, model in (("cached", cached), ("inside", inside))}
    return [
        speed("latents encoded once, in the replay memory", rates["cached"], "steps"),
        speed("encoder inside the policy, observations in the replay memory", rates["inside"], "steps"),
        ratio("latents against encoder inside", rates["cached"], rates["inside"], target=20),
        Figure("replay memory, latents", "bytes/transition", [sizes["cached"]]),
        Figure("replay memory, observations", "bytes/transition", [sizes["inside"]]),
        Figure("replay memory, observations against latents", "times", [sizes["inside"] / sizes["cached"]], target=25),
    ]


def replay_bytes(model: SAC) -> int:
    """Bytes of all arrays in the replay memory of a model."""
    buffer = model.replay_buffer
    assert buffer is not None
    return sum(_array_bytes(value) for value in vars(buffer).values())


def _array_bytes(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    return sum(_array_bytes(entry) for entry in value.values()) if isinstance(value, dict) else 0


def _environment(seed: int) -> VecEnv:
    env = gymnasium.make_vec(ENV_ID, num_envs=1, autoreset_mode=AutoresetMode.SAME_STEP)
    adapted = GymnasiumVecEnv(env)
    adapted.seed(seed)
    return adapted


def _latents(representation: Representation, seed: int, device: str) -> VecEnv:
    env = LatentVecEnv(_environment(seed), representation)
    env.encoder.to(device)
    return env


def _learning(model: SAC, steps: int) -> Callable[[], int]:
    def work() -> int:
        model.learn(steps, reset_num_timesteps=False)
        return steps

    return work
