"""Exploration noise of deterministic policies, for all environments at once and from a generator of its own."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.noise import VectorizedActionNoise

__all__ = ["GaussianNoise", "OrnsteinUhlenbeckNoise", "StatefulNoise"]


class StatefulNoise(VectorizedActionNoise):
    """Noise of shape (n_envs, action_dim) whose exact state can be saved and restored.

    A subclass of `VectorizedActionNoise` only so that Stable-Baselines3 does not wrap it in one: that would copy the
    generator, and all environments would explore alike.
    """

    def __init__(self, shape: tuple[int, int], generator: np.random.Generator) -> None:
        self.shape = shape
        self.generator = generator

    def reset(self, indices: Iterable[int] | None = None) -> None:
        """The noise goes on across episodes."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape})"

    def state_dict(self) -> dict[str, Any]:
        """All that the next values depend on."""
        return {"generator": self.generator.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        self.generator.bit_generator.state = state["generator"]


class GaussianNoise(StatefulNoise):
    """Independent normal noise.

    Args:
        shape: (n_envs, action_dim).
        scale: Standard deviation, in units of the action that it is added to.
        generator: Source of randomness.
    """

    def __init__(self, shape: tuple[int, int], scale: float, generator: np.random.Generator) -> None:
        super().__init__(shape, generator)
        self.scale = scale

    def __call__(self) -> NDArray[np.float32]:
        """Next noise, float32 of `shape`."""
        return (self.scale * self.generator.standard_normal(self.shape)).astype(np.float32)


class OrnsteinUhlenbeckNoise(StatefulNoise):
    """Discrete Ornstein-Uhlenbeck noise ``n <- n - reversion * n + scale * N(0, 1)`` whose scale fades to zero.

    As published for the pendulum controller of GMC (Poklukar et al., ICML 2022): the process starts at 0, has no time
    step in the update and is never reset between episodes. The scale is ``start * (1 - min(1, frame / fade_frames))``
    and is set after each draw, so each draw has the scale of the frame before, and the first one ``start``.

    Args:
        shape: (n_envs, action_dim).
        scale: Scale at the start.
        fade_frames: Frames after which the scale is zero.
        generator: Source of randomness.
        reversion: Share of the value that each step takes away.

    Attributes:
        frame: Environment frames so far; whoever acts keeps it up to date.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        scale: float,
        fade_frames: int,
        generator: np.random.Generator,
        reversion: float = 0.15,
    ) -> None:
        super().__init__(shape, generator)
        self.start = scale
        self.scale = scale
        self.fade_frames = fade_frames
        self.reversion = reversion
        self.frame = 0
        self.value: NDArray[np.float64] = np.zeros(shape)

    def __call__(self) -> NDArray[np.float32]:
        """Next noise, float32 of `shape`."""
        self.value = (1.0 - self.reversion) * self.value + self.scale * self.generator.standard_normal(self.shape)
        self.scale = self.start * (1.0 - min(1.0, self.frame / self.fade_frames))
        return self.value.astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """All that the next values depend on."""
        return {**super().state_dict(), "frame": self.frame, "scale": self.scale, "value": self.value.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        super().load_state_dict(state)
        self.frame = int(state["frame"])
        self.scale = float(state["scale"])
        self.value = np.array(state["value"], np.float64)
