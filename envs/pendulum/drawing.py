"""The picture of a pendulum for people: rod, receivers, torque, and the fronts of the sound waves.

Letters: R receivers, K earlier states. Positions are (height, left) in m as in `anysense.envs.pendulum.acoustics`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anysense.envs.pendulum.acoustics import EMITTED_FREQUENCY, SOUND_SPEED, hear, source_position
from anysense.envs.pendulum.physics import MAX_TORQUE, TIME_STEP, FloatArray
from anysense.envs.pendulum.raster import ROD_RADIUS, segment_distance

if TYPE_CHECKING:
    from PIL import ImageDraw

__all__ = ["FRONTS", "PICTURE_SIZE", "draw"]

PICTURE_SIZE = 480
"""Rows and columns of the picture."""
HALF_WIDTH = 2.6
"""Metres from the pivot to each side of the picture, so that the receivers at 2.2 m are inside."""
FRONTS = 5
"""Steps for which a wave is shown; it travels a metre in each, and is then out of the picture."""

Picture = npt.NDArray[np.uint8]
Canvas = npt.NDArray[np.float32]
Place = Sequence[float] | npt.NDArray[Any]

_PIXEL = 2 * HALF_WIDTH / PICTURE_SIZE
_X: FloatArray = ((np.arange(PICTURE_SIZE, dtype=np.float64) + 0.5) * _PIXEL - HALF_WIDTH)[None, :]
_Y = -_X.T
_ROD, _AXLE, _TORQUE, _WAVE = (204.0, 77.0, 77.0), (0.0, 0.0, 0.0), (34.0, 136.0, 51.0), (60.0, 90.0, 150.0)
_UNSHIFTED = np.array([150.0, 150.0, 150.0])
_HIGHER, _LOWER = np.array([40.0, 90.0, 200.0]), np.array([210.0, 120.0, 20.0])
_FULL_SHIFT = 200.0  # Hz at which a receiver takes the full colour
_FINE = 2  # lines are drawn on a grid that is finer by this factor, so that they have smooth edges
_FULL_TURN, _ARC = 100.0, 0.42  # degrees of the arrow at the largest torque, and its radius in m
_STRONGEST = 110  # of 255: how much of its colour the youngest wave shows


def draw(state: FloatArray, receivers: FloatArray, torque: float = 0.0, earlier: FloatArray | None = None) -> Picture:
    """Draw a state.

    A receiver is a disc: the louder, the larger; blue while it hears more than 440 Hz, orange while it hears less.
    Circles are fronts of sound waves, two for each step, sent from where the tip was; they lie closer together where
    the tip moves towards. A green arrow around the axle is the torque.

    Args:
        state: [theta, omega] in rad and rad/s.
        receivers: Their positions, (R, 2).
        torque: In N m, positive counter-clockwise.
        earlier: States of the steps before, the newest first, (K, 2); by default the rod has turned steadily.

    Returns:
        uint8 (480, 480, 3).
    """
    theta, omega = state
    canvas: Canvas = np.full((PICTURE_SIZE, PICTURE_SIZE, 3), 255.0, np.float32)
    if earlier is None:
        angles = theta - omega * TIME_STEP * np.arange(FRONTS + 1)
    else:
        angles = np.concatenate([[theta], earlier[:FRONTS, 0]])
    _blend(canvas, _wave_fronts(angles), _WAVE)
    centre = slice(PICTURE_SIZE // 4, -PICTURE_SIZE // 4)  # the rod never leaves the middle half
    distance = segment_distance(_X[:, centre], _Y[centre], theta)
    _paint(canvas[centre, centre], distance - ROD_RADIUS, _ROD)
    if abs(torque) > 0.01 * MAX_TORQUE:
        _blend(canvas[centre, centre], _torque_arrow(theta, torque)[centre, centre], _TORQUE)
    _paint_disc(canvas, 0.0, 0.0, ROD_RADIUS / 2, _AXLE)
    heard = hear(theta, omega, receivers)
    for (height, left), (frequency, amplitude) in zip(receivers, heard, strict=True):
        shift = float(np.clip((frequency - EMITTED_FREQUENCY) / _FULL_SHIFT, -1.0, 1.0))
        shade = _UNSHIFTED + abs(shift) * ((_HIGHER if shift > 0 else _LOWER) - _UNSHIFTED)
        _paint_disc(canvas, height, left, 0.08 + 0.3 * np.sqrt(amplitude), shade)
    picture: Picture = np.rint(canvas).astype(np.uint8)
    return picture


def _wave_fronts(angles: FloatArray) -> Canvas:
    """Share of the wave's colour in each pixel, from angles of the rod now and at the steps before."""

    def lines(pen: "ImageDraw.ImageDraw") -> None:
        halves = np.arange(2 * len(angles) - 2, 0, -1) / 2  # steps ago, the oldest first
        for ago, place in zip(halves, source_position(np.interp(halves, np.arange(len(angles)), angles)), strict=True):
            strength = round(_STRONGEST * (1 - ago / (FRONTS + 0.5)))
            pen.ellipse(_box(place, ago * SOUND_SPEED * TIME_STEP), outline=strength, width=_FINE)

    return _drawn(lines)


