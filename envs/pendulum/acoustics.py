"""Sound of the pendulum: a source of one frequency at the tip of the rod, heard by fixed receivers.

Positions and velocities are pairs (height, left): metres upwards and metres to the left of the pivot, so that the
tip is at ``(cos theta, sin theta)``. A receiver hears the Doppler-shifted frequency and an amplitude that falls
with the square of the distance. `anysense.envs.pendulum.hearing` makes audio of these pairs of numbers.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_names
from anysense.envs.pendulum.physics import LENGTH, MAX_SPEED, FloatArray

EMITTED_FREQUENCY = 440.0
"""Frequency of the source in Hz."""
SOUND_SPEED = 20.0
"""Speed of sound in m/s; slow, so that the tip (at most 8 m/s) shifts the frequency strongly."""
MARGIN = 2.2
"""Distance in m between the pivot and each side of the square on which the receivers sit."""

RECEIVERS: dict[str, tuple[float, float]] = {
    "left_bottom": (-MARGIN, MARGIN),
    "left_middle": (0.0, MARGIN),
    "left_top": (MARGIN, MARGIN),
    "middle_top": (MARGIN, 0.0),
    "right_top": (MARGIN, -MARGIN),
    "right_middle": (0.0, -MARGIN),
    "right_bottom": (-MARGIN, -MARGIN),
    "middle_bottom": (-MARGIN, 0.0),
}
"""Name of each receiver and its position (height, left) in m."""


def receiver_positions(names: Sequence[str]) -> FloatArray:
    """Return the positions of the named receivers, shape (len(names), 2), (height, left) in m.

    Raises:
        ValueError: ``names`` is empty, or holds an unknown name or one name twice.
        TypeError: ``names`` is not a sequence of strings.
    """
    return np.array([RECEIVERS[name] for name in check_names("receivers", names, RECEIVERS)])


def source_position(theta: npt.ArrayLike) -> FloatArray:
    """Return the position (height, left) in m of the tip of the rod, shape ``theta.shape + (2,)``."""
    return np.stack((LENGTH * np.cos(theta), LENGTH * np.sin(theta)), axis=-1)


def source_velocity(theta: npt.ArrayLike, omega: npt.ArrayLike) -> FloatArray:
    """Return the velocity (height, left) in m/s of the tip of the rod, shape ``theta.shape + (2,)``."""
    speed = np.multiply(LENGTH, omega)
    return np.stack((-speed * np.sin(theta), speed * np.cos(theta)), axis=-1)


def doppler_frequency(approach_speed: npt.ArrayLike) -> FloatArray:
    """Return the frequency in Hz that a receiver at rest hears, ``f0 c / (c - v)``, v in m/s towards the receiver."""
    return np.asarray((EMITTED_FREQUENCY * SOUND_SPEED) / np.subtract(SOUND_SPEED, approach_speed))


def attenuated_amplitude(squared_distance: npt.ArrayLike) -> FloatArray:
    """Return the amplitude (no unit) at a squared distance in m^2 from the source: its inverse, 1 at one metre."""
    return np.asarray(np.divide(1.0, squared_distance))


def hear(theta: npt.ArrayLike, omega: npt.ArrayLike, positions: FloatArray) -> FloatArray:
    """Return what each receiver hears: shape ``theta.shape + (R, 2)``, last axis frequency in Hz and amplitude.

    Angle (rad) and angular speed (rad/s) have one shape; ``positions`` (R, 2) are those of ``receiver_positions``.
    """
    shape = np.shape(theta)
    angle, speed = np.reshape(theta, -1), np.reshape(omega, -1)
    # Receivers first, so that the inner loops run over the states. The velocity is omega times the position turned by a
    # quarter and thus at right angles to it, which leaves only the receiver's part of velocity . (receiver - position).
    receiver_height, receiver_left = positions[:, :1], positions[:, 1:]
    height, left = LENGTH * np.cos(angle), LENGTH * np.sin(angle)
    up, leftward = receiver_height - height, receiver_left - left
    squared_distance = up * up + leftward * leftward
    turning = height * receiver_left - left * receiver_height
    heard = np.empty((len(angle), len(positions), 2))
    by_receiver = heard.transpose(1, 0, 2)
    by_receiver[..., 0] = doppler_frequency(speed * turning / np.sqrt(squared_distance))
    by_receiver[..., 1] = attenuated_amplitude(squared_distance)
    return heard.reshape(*shape, len(positions), 2)


def sound_bounds(names: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the smallest and largest frequency and amplitude that each named receiver can hear.

    A receiver at distance D > 1 m from the pivot is between D - 1 and D + 1 metres away from the tip, and sees the
    tip come straight towards it, and go straight away from it, where the line of sight is a tangent of the tip's
    circle: there the approach speed takes the whole ±8 m/s.

    Returns:
        ``(low, high)``, each float32 of shape (R, 2), columns frequency in Hz and amplitude, rounded outwards.

    Errors are those of ``receiver_positions``.
    """
    distance = np.linalg.norm(receiver_positions(names), axis=1)
    top_speed = np.full_like(distance, MAX_SPEED * LENGTH)
    low = np.stack((doppler_frequency(-top_speed), attenuated_amplitude((distance + LENGTH) ** 2)), axis=-1)
    high = np.stack((doppler_frequency(top_speed), attenuated_amplitude((distance - LENGTH) ** 2)), axis=-1)
    return _round_down(low), -_round_down(-high)


def _round_down(values: FloatArray) -> npt.NDArray[np.float32]:
    """Return the largest float32 numbers that are not above ``values``."""
    nearest = values.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > values, below, nearest)
