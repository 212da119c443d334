"""What an environment renders becomes a modality beside what it observes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from anysense.envs import WithCamera


class Slider(gym.Env[Any, Any]):
    """Renders its place as a white column, 5 x 7 pixels."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode: str | None = "rgb_array", space: Any = None) -> None:
        self.observation_space = space or spaces.Box(-np.inf, 9.0, (1,), np.float64)
        self.action_space, self.render_mode = spaces.Discrete(3), render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(7))
        return np.array([self.place], np.float64), {}

    def step(self, action: Any) -> Any:
        self.place = int(np.clip(self.place + action - 1, 0, 6))
        return np.array([self.place], np.float64), 1.0, False, False, {}

    def render(self) -> Any:
        frame = np.zeros((5, 7, 3), np.uint8)
        frame[:, self.place] = (200, 100, 50)
        return frame


def test_frame_and_state_belong_together() -> None:
    env = WithCamera(Slider())
    assert env.observation_space["camera"] == spaces.Box(0, 255, (3, 5, 7), np.uint8)
    assert env.observation_space["state"] == spaces.Box(-np.inf, 9.0, (1,), np.float32)
    seen = [env.reset(seed=3)[0], *(env.step(action)[0] for action in (2, 2, 0, 1))]
    for observation in seen:
        columns = observation["camera"].max(axis=(0, 1))
        assert np.flatnonzero(columns).tolist() == observation["state"].astype(int).tolist()
        assert observation["camera"][:, 0, columns > 0].ravel().tolist() == [200, 100, 50]
    assert all(env.observation_space.contains(observation) for observation in seen)


def test_pixels_are_means_of_blocks() -> None:
    env = WithCamera(Slider(), shrink=2)
    camera = env.reset(seed=3)[0]["camera"]
    place = env.unwrapped.place  # type: ignore[attr-defined]
    assert camera.shape == (3, 2, 3)
    expected = np.zeros((3, 2, 3))
    if place < 6:  # The last column is cut off.
        expected[:, :, place // 2] = np.array([100, 50, 25])[:, None]
    np.testing.assert_array_equal(camera, expected)


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        (Slider(None), ValueError, r"`env` must be made with render_mode='rgb_array'; got None"),
        (
            Slider(space=spaces.Discrete(3)),
            TypeError,
            r"must observe a `gymnasium.spaces.Box`, the state; got Discrete",
        ),
    ],
)
def test_what_cannot_be_wrapped(env: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        WithCamera(env)
    with pytest.raises(ValueError, match="`shrink` must be"):
        WithCamera(Slider(), shrink=0)