def _torque_arrow(theta: float, torque: float) -> Canvas:
    """Share of the torque's colour in each pixel: an arc from the rod on, and its head."""

    def lines(pen: "ImageDraw.ImageDraw") -> None:
        turn = np.radians(_FULL_TURN) * torque / MAX_TORQUE
        ends = np.sort(-90.0 - np.degrees([theta, theta + turn]))  # pillow counts clockwise from the right
        pen.arc(_box((0.0, 0.0), _ARC), ends[0], ends[1], fill=255, width=4 * _FINE)
        along = np.sign(torque) * np.array([-np.sin(theta + turn), np.cos(theta + turn)])
        tip = _ARC * np.array([np.cos(theta + turn), np.sin(theta + turn)])
        across = np.array([-along[1], along[0]])
        head = (tip + 0.16 * along, tip + 0.09 * across, tip - 0.09 * across)
        pen.polygon([_point(corner) for corner in head], fill=255)

    return _drawn(lines)


def _drawn(lines: Any) -> Canvas:
    """What ``lines`` draws on a finer grid, as shares from 0 to 1."""
    from PIL import Image, ImageDraw

    fine = Image.new("L", (_FINE * PICTURE_SIZE,) * 2)
    lines(ImageDraw.Draw(fine))
    shares: Canvas = np.asarray(fine.reduce(_FINE)).astype(np.float32) / np.float32(255)
    return shares


def _point(place: Place) -> tuple[float, float]:
    """Column and row on the finer grid."""
    return _FINE * (HALF_WIDTH - place[1]) / _PIXEL, _FINE * (HALF_WIDTH - place[0]) / _PIXEL


def _box(place: Place, radius: float) -> tuple[float, float, float, float]:
    column, row = _point(place)
    reach = _FINE * radius / _PIXEL
    return column - reach, row - reach, column + reach, row + reach


def _paint(canvas: Canvas, signed_distance: npt.NDArray[Any], colour: Sequence[float] | FloatArray) -> None:
    """Blend ``colour`` into the canvas where the signed distance in m to a shape's edge is negative."""
    _blend(canvas, np.clip(0.5 - signed_distance / _PIXEL, 0.0, 1.0), colour)


def _blend(canvas: Canvas, share: npt.NDArray[Any], colour: Sequence[float] | FloatArray) -> None:
    canvas += share[..., None].astype(np.float32) * (np.asarray(colour, np.float32) - canvas)


def _paint_disc(
    canvas: Canvas, height: float, left: float, radius: float, colour: Sequence[float] | FloatArray
) -> None:
    """Blend a disc into the canvas; only the square around it is touched."""
    column, row = (HALF_WIDTH - left) / _PIXEL, (HALF_WIDTH - height) / _PIXEL
    reach = radius / _PIXEL + 1
    rows = slice(max(int(row - reach), 0), int(row + reach) + 1)
    columns = slice(max(int(column - reach), 0), int(column + reach) + 1)
    distance = np.hypot(_X[:, columns] + left, _Y[rows] - height)
    _paint(canvas[rows, columns], distance - radius, colour)
