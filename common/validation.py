"""Checks of arguments: each returns the checked value or raises an error that names argument, expectation and value."""

import math
import operator
import os
from collections.abc import Collection, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from anysense.common.errors import unknown_name

__all__ = [
    "check_choice",
    "check_flag",
    "check_integer",
    "check_names",
    "check_path",
    "check_positive_integer",
    "check_probability",
    "check_range",
    "check_seed",
]


def check_choice(argument: str, name: object, valid: Collection[str]) -> str:
    """``name`` if it is among ``valid``.

    Raises:
        ValueError: It is not; the message lists what is valid and the nearest spelling.
    """
    if not isinstance(name, str) or name not in valid:
        raise ValueError(unknown_name(argument, name, valid))
    return name


def check_names(argument: str, names: Sequence[str], valid: Collection[str]) -> tuple[str, ...]:
    """``names`` as a tuple if they are distinct and all among ``valid``.

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


def check_integer(argument: str, value: Any, low: int, high: int | None = None) -> int:
    """``value`` as an int if it is a whole number of at least ``low`` and, where there is one, at most ``high``.

    Raises:
        ValueError: It is not.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        expected = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"`{argument}` must be a whole number {expected}, got {value!r}.")
    return number


def check_positive_integer(argument: str, value: Any) -> int:
    """``value`` as an int if it is a whole number above zero (ValueError if not)."""
    return check_integer(argument, value, 1)


def check_flag(argument: str, value: Any) -> bool:
    """``value`` as a bool if it is one, numpy's included.

    Raises:
        ValueError: It is not.
    """
    if type(value).__name__ not in ("bool", "bool_"):  # by name, so that numpy need not be imported
        raise ValueError(f"`{argument}` must be True or False, got {value!r}.")
    return bool(value)


def check_range(argument: str, value: Any, low: float, high: float = math.inf, *, ends: str = "[]") -> float:
    """``value`` as a float if it is finite and lies in [low, high]; a round bracket in ``ends`` leaves an end out.

    Raises:
        ValueError: It is not.
    """
    number = _number(value)
    left_out = (ends[0] == "(" and number == low) or (ends[1] == ")" and number == high)
    if left_out or not (math.isfinite(number) and low <= number <= high):
        interval = f"lie in {ends[0]}{low:g}, {high:g}{ends[1]}"
        expected = interval if math.isfinite(high) else f"be a finite number of at least {low:g}"
        raise ValueError(f"`{argument}` must {expected}, got {value!r}.")
    return number


def check_probability(argument: str, value: Any) -> float:
    """``value`` as a float if it lies in [0, 1].

    Raises:
        ValueError: It does not.
    """
    return check_range(argument, value, 0, 1)


def _number(value: Any) -> float:
    try:
        return float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
    except OverflowError:
        return math.inf


def check_seed(argument: str, seed: Any) -> int:
    """``seed`` as an int if it is 0 to 2**32 - 1, what every library takes; otherwise ValueError."""
    return check_integer(argument, seed, 0, 2**32 - 1)


def check_path(argument: str, path: Any) -> Path:
    """``path`` as a `Path`; TypeError if it is neither a string nor a path."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`{argument}` must be a path, got {path!r}.")
    return Path(path)
