"""A camera for environments that have none: what they render becomes a modality."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from anysense.common.validation import check_integer

__all__ = ["WithCamera"]


class WithCamera(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Observation ``Dict(camera, state)``: the rendered frame, and what the environment observes by itself.

    ``camera`` is uint8 (3, height, width), ``state`` float32 in the shape of the environment's observation. Every step
    is rendered.
    """

    def __init__(self, env: gym.Env[Any, Any], shrink: int = 1) -> None:
        """Wraps an environment that was made with ``render_mode="rgb_array"``, and resets it once to see a frame.

        Args:
            env: The environment; its observation is a ``Box``.
            shrink: Each pixel becomes the mean of so many by so many rendered ones; what is left over is cut off.

        Raises:
            ValueError: It renders no frames, or ``shrink`` is out of range.
            TypeError: Its observation is no ``Box``.
        """
        RecordConstructorArgs.__init__(self, shrink=shrink)
        super().__init__(env)
        if env.render_mode != "rgb_array":
            raise ValueError(f"`env` must be made with render_mode='rgb_array'; got {env.render_mode!r}.")
        box = env.observation_space
        if not isinstance(box, spaces.Box):
            raise TypeError(f"`env` must observe a `gymnasium.spaces.Box`, the state; got {box}.")
        self._shrink = check_integer("shrink", shrink, 1)
        env.reset()
        camera = spaces.Box(0, 255, self._frame().shape, np.uint8)
        state = spaces.Box(box.low.astype(np.float32), box.high.astype(np.float32))
        self.observation_space = spaces.Dict({"camera": camera, "state": state})

    def observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Frame and state."""
        return {"camera": self._frame(), "state": np.asarray(observation, np.float32)}

    def _frame(self) -> NDArray[np.uint8]:
        frame: Any = self.env.render()
        by, (height, width) = self._shrink, np.array(frame.shape[:2]) // self._shrink
        blocks = frame[: height * by, : width * by].reshape(height, by, width, by, 3)
        return np.moveaxis(blocks.mean(axis=(1, 3)).round().astype(np.uint8), -1, 0)
