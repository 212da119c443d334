"""`anysense bench train`: SAC on latents encoded once per step, against the frozen encoder inside its policy.

Both sides are what `anysense train` builds, with `--encode once` and `--encode in-policy`, on one processor thread as
there, and take one gradient step per environment step. Measured with the default encoder and with the published one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3 import SAC

from anysense.agents.algorithms.catalogue import build_model, make_agent_settings
from anysense.agents.environments import TrainingEnvironment
from anysense.agents.frozen import FrozenEncoder
from anysense.common.randomness import forked_generators
from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.representations.contract import modalities_from_space
from anysense.representations.registry import build, make_settings
from bench.measure import Figure, alternate, ratio, speed

__all__ = ["bench_train"]

_STEPS_AT_ONCE = 50


def bench_train(
    repeats: int, seconds: float, seed: int, batch_size: int, buffer_size: int, device: str
) -> list[Figure]:
    """Measure environment and training steps per second and replay memory, for both encoders."""
    with forked_generators():
        return [
            figure
            for preset in ("default", "paper")
            for figure in _compare(preset, repeats, seconds, seed, batch_size, buffer_size, device)
        ]


def _compare(
    preset: str, repeats: int, seconds: float, seed: int, batch_size: int, buffer_size: int, device: str
) -> list[Figure]:
    """Figures of both sides with the encoder of one preset of GMC."""
    space = MultimodalPendulumEnv().observation_space
    representation = build("gmc", modalities_from_space(space), make_settings("gmc", preset), seed=seed)
    encoder = FrozenEncoder(representation).to(device)
    sizes = {"batch_size": batch_size, "buffer_size": buffer_size, "learning_starts": batch_size}
    models = {
        name: _model(encoder, name == "once", seed, device, n_envs=1, gradient_steps=1, **sizes)
        for name in ("once", "inside")
    }
    for model in models.values():
        model.learn(batch_size + 1)  # fill the memory far enough that every further step learns
    rates = alternate(
        {"once": _learning(models["once"], _STEPS_AT_ONCE), "inside": _learning(models["inside"], 1)}, repeats, seconds
    )
    memory = {name: replay_bytes(model) / buffer_size for name, model in models.items()}
    return [
        speed(f"{preset} encoder: latents encoded once", rates["once"], "steps"),
        speed(f"{preset} encoder: inside the policy", rates["inside"], "steps"),
        ratio(f"{preset} encoder: once against inside", rates["once"], rates["inside"], target=20),
        Figure(f"{preset} encoder: replay memory of latents", "bytes/transition", [memory["once"]]),
        Figure(f"{preset} encoder: replay memory of observations", "bytes/transition", [memory["inside"]]),
        Figure(
            f"{preset} encoder: memory inside against once", "times", [memory["inside"] / memory["once"]], target=25
        ),
    ]


def _model(encoder: FrozenEncoder, once: bool, seed: int, device: str, **overrides: int) -> SAC:
    """SAC as `anysense train` makes it, on latents or with the encoder in its policy."""
    settings = make_agent_settings("sac", "default", **overrides)
    modalities = tuple(encoder.representation.modalities)
    layers = TrainingEnvironment.make(settings.n_envs, modalities, {}, encoder=encoder if once else None)
    model = build_model("sac", settings, layers.venv, seed, device, None if once else encoder)
    assert isinstance(model, SAC)
    return model


def replay_bytes(model: SAC) -> int:
    """Bytes of all arrays in the replay memory of a model."""
    buffer = model.replay_buffer
    assert buffer is not None
    return sum(_array_bytes(value) for value in vars(buffer).values())


def _array_bytes(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    return sum(_array_bytes(entry) for entry in value.values()) if isinstance(value, dict) else 0


def _learning(model: SAC, steps: int) -> Callable[[], int]:
    def work() -> int:
        model.learn(steps, reset_num_timesteps=False)
        return steps

    return work
