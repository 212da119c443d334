"""Sound and window of the pendulum for people; its pictures are drawn in `anysense.envs.pendulum.drawing`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.envs.audio.stereo import mixing
from anysense.envs.audio.waveform import Timbre
from anysense.envs.pendulum.acoustics import hear, receiver_positions, sound_bounds
from anysense.envs.pendulum.drawing import PICTURE_SIZE, Picture, draw
from anysense.envs.pendulum.hearing import voices
from anysense.envs.pendulum.physics import FloatArray


class Loudspeaker:
    """The sound of one pendulum for people, step by step, in stereo.

    It is made of the tones that the receivers hear, by the voices that ``sound="waveform"`` has, and scaled by one
    factor so that it stays within -1 and 1.

    Args:
        receivers: Names of the receivers.
        timbre: Timbre of the source.
        rate: Samples per second.
    """

    def __init__(self, receivers: Sequence[str], timbre: Timbre, rate: int) -> None:
        self._voices = voices(receivers, 1, timbre, rate)
        self._positions = receiver_positions(receivers)
        self._mixing = mixing(receivers, float(sound_bounds(receivers)[1][:, 1].max()))
        self._step: tuple[int, int] = (-1, -1)
        self._audio: npt.NDArray[np.float32] = np.zeros((2, self._voices.samples), np.float32)

    def play(self, state: FloatArray, episode: int, step: int) -> npt.NDArray[np.float32]:
        """The sound of a step of an episode that led to a state, (2, samples); asked again, the same."""
        if (episode, step) != self._step:
            tones = hear(state[:1], state[1:], self._positions)
            go_on = self._step[0] == episode and step > 0
            heard = self._voices.advance(tones) if go_on else self._voices.start(slice(None), tones)
            self._audio, self._step = self._mixing @ heard[0], (episode, step)
        return self._audio.copy()


class Renderer:
    """Pictures of a pendulum, in a pygame window if asked to.

    Args:
        receivers: Names of the receivers.
    """

    def __init__(self, receivers: Sequence[str]) -> None:
        self._positions = receiver_positions(receivers)
        self._window: Any = None
        self._clock: Any = None

    def draw(self, state: FloatArray, torque: float = 0.0, earlier: FloatArray | None = None) -> Picture:
        """The picture of a state [theta, omega], uint8 (480, 480, 3); arguments as in `drawing.draw`."""
        return draw(state, self._positions, torque, earlier)

    def show(self, picture: Picture, fps: int) -> None:
        """Show a picture in the window; waits so that there are at most ``fps`` pictures per second."""
        try:
            import pygame
        except ImportError as error:
            raise ImportError(
                '`render_mode="human"` needs pygame for its window; run `pip install "anysense[window]"`, or use '
                '`render_mode="rgb_array"`.'
            ) from error
        if self._window is None:
            pygame.display.init()
            self._window = pygame.display.set_mode((PICTURE_SIZE, PICTURE_SIZE))
            self._clock = pygame.time.Clock()
        pygame.surfarray.blit_array(self._window, picture.swapaxes(0, 1))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(fps)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = self._clock = None
