"""A small environment with image and sound whose episodes end at different times, terminated or truncated."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces


class ToyEnv(gymnasium.Env):
    """Random observations; zero lies outside the range of `sound`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    lucky_number = 7

    def __init__(self, discrete: bool = False, limit: int = 6, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.limit = limit
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (2, 8, 8), np.uint8),
                "sound": spaces.Box(np.float32(10), np.float32(20), (2, 3), np.float32),
            }
        )
        self.action_space = spaces.Discrete(3) if discrete else spaces.Box(-1, 1, (1,), np.float32)

    def _observe(self) -> dict[str, Any]:
        image = self.np_random.integers(0, 256, (2, 8, 8), np.uint8)
        return {"image": image, "sound": self.np_random.uniform(10, 20, (2, 3)).astype(np.float32)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {"steps": 0, "greeting": (options or {}).get("greeting", "none")}

    def step(self, action: Any) -> Any:
        self.steps += 1
        terminated = bool(self.np_random.random() < 0.15)
        reward = float(np.sum(action)) + self.steps / 8
        return self._observe(), reward, terminated, self.steps >= self.limit, {"steps": self.steps}

    def render(self) -> np.ndarray:
        return np.full((4, 4, 3), self.steps, np.uint8)

    def add(self, number: int) -> int:
        return self.lucky_number + number


@pytest.fixture
def toy_env() -> Callable[..., ToyEnv]:
    return ToyEnv
