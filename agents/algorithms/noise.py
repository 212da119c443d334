"""Exploration noise of deterministic policies, for all environments at once and from a generator of its own."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.noise import VectorizedActionNoise

__all__ = ["ExplorationNoise"]


class ExplorationNoise(VectorizedActionNoise):
    """Discrete Ornstein-Uhlenbeck noise ``n <- n - reversion * n + scale * N(0, 1)`` whose scale may fade to zero.

    With the reversion 1 the values are independent: Gaussian noise. With 0.15 it is the noise published for the
    pendulum controller of GMC (Poklukar et al., ICML 2022): the process starts at 0, has no time step in the update and
    goes on across episodes. The scale is ``start * (1 - min(1, frame / fade_frames))`` and is set after each draw, so
    each draw has the scale of the frame before, and the first one ``start``.

    A subclass of `VectorizedActionNoise` only so that Stable-Baselines3 does not wrap it in one: that would copy the
    generator, and all environments would explore alike.

    Args:
        shape: (n_envs, *shape of an action).
        scale: Scale at the start, in units of the action that the noise is added to.
        generator: Source of randomness.
        reversion: Share of the value that each step takes away.
        fade_frames: Environment frames after which the scale is zero.

    Attributes:
        frame: Environment frames so far: counted by calls, or set by who knows it better.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        scale: float,
        generator: np.random.Generator,
        *,
        reversion: float = 1.0,
        fade_frames: float = math.inf,
    ) -> None:
        self.generator = generator
        self.start = scale
        self.scale = scale
        self.reversion = reversion
        self.fade_frames = fade_frames
        self.frame = 0
        self.value: NDArray[np.float64] = np.zeros(shape)

    def __call__(self) -> NDArray[np.float32]:
        """Next noise, float32 of `shape`."""
        drawn = self.generator.standard_normal(self.value.shape)
        self.value = (1.0 - self.reversion) * self.value + self.scale * drawn
        self.scale = self.start * (1.0 - min(1.0, self.frame / self.fade_frames))
        self.frame += len(drawn)
        return self.value.astype(np.float32)

    def reset(self, indices: Iterable[int] | None = None) -> None:
        """The noise goes on across episodes."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.value.shape}, reversion={self.reversion})"

    def state_dict(self) -> dict[str, Any]:
        """All that the next values depend on."""
        generator = self.generator.bit_generator.state
        return {"generator": generator, "frame": self.frame, "scale": self.scale, "value": self.value.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        self.generator.bit_generator.state = state["generator"]
        self.frame = int(state["frame"])
        self.scale = float(state["scale"])
        self.value = np.array(state["value"], np.float64)
