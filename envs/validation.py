"""Checks of what the environments of every world are given."""

import inspect
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysense.common.errors import unknown_name
from anysense.common.validation import check_choice

__all__ = ["as_numbers", "check_array", "check_like", "check_no_more", "check_options", "check_render_mode"]


def check_no_more(unknown: Mapping[str, Any], owner: type[Any]) -> None:
    """Refuse keyword arguments that ``owner`` does not have (TypeError)."""
    for name in unknown:
        if name == "senses":
            raise TypeError("`senses` is called `modalities` now; write modalities=(...).")
        raise TypeError(unknown_name("argument", name, list(inspect.signature(owner).parameters)[:-1]))


def check_render_mode(mode: str | None, valid: Collection[str]) -> str | None:
    """Return ``mode`` if it is None or among ``valid`` (ValueError if not)."""
    return None if mode is None else check_choice("render_mode", mode, valid)


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


def check_like(argument: str, values: Any, like: NDArray[Any], limits: str = "") -> NDArray[Any]:
    """Return a copy of an array that has the shape and the dtype of another one.

    Raises:
        ValueError: It has not; the message says which ``limits`` its values have besides.
    """
    array = as_numbers(argument, values).copy()
    if array.shape != like.shape or array.dtype != like.dtype:
        raise ValueError(_unlike(argument, array, like, limits))
    return array


def check_array(argument: str, values: Any, like: NDArray[Any], low: Any, high: Any) -> NDArray[Any]:
    """The same with values from low to high; ValueError if there are others."""
    limits = f" from {np.min(low):g} to {np.max(high):g}"
    array = check_like(argument, values, like, limits)
    if not ((array >= low) & (array <= high)).all():
        raise ValueError(_unlike(argument, array, like, limits))
    return array


def _unlike(argument: str, array: NDArray[Any], like: NDArray[Any], limits: str) -> str:
    return (
        f"`{argument}` must be {like.dtype} {like.shape}{limits}, as `state_dict` of an environment with the same "
        f"settings gives it; got {array.dtype} {array.shape}."
    )


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
