"""The picture of the README: one episode of the optimal controller, seen and heard.

Make it with `python -m anysense.runs.picture docs/img/episode.png`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.envs.pendulum.optimal import OptimalController
from anysense.envs.pendulum.physics import TIME_STEP
from anysense.envs.pendulum.references import StateController
from anysense.runs.figures import draw_episode, save_figure

__all__ = ["draw_picture", "record_episode"]

HANGING = (np.pi - 0.3, 0.0)


def record_episode(
    controller: StateController, steps: int, start: tuple[float, float] = HANGING
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Frames (T, 60, 60) and sounds (T, R, 2) of one episode, the newest of each stack, T = `steps` + 1."""
    env = MultimodalPendulumEnv()
    observation, info = env.reset(options={"state": np.array(start)})
    seen: list[npt.NDArray[Any]] = [observation["image"][-1]]
    heard: list[npt.NDArray[Any]] = [observation["sound"][-1]]
    for _ in range(steps):
        action = controller.act(info["state"][None])[0].astype(np.float32)
        observation, _, _, _, info = env.step(action)
        seen.append(observation["image"][-1])
        heard.append(observation["sound"][-1])
    return np.stack(seen), np.stack(heard)


def draw_picture(path: str | Path, controller: StateController, steps: int = 72, every: int = 6) -> Path:
    """Draw one episode and write it as PNG."""
    frames, sounds = record_episode(controller, steps)
    receivers = MultimodalPendulumEnv().settings.receivers
    return save_figure(draw_episode(frames, sounds, receivers, TIME_STEP, every), path, dpi=110)


if __name__ == "__main__":
    print(draw_picture(sys.argv[1], OptimalController()))
