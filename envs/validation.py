"""Checks of arguments that several parts of the environment share."""

import difflib
import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.envs.pendulum.physics import MAX_SPEED, MAX_TORQUE, FloatArray


def check_choice(argument: str, name: object, valid: Collection[str]) -> str:
    """Return ``name`` if it is among ``valid``.

    Raises:
        ValueError: It is not; the message lists what is valid and the nearest spelling.
    """
    if not isinstance(name, str) or name not in valid:
        nearest = difflib.get_close_matches(str(name).lower(), valid, n=1, cutoff=0.5)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"`{argument}` must be one of {', '.join(map(repr, valid))}; got {name!r}.{hint}")
    return name


def check_names(argument: str, names: Sequence[str], valid: Collection[str]) -> tuple[str, ...]:
    """Return ``names`` as a tuple if they are distinct and all among ``valid``.

    Raises:
        TypeError: ``names`` is not a sequence of strings (a single string is not accepted either).
        ValueError: ``names`` is empty, or holds an unknown name or one name twice.
    """
    if isinstance(names, str):
        raise TypeError(f"`{argument}` must be a sequence of names, got the string {names!r}; write ({names!r},).")
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"`{argument}` must be a sequence of names, got {names!r}.")
    if not names:
        raise ValueError(f"`{argument}` must name at least one of {', '.join(map(repr, valid))}; got none.")
    for name in names:
        check_choice(argument, name, valid)
    duplicates = sorted({name for name in names if list(names).count(name) > 1})
    if duplicates:
        raise ValueError(
            f"`{argument}` must name each entry once; got {', '.join(map(repr, duplicates))} twice or more."
        )
    return tuple(names)


def check_positive_integer(argument: str, value: Any) -> int:
    """Return ``value`` as an int if it is a whole number above zero.

    Raises:
        ValueError: It is not.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 1:
        raise ValueError(f"`{argument}` must be a whole number of at least 1, got {value!r}.")
    return int(value.__index__())


def check_render_mode(mode: str | None, valid: Sequence[str]) -> str | None:
    """Return ``mode`` if it is None or among ``valid``.

    Raises:
        ValueError: It is not.
    """
    return None if mode is None else check_choice("render_mode", mode, valid)


def check_options(options: dict[str, Any] | None, valid: Collection[str]) -> None:
    """Check the names of reset options.

    Raises:
        ValueError: An option is not among ``valid``.
    """
    for name in options or ():
        check_choice("options", name, valid)


def check_states(states: Any, shape: tuple[int, ...]) -> FloatArray:
    """Return states [theta, omega] as a float64 copy.

    Raises:
        ValueError: They have another shape than ``shape``, are not finite or are faster than ``MAX_SPEED``.
    """
    array = _as_numbers("options['state']", states)
    if array.shape != shape:
        raise ValueError(f"`options['state']` must have shape {shape}, [theta, omega] last; got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"`options['state']` must be finite; got {array}.")
    if np.abs(array[..., 1]).max(initial=0.0) > MAX_SPEED:
        fastest = np.abs(array[..., 1]).max()
        raise ValueError(f"`options['state']` must have an angular speed within ±{MAX_SPEED} rad/s; got {fastest}.")
    return array


def check_actions(actions: Any, shape: tuple[int, ...]) -> FloatArray:
    """Return torques as float64 of shape (-1,), clipped to ±``MAX_TORQUE``.

    Raises:
        ValueError: They have another shape than ``shape``, or one is NaN.
    """
    array = _as_numbers("action", actions)
    if array.shape != shape:
        raise ValueError(f"`action` must have shape {shape}, a torque in N m last; got shape {array.shape}.")
    torque = np.minimum(np.maximum(array.reshape(-1), -MAX_TORQUE), MAX_TORQUE)
    if math.isnan(torque.sum()):  # quicker than a test of each one, and clipped torques have no other way to a NaN sum
        raise ValueError(f"`action` must not be NaN; got {array.tolist()}. Check the policy's output.")
    return torque


def _as_numbers(argument: str, values: Any) -> FloatArray:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{argument}` must be an array of numbers; got {values!r}.") from error


def check_reset_mask(mask: Any, count: int) -> npt.NDArray[np.bool_]:
    """Return the mask of the environments to reset as a copy; None means all.

    Raises:
        TypeError: ``mask`` is not a numpy array of bool.
        ValueError: It has another shape than ``(count,)`` or marks none.
    """
    if mask is None:
        return np.ones(count, dtype=np.bool_)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(
            f"`options['reset_mask']` must be a numpy array of bool, got {getattr(mask, 'dtype', type(mask))}."
        )
    if mask.shape != (count,):
        raise ValueError(f"`options['reset_mask']` must have shape ({count},), got {mask.shape}.")
    if not mask.any():
        raise ValueError("`options['reset_mask']` must mark at least one environment, got all False.")
    return mask.copy()
