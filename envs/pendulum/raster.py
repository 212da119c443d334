"""Picture of the rod in numpy: no display, no graphics library.

The world is 4.4 m wide and drawn on 100 x 100 pixels, of which the agent sees rows and columns 20 to 79: 60 x 60
pixels of 0.044 m around the pivot, row 0 on top. The rod is a capsule of length 1 m and width 0.2 m; ``theta = 0``
points up and ``theta = pi / 2`` to the left.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_positive_integer
from anysense.envs.pendulum.physics import LENGTH, FloatArray

FRAME_SIZE = 60
"""Rows and columns of a frame."""
PIXEL_WIDTH = 4.4 / 100
"""Side of a pixel in m."""
ROD_RADIUS = 0.1
"""Half the width of the rod in m."""
TABLE_ANGLES = 8192
"""Number of frames that ``shared_frame_table`` holds for one turn."""

_CENTRES: FloatArray = (np.arange(FRAME_SIZE, dtype=np.float64) + 20 + 0.5) * PIXEL_WIDTH - 2.2

FrameArray = npt.NDArray[np.uint8]


def segment_distance(x: FloatArray, y: FloatArray, theta: npt.ArrayLike) -> FloatArray:
    """Return the distance in m from points to the axis of the rod, the segment from the pivot to the tip.

    ``x`` metres to the right of the pivot, ``y`` above it and ``theta`` in rad broadcast.
    """
    tip_x, tip_y = -LENGTH * np.sin(theta), LENGTH * np.cos(theta)
    along = np.clip((x * tip_x + y * tip_y) / LENGTH**2, 0.0, 1.0)
    squared: FloatArray = np.square(x - along * tip_x) + np.square(y - along * tip_y)
    return np.sqrt(squared)


def rod_frame(theta: npt.ArrayLike, antialias: bool = True) -> FrameArray:
    """Draw the rod at each of the given angles.

    With ``antialias`` a pixel holds round(255 * coverage), the coverage being taken from the signed distance
    between the pixel's centre and the edge of the rod, linear over one pixel width. Without, a pixel is 255 if its
    centre lies in the rod and else 0 (the mask of the published experiments, times 255).

    Returns:
        uint8 of shape ``theta.shape + (60, 60)``.
    """
    angle = np.asarray(theta, dtype=np.float64)[..., None, None]
    distance = segment_distance(_CENTRES, -_CENTRES[:, None], angle) - ROD_RADIUS
    if not antialias:
        return np.where(distance <= 0.0, np.uint8(255), np.uint8(0))
    return np.rint(255.0 * np.clip(0.5 - distance / PIXEL_WIDTH, 0.0, 1.0)).astype(np.uint8)


class FrameTable:
    """Frames of the rod at evenly spaced angles; drawing is a lookup of the nearest one.

    The nearest angle is at most ``pi / angles`` away. An edge of the rod is at most 1.122 m (rod and half a pixel)
    from the pivot, so a pixel of an anti-aliased frame differs from ``rod_frame`` by at most ``max_error`` grey
    levels: 3 of 255 for 8192 angles. In a binary frame a pixel can differ only if its centre is within 1.1 m * pi /
    ``angles`` (0.42 mm, 1% of a pixel) of the rod's edge. The table of 8192 angles takes 29.5 MB and is built in a
    fraction of a second.

    Args:
        antialias: As in ``rod_frame``.
        angles: Number of frames for one turn, a multiple of 8. Each takes 3600 bytes.

    Raises:
        ValueError: ``angles`` is not a positive multiple of 8.
    """

    def __init__(self, antialias: bool = True, angles: int = TABLE_ANGLES) -> None:
        if check_positive_integer("angles", angles) % 8:
            raise ValueError(
                f"`angles` must be a multiple of 8, because one eighth of the turn is drawn; got {angles}."
            )
        self.antialias = antialias
        self.angles = angles
        self._frames = _draw_turn(antialias, angles)
        self._frames.setflags(write=False)

    @property
    def max_error(self) -> int:
        """Largest difference in grey levels between a looked-up anti-aliased frame and ``rod_frame``."""
        reach = LENGTH + ROD_RADIUS + PIXEL_WIDTH / 2
        return int(np.ceil(255.0 * reach / PIXEL_WIDTH * np.pi / self.angles))

    def index(self, theta: FloatArray) -> npt.NDArray[np.intp]:
        """Return the number of the frame whose angle is nearest to each ``theta`` (rad, finite, any size)."""
        return np.rint(theta * (self.angles / (2 * np.pi))).astype(np.intp) % self.angles

    def frames(self, index: npt.NDArray[np.intp]) -> FrameArray:
        """Return fresh copies of the frames of the given numbers, uint8 of shape ``index.shape + (60, 60)``."""
        return self._frames.take(index, axis=0)

    def lookup(self, theta: npt.ArrayLike) -> FrameArray:
        """Return fresh frames for angles in rad, uint8 of shape ``theta.shape + (60, 60)``."""
        return self.frames(self.index(np.asarray(theta, dtype=np.float64)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as settings: a copy is the process's shared table, not another 30 MB of frames."""
        return _cached_table, (self.antialias, self.angles)


def shared_frame_table(antialias: bool = True) -> FrameTable:
    """Return the process's table of ``TABLE_ANGLES`` frames, built at the first call."""
    return _cached_table(bool(antialias), TABLE_ANGLES)


@lru_cache(maxsize=4)
def _cached_table(antialias: bool, angles: int) -> FrameTable:
    return FrameTable(antialias, angles)


def _draw_turn(antialias: bool, angles: int) -> FrameArray:
    """Draw one eighth of a turn; mirror it and turn it by quarters for the rest, as the square's symmetry allows."""
    quarter, eighth = angles // 4, angles // 8
    frames = np.empty((angles, FRAME_SIZE, FRAME_SIZE), dtype=np.uint8)
    for index in np.array_split(np.arange(eighth + 1), 1 + eighth // 32):  # few at a time: they stay in the cache
        frames[index] = rod_frame(index * (2 * np.pi / angles), antialias)
    frames[eighth + 1 : quarter] = frames[1 : quarter - eighth][::-1].swapaxes(1, 2)
    for turn in range(1, 4):
        frames[turn * quarter : (turn + 1) * quarter] = np.rot90(frames[:quarter], turn, axes=(1, 2))
    return frames
