"""SAC on latents encoded once per step, against the frozen encoder inside its policy.

Both sides are what `anysense train` builds, with `--encode once` and `--encode in-policy`, on one processor thread as
there, and take one gradient step per environment step. Measured with the default encoder and with the published one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from stable_baselines3 import SAC

from anysense.agents.algorithms.catalogue import build_model, make_agent_settings
from anysense.agents.environments import TrainingEnvironment
from anysense.agents.frozen import FrozenEncoder
from anysense.common.randomness import forked_generators
from anysense.envs import world
from bench.encode import new_representation
from bench.measure import SMOKE, Bench, Figure, alternate, ratio, speed

__all__ = ["Part", "replay_bytes"]

_STEPS_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Environment and training steps per second of SAC: latents encoded once, against the encoder inside the policy."""

    smoke: ClassVar = {**SMOKE, "batch_size": 8, "buffer_size": 200}

    threads: int | None = 1
    """Processor threads of torch; 1 as in `anysense train`."""
    batch_size: int = 256
    """Batch size of SAC."""
    buffer_size: int = 1000
    """Transitions in the replay memory of each side."""

    def measure(self) -> list[Figure]:
        """Measure environment and training steps per second and replay memory, for both encoders."""
        with forked_generators():
            return [figure for preset in ("default", "paper") for figure in self._compare(preset)]

    def _compare(self, preset: str) -> list[Figure]:
        """Figures of both sides with the encoder of one preset of GMC."""
        encoder = FrozenEncoder(new_representation(world(), "gmc", preset, self.seed)).to(self.device)
        models = {name: self._model(encoder, once=name == "once") for name in ("once", "inside")}
        for model in models.values():
            model.learn(self.batch_size + 1)  # fill the memory far enough that every further step learns
        sides = {"once": _learning(models["once"], _STEPS_AT_ONCE), "inside": _learning(models["inside"], 1)}
        rates = alternate(sides, self.repeats, self.seconds)
        once, inside = (replay_bytes(model) / self.buffer_size for model in models.values())
        return [
            speed(f"{preset} encoder: latents encoded once", rates["once"], "steps"),
            speed(f"{preset} encoder: inside the policy", rates["inside"], "steps"),
            ratio(f"{preset} encoder: once against inside", rates["once"], rates["inside"], target=20),
            Figure(f"{preset} encoder: replay memory of latents", "bytes/transition", [once]),
            Figure(f"{preset} encoder: replay memory of observations", "bytes/transition", [inside]),
            Figure(f"{preset} encoder: memory inside against once", "times", [inside / once], target=25),
        ]

    def _model(self, encoder: FrozenEncoder, once: bool) -> SAC:
        """SAC as `anysense train` makes it, on latents or with the encoder in its policy."""
        sizes = {"batch_size": self.batch_size, "buffer_size": self.buffer_size, "learning_starts": self.batch_size}
        settings = make_agent_settings("sac", "default", world(), n_envs=1, gradient_steps=1, **sizes)
        modalities = tuple(encoder.representation.modalities)
        layers = TrainingEnvironment.make(world(), 1, modalities, encoder=encoder if once else None)
        model = build_model("sac", settings, layers.venv, self.seed, self.device, None if once else encoder)
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
