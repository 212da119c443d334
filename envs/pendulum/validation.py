"""Checks of what the pendulum's environments are given."""

import inspect
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysense.common.errors import unknown_name
from anysense.common.validation import check_choice, check_integer
from anysense.envs.pendulum.physics import MAX_SPEED, MAX_TORQUE, FloatArray

__all__ = [
    "as_numbers",
    "check_actions",
    "check_array",
    "check_initial_steps",
    "check_no_more",
    "check_options",
    "check_render_mode",
    "check_states",
]

MAX_INITIAL_STEPS = 10_000
MAX_ANGLE = 1e9
"""Largest angle in rad to start from, so that it and its frame stay exact."""


def check_no_more(unknown: Mapping[str, Any], owner: type[Any]) -> None:
    """Refuse keyword arguments that ``owner`` does not have (TypeError)."""
    for name in unknown:
        if name == "senses":
            raise TypeError("`senses` is called `modalities` now; write modalities=(...).")
        raise TypeError(unknown_name("argument", name, list(inspect.signature(owner).parameters)[:-1]))


def check_render_mode(mode: str | None, valid: Collection[str]) -> str | None:
    """Return ``mode`` if it is None or among ``valid`` (ValueError if not)."""
    return None if mode is None else check_choice("render_mode", mode, valid)


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


def check_options(options: Any, valid: Collection[str]) -> Mapping[str, Any]:
    """Return reset options, {} for None.

    Raises:
        TypeError: They are no mapping.
        ValueError: An option is not among ``valid``.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"`options` must be a dictionary or None, got {options!r}.")
    for name in options:
        check_choice("options", name, valid)
    return options


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


def check_array(argument: str, values: Any, like: NDArray[Any], low: Any, high: Any) -> NDArray[Any]:
    """Return a copy of an array that has the shape and the dtype of another one, and values from low to high.

    Raises:
        ValueError: It has not.
    """
    array = as_numbers(argument, values).copy()
    if array.shape != like.shape or array.dtype != like.dtype or not ((array >= low) & (array <= high)).all():
        raise ValueError(
            f"`{argument}` must be {like.dtype} {like.shape} from {np.min(low):g} to {np.max(high):g}, as `state_dict` "
            f"of an environment with the same settings gives it; got {array.dtype} {array.shape}."
        )
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


def as_numbers(argument: str, values: Any) -> NDArray[Any]:
    """Return an array of numbers or truth values.

    Raises:
        ValueError: The values are none; texts are none, even where they could be read as such.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"`{argument}` must be an array of numbers; got {values!r}.") from error
    if array.dtype.kind not in "buif":
        raise ValueError(f"`{argument}` must be an array of numbers; got {values!r}.")
    return array
