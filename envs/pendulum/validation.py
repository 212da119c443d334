"""Checks of what the pendulum's environments are given."""

import math
from typing import Any

import numpy as np

from anysense.common.validation import check_integer
from anysense.envs.pendulum.physics import MAX_SPEED, MAX_TORQUE, FloatArray
from anysense.envs.validation import as_numbers

__all__ = ["check_actions", "check_initial_steps", "check_states"]

MAX_INITIAL_STEPS = 10_000
MAX_ANGLE = 1e9
"""Largest angle in rad to start from, so that it and its frame stay exact."""


def check_initial_steps(value: Any) -> int | tuple[int, int]:
    """Return a number of steps or a pair (low, high).

    Raises:
        ValueError: It is neither, or out of range.
    """
    try:
        if not isinstance(value, list | tuple | np.ndarray) or np.ndim(value) == 0:
            return check_integer("initial_steps", value, 0, MAX_INITIAL_STEPS)
        low, high = (check_integer("initial_steps", bound, 0, MAX_INITIAL_STEPS) for bound in value)
        if low < high:
            return low, high
    except ValueError:
        pass  # too few or too many bounds, or one that is no such number
    raise ValueError(
        f"`initial_steps` must be a whole number from 0 to {MAX_INITIAL_STEPS}, or a pair (low, high) with "
        f"0 <= low < high <= {MAX_INITIAL_STEPS} from which each reset draws low, ..., high - 1; got {value!r}."
    )


def check_states(argument: str, states: Any, shape: tuple[int, ...]) -> FloatArray:
    """Return states [theta, omega] as a float64 copy.

    Raises:
        ValueError: They are no numbers of the given shape, not finite, or out of range.
    """
    array = as_numbers(argument, states).astype(np.float64)
    if array.shape != shape:
        raise ValueError(f"`{argument}` must have shape {shape}, [theta, omega] last; got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"`{argument}` must be finite; got {array}.")
    farthest, fastest = np.abs(array).reshape(-1, 2).max(axis=0)
    if fastest > MAX_SPEED:
        raise ValueError(f"`{argument}` must have an angular speed within ±{MAX_SPEED} rad/s; got {fastest}.")
    if farthest > MAX_ANGLE:
        raise ValueError(f"`{argument}` must have an angle within ±{MAX_ANGLE:g} rad; got {farthest}.")
    return array


def check_actions(argument: str, actions: Any, shape: tuple[int, ...]) -> FloatArray:
    """Return torques as float64 of shape (-1,), clipped to ±``MAX_TORQUE``.

    Raises:
        ValueError: They are no numbers of the given shape, or one is NaN.
    """
    array = as_numbers(argument, actions).astype(np.float64)
    if array.shape != shape:
        raise ValueError(f"`{argument}` must have shape {shape}, a torque in N m last; got shape {array.shape}.")
    torque = np.minimum(np.maximum(array.reshape(-1), -MAX_TORQUE), MAX_TORQUE)
    if math.isnan(torque.sum()):  # quicker than a test of each one, and clipped torques have no other way to a NaN sum
        raise ValueError(f"`{argument}` must not be NaN; got {array.tolist()}. Check the policy's output.")
    return torque
