"""Checks of what the pendulum's environments are given."""

import inspect
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from anysense.common.errors import unknown_name
from anysense.common.validation import check_choice
from anysense.envs.pendulum.physics import MAX_SPEED, MAX_TORQUE, FloatArray

__all__ = ["check_actions", "check_no_more", "check_options", "check_render_mode", "check_states"]


def check_no_more(unknown: Mapping[str, Any], owner: type[Any]) -> None:
    """Refuse keyword arguments that ``owner`` does not have.

    Raises:
        TypeError: There is one.
    """
    for name in unknown:
        if name == "senses":
            raise TypeError("`senses` is called `modalities` now; write modalities=(...).")
        raise TypeError(unknown_name("argument", name, list(inspect.signature(owner).parameters)[:-1]))


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
