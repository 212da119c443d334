"""Motion and reward of the pendulum as pure functions.

The pendulum is the one of Gymnasium's ``Pendulum-v1``: a rod that turns around one end, driven by a torque.
``theta`` is the angle in rad, 0 upright, positive counter-clockwise and never wrapped; ``omega`` is the angular
speed in rad/s. All functions take scalars or arrays that broadcast against each other, and compute in float64.
"""

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
Physics: TypeAlias = Literal["gymnasium", "gym-0.19"]

PHYSICS: tuple[Physics, ...] = ("gymnasium", "gym-0.19")
"""The orders of integration that ``advance`` knows."""

GRAVITY = 10.0
"""Acceleration of gravity in m/s^2."""
MASS = 1.0
"""Mass of the rod in kg."""
LENGTH = 1.0
"""Length of the rod in m."""
TIME_STEP = 0.05
"""Duration of one step in s."""
MAX_SPEED = 8.0
"""Largest angular speed in rad/s; the speed is clipped to it."""
MAX_TORQUE = 2.0
"""Largest torque in N m; actions are clipped to it."""
REWARDS = (-(np.pi**2 + 0.1 * MAX_SPEED**2 + 0.001 * MAX_TORQUE**2), 0.0)
"""Least and greatest reward of a step."""

START_RANGE: FloatArray = np.array([np.pi, 1.0])
"""Half widths of the uniform start distribution: angle in rad, angular speed in rad/s."""
START_RANGE.setflags(write=False)


def wrap_angle(theta: npt.ArrayLike) -> FloatArray:
    """Return the angle in rad that is equal to ``theta`` up to full turns and lies in [-pi, pi)."""
    return np.mod(np.asarray(theta, dtype=np.float64) + np.pi, 2 * np.pi) - np.pi


def reward(theta: npt.ArrayLike, omega: npt.ArrayLike, torque: npt.ArrayLike) -> FloatArray:
    """Return the reward of a step, -(wrap(theta)^2 + 0.1 omega^2 + 0.001 torque^2), between -16.2736044 and 0.

    Angle (rad) and speed (rad/s) are those before the step; the torque in N m is clipped to ±``MAX_TORQUE`` already.
    """
    speed, push = np.asarray(omega, dtype=np.float64), np.asarray(torque, dtype=np.float64)
    return -(np.square(wrap_angle(theta)) + 0.1 * np.square(speed) + 0.001 * np.square(push))


def advance(
    theta: npt.ArrayLike, omega: npt.ArrayLike, torque: npt.ArrayLike, physics: Physics = "gymnasium"
) -> tuple[FloatArray, FloatArray]:
    """Return angle and angular speed one ``TIME_STEP`` later (semi-implicit Euler).

    The two orders differ only where the speed limit acts: ``"gymnasium"`` moves with the clipped speed (Gymnasium,
    gym 0.21 and later), ``"gym-0.19"`` with the speed before it is clipped (gym 0.19 and earlier).

    Angle in rad, speed in rad/s, torque in N m, already clipped to ±``MAX_TORQUE``.
    """
    angle = np.asarray(theta, dtype=np.float64)
    gravity_term = (1.5 * GRAVITY / LENGTH) * np.sin(angle)
    torque_term = 3.0 / (MASS * LENGTH**2) * np.asarray(torque, dtype=np.float64)
    speed = np.asarray(omega, dtype=np.float64) + (gravity_term + torque_term) * TIME_STEP
    clipped_speed = np.minimum(np.maximum(speed, -MAX_SPEED), MAX_SPEED)
    moving_speed = clipped_speed if physics == "gymnasium" else speed
    return angle + moving_speed * TIME_STEP, clipped_speed


def sample_start_states(rng: np.random.Generator, count: int) -> FloatArray:
    """Draw start states (count, 2): theta ~ U(-pi, pi) rad, omega ~ U(-1, 1) rad/s."""
    states: FloatArray = (2.0 * rng.random((count, 2)) - 1.0) * START_RANGE
    return states
