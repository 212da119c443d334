"""Pictures and sound of the pendulum for people."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.envs.audio.stereo import mixing
from anysense.envs.audio.waveform import Timbre
from anysense.envs.pendulum.acoustics import EMITTED_FREQUENCY, hear, receiver_positions, sound_bounds
from anysense.envs.pendulum.hearing import voices
from anysense.envs.pendulum.physics import FloatArray
from anysense.envs.pendulum.raster import ROD_RADIUS, segment_distance

PICTURE_SIZE = 480
"""Rows and columns of the picture."""
HALF_WIDTH = 2.6
"""Metres from the pivot to each side of the picture, so that the receivers at 2.2 m are inside."""

Picture = npt.NDArray[np.uint8]

_PIXEL = 2 * HALF_WIDTH / PICTURE_SIZE
_X: FloatArray = ((np.arange(PICTURE_SIZE, dtype=np.float64) + 0.5) * _PIXEL - HALF_WIDTH)[None, :]
_Y = -_X.T
_ROD, _AXLE = (204.0, 77.0, 77.0), (0.0, 0.0, 0.0)
_UNSHIFTED = np.array([150.0, 150.0, 150.0])
_HIGHER, _LOWER = np.array([40.0, 90.0, 200.0]), np.array([210.0, 120.0, 20.0])
_FULL_SHIFT = 200.0  # Hz at which a receiver takes the full colour


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
    """Draws the rod and the receivers in numpy; shows the picture in a pygame window if asked to.

    A receiver is a disc: the louder, the larger; blue while it hears more than 440 Hz, orange while it hears less.
    """

    def __init__(self, receivers: Sequence[str]) -> None:
        self._positions = receiver_positions(receivers)
        self._window: Any = None
        self._clock: Any = None

    def render(self, state: FloatArray, mode: str, fps: int) -> Picture | None:
        """Return the picture of a state [theta, omega], uint8 (480, 480, 3), or show it if ``mode`` is ``"human"``."""
        picture = self.draw(state)
        if mode != "human":
            return picture
        self._show(picture, fps)
        return None

    def draw(self, state: FloatArray) -> Picture:
        """Return the picture of a state [theta, omega], uint8 (480, 480, 3)."""
        theta, omega = state
        canvas = np.full((PICTURE_SIZE, PICTURE_SIZE, 3), 255.0)
        centre = slice(PICTURE_SIZE // 4, -PICTURE_SIZE // 4)  # the rod never leaves the middle half
        distance = segment_distance(_X[:, centre], _Y[centre], theta)
        _paint(canvas[centre, centre], distance - ROD_RADIUS, _ROD)
        _paint_disc(canvas, 0.0, 0.0, ROD_RADIUS / 2, _AXLE)
        heard = hear(theta, omega, self._positions)
        for (height, left), (frequency, amplitude) in zip(self._positions, heard, strict=True):
            shift = float(np.clip((frequency - EMITTED_FREQUENCY) / _FULL_SHIFT, -1.0, 1.0))
            shade = _UNSHIFTED + abs(shift) * ((_HIGHER if shift > 0 else _LOWER) - _UNSHIFTED)
            _paint_disc(canvas, height, left, 0.08 + 0.3 * np.sqrt(amplitude), shade)
        picture: Picture = np.rint(canvas).astype(np.uint8)
        return picture

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = self._clock = None

    def _show(self, picture: Picture, fps: int) -> None:
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


def _paint(canvas: FloatArray, signed_distance: FloatArray, colour: Sequence[float]) -> None:
    """Blend ``colour`` into the canvas where the signed distance in m to a shape's edge is negative."""
    coverage = np.clip(0.5 - signed_distance / _PIXEL, 0.0, 1.0)[..., None]
    canvas += coverage * (np.asarray(colour) - canvas)


def _paint_disc(canvas: FloatArray, height: float, left: float, radius: float, colour: Sequence[float]) -> None:
    """Blend a disc into the canvas; only the square around it is touched."""
    column, row = (HALF_WIDTH - left) / _PIXEL, (HALF_WIDTH - height) / _PIXEL
    reach = radius / _PIXEL + 1
    rows = slice(max(int(row - reach), 0), int(row + reach) + 1)
    columns = slice(max(int(column - reach), 0), int(column + reach) + 1)
    distance = np.hypot(_X[:, columns] + left, _Y[rows] - height)
    _paint(canvas[rows, columns], distance - radius, colour)
