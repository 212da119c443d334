"""The picture of the README: one episode of the optimal controller, seen and heard.

Make it with `python -m bench.picture docs/img/episode.png`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.envs.pendulum.optimal import OptimalController
from anysense.envs.pendulum.physics import TIME_STEP
from anysense.envs.pendulum.references import StateController
from anysense.runs.figures import save_figure

__all__ = ["draw_picture", "record_episode"]

HANGING = (np.pi - 0.3, 0.0)
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")


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
    return save_figure(draw_episode(frames, sounds, receivers, TIME_STEP, every), path, dpi=110, formats=("png",))


def draw_episode(
    frames: npt.NDArray[np.uint8],
    sounds: npt.NDArray[np.float32],
    receivers: Sequence[str],
    time_step: float,
    every: int,
) -> Figure:
    """What is seen and what is heard over one episode.

    Args:
        frames: (T, 60, 60), one frame per step.
        sounds: (T, R, 2), frequency in Hz and amplitude per receiver.
        receivers: R names.
        time_step: seconds between two steps.
        every: show each `every`-th frame in the strip.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    strip, frequency, amplitude = figure.subplots(3, 1, height_ratios=(1.25, 1, 1))
    strip.imshow(np.hstack(list(255 - frames[::every])), cmap="gray", vmin=0, vmax=255, aspect="equal")
    strip.set_axis_off()
    strip.set_title(f"seen: a frame every {every * time_step:g} s", loc="left", fontsize=10)
    seconds = np.arange(len(sounds)) * time_step
    for index, receiver in enumerate(receivers):
        label = receiver.replace("_", " ")
        frequency.plot(seconds, sounds[:, index, 0], color=COLOURS[index % len(COLOURS)], label=label)
        amplitude.plot(seconds, sounds[:, index, 1], color=COLOURS[index % len(COLOURS)])
    frequency.set_title("heard: the tone of the tip at each receiver", loc="left", fontsize=10)
    frequency.set_ylabel("frequency (Hz)")
    frequency.set_xticklabels([])
    frequency.legend(loc="upper right", ncols=len(receivers), fontsize=8)
    amplitude.set_ylabel("amplitude")
    amplitude.set_xlabel("time (s)")
    for ax in (frequency, amplitude):
        ax.set_xlim(0.0, float(seconds[-1]))
    return figure


if __name__ == "__main__":
    print(draw_picture(sys.argv[1], OptimalController()))
