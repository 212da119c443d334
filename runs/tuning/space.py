"""What is searched: ranges and choices of settings, from the command line or from what a method leaves open."""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anysense.representations.methods.catalogue import METHODS
from anysense.representations.settings import Settings
from anysense.runs.method_options import AGENT, Parts, changed, kind_of, place_of, typed, value_in

__all__ = ["DIGITS", "USUAL", "Dimension", "default_of", "dimension", "spaces", "usual_space"]

USUAL = "default"
"""Stands for the usual space of each method among what is given."""
DIGITS = 4
"""Significant digits of numbers that are tried, so that what is printed is what was tried."""
LARGEST, LARGEST_WHOLE = 1e30, 10**15
"""Largest ends of ranges: what samplers and figures reckon with in single precision, and what a float holds exactly."""
FORM = "NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C, for example temperature=0.05..1:log"
_RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>.+?)(?P<log>:log)?")
_NAMED = 1.0
"""Weight of an entry that no preset has changed; the usual space leaves such entries alone."""


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One setting that is searched: a range of numbers, or choices.

    Attributes:
        name: As it was typed, without the method.
        low: Lower end of a range.
        high: Upper end of it.
        log: Whether the range is searched by its logarithm.
        whole: Whether its numbers are whole.
        choices: What is chosen from, in the place of a range.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def __str__(self) -> str:
        """As it is typed."""
        return f"{self.name}={self.range}"

    @property
    def range(self) -> str:
        """What is behind the name where it is typed."""
        if self.choices:
            return ",".join(map(typed, self.choices))
        low, high = self.ends
        return f"{_short(low)}..{_short(high)}{':log' if self.log else ''}"

    @property
    def ends(self) -> tuple[Any, Any]:
        """Both ends, as whole numbers where the setting is one."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    @property
    def fixed(self) -> bool:
        """Whether it is one value, which every trial has."""
        return len(self.choices) == 1

    def holds(self, value: Any) -> bool:
        """Whether a value is in the range or among the choices."""
        if self.choices:
            return value in self.choices and type(value) in {type(choice) for choice in self.choices}
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high

    def rounded(self, value: Any) -> Any:
        """A number of the range to `DIGITS` significant digits, never outside of it."""
        if self.choices or self.whole:
            return value
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


def _short(number: float) -> str:
    return str(int(number)) if float(number).is_integer() and abs(number) <= LARGEST_WHOLE else repr(number)


def dimension(text: str) -> Dimension:
    """What one NAME=... says; whether its numbers are whole is not known yet.

    Raises:
        ValueError: It has another form, or a range is empty, too large, or logarithmic and not above 0.
    """
    name, equals, rest = text.partition("=")
    if not equals or not name or not rest:
        raise ValueError(f"`space` must be written {FORM}; got {text!r}.")
    if ".." not in rest:
        choices = tuple(value_in(part) for part in rest.split(","))
        if "" in choices or len({(type(choice), repr(choice)) for choice in choices}) < len(choices):
            raise ValueError(f"`space` {text}: expected different choices, separated by commas.")
        return Dimension(name, choices=choices)
    found = _RANGE.fullmatch(rest)
    ends = [value_in(found[end]) for end in ("low", "high")] if found else []
    if found is None or not all(type(end) in (int, float) and math.isfinite(end) for end in ends):
        raise ValueError(f"`space` {text}: expected finite numbers as {FORM}.")
    low, high = map(float, ends)
    if max(-low, high) > LARGEST:
        raise ValueError(f"`space` {text}: ends must be between -{LARGEST:g} and {LARGEST:g}.")
    if low == high:
        raise ValueError(f"`space` {text} is a single value; write {name}={_short(ends[0])} to have it in every trial.")
    if low > high:
        raise ValueError(
            f"`space` {text}: the lower end comes first; write {name}={_short(ends[1])}..{_short(ends[0])}."
        )
    if found["log"] and low <= 0:
        raise ValueError(f"`space` {text}: a logarithmic range must begin above 0, got {_short(ends[0])}.")
    return Dimension(name, low, high, bool(found["log"]))


def default_of(parts: Parts, name: str, owner: str) -> Any:
    """What a setting has without a search; of a list, the number that all its entries have, else the list."""
    place = place_of(parts, name, owner)
    value = getattr(parts[place.part], place.field)
    if place.entry is not None:
        return dict(value).get(place.entry)
    if isinstance(value, tuple) and value and all(entry == value[0] for entry in value):
        return value[0]
    return list(value) if isinstance(value, tuple) else value


def spaces(given: Sequence[str], parts: Mapping[str, Parts]) -> dict[str, list[Dimension]]:
    """What is searched for each method.

    Args:
        given: Entries as they were typed, each for one method (METHOD.NAME=...) or for all that have such a setting;
            ``default`` stands for the usual space. None at all is the same.
        parts: Settings by part, by method.

    Raises:
        ValueError: An entry has another form, names no setting, or one that cannot be searched like that; or there is
            nothing to search for a method.
    """
    found: dict[str, dict[str, Dimension]] = {method: {} for method in parts}
    entries = list(given) or [USUAL]
    if USUAL in entries:
        for method, own in parts.items():
            found[method] = {one.name: one for one in usual_space(own, method)}
    typed_before: set[str] = set()
    for text in entries:
        if text == USUAL:
            continue
        one = dimension(text)
        if one.name in typed_before:
            raise ValueError(f"`space` names {one.name!r} twice.")
        typed_before.add(one.name)
        for method, for_it in _methods_of(one, parts):
            found[method][for_it.name] = _fitting(for_it, parts[method], method, text)
    empty = [method for method, own in found.items() if not own]
    if empty:
        raise ValueError(
            f"`space` leaves nothing to search for {', '.join(empty)}; name a setting of it, such as "
            f"{empty[0]}.learning_rate=1e-4..1e-2:log, or leave the method out."
        )
    return {method: list(own.values()) for method, own in found.items()}


def usual_space(parts: Parts, method: str) -> list[Dimension]:
    """What is searched if nobody says: what the settings of each part offer, as far as it has an effect."""
    found = []
    for part, settings in parts.items():
        for name, text in _offered(settings).items():
            for entry in _entries(settings, name):
                own = f"{AGENT}.{entry}" if part == AGENT else entry
                try:
                    one = _fitting(dimension(f"{own}={text}"), parts, method, own)
                except (TypeError, ValueError):  # without effect, as this method is preset here
                    continue
                if default_of(parts, own, method) is not None:
                    found.append(one)
    return found


def _offered(settings: Settings) -> dict[str, str]:
    """Ranges by setting, those of a subclass before those of what it derives from."""
    found: dict[str, str] = {}
    for kind in reversed(type(settings).__mro__):
        found.update(vars(kind).get("search", {}))
    return found


def _entries(settings: Settings, name: str) -> Iterator[str]:
    """The setting itself, or each of its entries by name that a preset has changed."""
    value = getattr(settings, name)
    if not (isinstance(value, tuple) and value and isinstance(value[0], tuple)):
        yield name
        return
    yield from (f"{name}.{entry}" for entry, weight in value if weight != _NAMED)


def _methods_of(one: Dimension, parts: Mapping[str, Parts]) -> list[tuple[str, Dimension]]:
    """The methods that an entry is for: one that it names, or all that have such a setting."""
    first, dot, rest = one.name.partition(".")
    if dot and first in parts:
        return [(first, dataclasses.replace(one, name=rest))]
    found, reasons = [], []
    for method, own in parts.items():
        try:
            place_of(own, one.name, method)
        except ValueError as error:
            reasons.append(str(error))
        else:
            found.append((method, one))
    if not found and first == AGENT and not any(AGENT in own for own in parts.values()):
        raise ValueError(f"`space` {one}: settings of agents are searched with --score agent (and --env) only.")
    if not found and dot and first in METHODS.names():
        raise ValueError(f"`space` {one}: {first} is not among the methods that are searched: {', '.join(parts)}.")
    if not found:
        raise ValueError(f"`space` {one}: {' '.join(reasons)}")
    return found


def _fitting(one: Dimension, parts: Parts, method: str, text: str) -> Dimension:
    """The same for a setting of a method; ValueError where it cannot have these values."""
    try:
        place = place_of(parts, one.name, method)
    except ValueError as error:
        raise ValueError(f"`space` {text}: {error}") from error
    kind = kind_of(parts, place)
    if not one.choices:
        if kind is None:
            raise ValueError(f"`space` {text}: `{one.name}` of {method} is no number; list choices: NAME=A,B,C.")
        if kind is int and not (one.low.is_integer() and one.high.is_integer()):
            raise ValueError(f"`space` {text}: `{one.name}` of {method} is a whole number, and so must be both ends.")
        if kind is int and max(-one.low, one.high) > LARGEST_WHOLE:
            raise ValueError(
                f"`space` {text}: ends of whole numbers must be between -{LARGEST_WHOLE:g} and {LARGEST_WHOLE:g}."
            )
        one = dataclasses.replace(one, whole=kind is int)
    for value in one.choices or one.ends:
        try:
            changed(parts, {one.name: value}, method)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`space` {text}: {error}") from error
    return one
