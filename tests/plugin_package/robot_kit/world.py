"""A world: a robot on a square floor that seeks a round post, with a camera above, a lidar and an inertial sensor."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from anysense.envs import World

BEAMS, STEP, RADIUS, LIMIT, SIDE = 20, 0.1, 0.2, 1.0, 16
PIXEL = 2 * LIMIT / (SIDE - 1)
ANGLES = np.arange(BEAMS) * (2 * np.pi / BEAMS)
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
PIXELS = np.stack(
    np.meshgrid(np.linspace(LIMIT, -LIMIT, SIDE), np.linspace(-LIMIT, LIMIT, SIDE), indexing="ij"), axis=-1
)


class SeekerEnv(gym.Env[dict[str, np.ndarray], np.ndarray]):
    """The robot accelerates; the reward of a step is 1 - its distance to the post in metres, at least 0.

    The post stands anywhere within ``post`` metres of the middle, along each axis; the lidar measures, along 20 fixed
    directions, how far the post or a wall is. One scan tells where the robot is, and where the post is if a beam hits
    it: always within 1.3 m, mostly beyond. The speed is in the inertial sensor alone, which also knows where the robot
    is, by dead reckoning, but nothing of the post: with it alone, driving to the middle is the best that can be done.

    Observation: ``camera`` uint8 (3, 16, 16), ``lidar`` float32 (20,) in metres, ``imu`` float32 (6,): place (m),
    velocity (m/s), acceleration (m/s^2). Action: acceleration in [-1, 1]^2, times 2 m/s^2.
    """

    def __init__(self, post: float = 0.8) -> None:
        self.post_limit = post
        self.observation_space = gym.spaces.Dict(
            {
                "camera": gym.spaces.Box(0, 255, (3, SIDE, SIDE), np.uint8),
                "lidar": gym.spaces.Box(0.0, 3.0, (BEAMS,), np.float32),
                "imu": gym.spaces.Box(-3.0, 3.0, (6,), np.float32),
            }
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-0.9, 0.9, 2)
        self.post = self.np_random.uniform(-self.post_limit, self.post_limit, 2)
        self.velocity = np.zeros(2)
        self.action = np.zeros(2)
        return self._observation(), self._info()

    def step(self, action: np.ndarray):
        self.action = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        self.velocity = np.clip(0.8 * self.velocity + 2.0 * STEP * self.action, -1.0, 1.0)
        self.place = np.clip(self.place + STEP * self.velocity, -LIMIT, LIMIT)
        reward = max(0.0, 1.0 - float(np.linalg.norm(self.place - self.post)))
        return self._observation(), reward, False, False, self._info()

    def _observation(self) -> dict[str, np.ndarray]:
        imu = np.concatenate([self.place, self.velocity, 2.0 * self.action]).astype(np.float32)
        return {"camera": self._camera(), "lidar": self._lidar(), "imu": imu}

    def _camera(self) -> np.ndarray:
        image = np.zeros((3, SIDE, SIDE), np.uint8)
        for channel, (center, radius) in enumerate([(self.post, RADIUS), (self.place, 0.15)]):
            distance = np.hypot(*np.moveaxis(PIXELS[..., ::-1] - center, -1, 0))
            image[channel] = 255 * np.clip((radius - distance) / PIXEL + 0.5, 0.0, 1.0)
        return image

    def _lidar(self) -> np.ndarray:
        walls = np.full(DIRECTIONS.shape, np.inf)
        np.divide(np.copysign(LIMIT, DIRECTIONS) - self.place, DIRECTIONS, out=walls, where=np.abs(DIRECTIONS) > 1e-9)
        reach = walls.min(axis=1)
        along = DIRECTIONS @ (self.post - self.place)
        aside = ((self.post - self.place) ** 2).sum() - along**2
        hit = (aside < RADIUS**2) & (along > 0)
        reach[hit] = np.minimum(reach[hit], np.maximum(along[hit] - np.sqrt(RADIUS**2 - aside[hit]), 0.0))
        return np.clip(reach, 0.0, 3.0).astype(np.float32)

    def _info(self) -> dict[str, Any]:
        return {"state": np.concatenate([self.place, self.post, self.velocity])}


class SeekerWorld(World):
    """The robot as a world: its state can be probed."""

    probes: ClassVar[tuple[str, ...]] = ("to_post_x", "to_post_y")
    evaluation_episodes: ClassVar[int] = 20

    def probe_targets(self, states: np.ndarray) -> np.ndarray:
        return states[:, 2:4] - states[:, 0:2]


gym.register(id="robots/Seeker-v0", entry_point=SeekerEnv, max_episode_steps=50)
