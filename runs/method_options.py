"""Settings of single methods by name: where a name belongs, new values in their place, and how they are typed."""

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from anysense.common.errors import unknown_name
from anysense.representations.settings import Settings

__all__ = ["AGENT", "Parts", "Place", "changed", "changes_of", "kind_of", "place_of", "typed", "typed_options"]

AGENT = "agent"
"""The part whose settings are always named with it; those of the training of a representation have the same names."""

Parts = Mapping[str, Settings]
"""Settings that belong to one method, by part: ``method``, ``networks``, ``training``, ``agent``."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a setting is: its part, its name there, and the entry of one that has several by name."""

    part: str
    field: str
    entry: str | None = None


def place_of(parts: Parts, name: str, owner: str) -> Place:
    """Where a setting is that was named ``SETTING``, ``PART.SETTING``, or either with ``.ENTRY`` behind it.

    Raises:
        ValueError: There is no such setting; the message lists those there are.
    """
    first, dot, rest = name.partition(".")
    inside, where = (rest, [first]) if dot and first in parts else (name, [part for part in parts if part != AGENT])
    field, _, entry = inside.partition(".")
    found = next((part for part in where if field in _names(parts[part])), None)
    if found is None:
        known = [f"{AGENT}.{one}" if part == AGENT else one for part in parts for one in _names(parts[part])]
        raise ValueError(unknown_name(f"setting of {owner}", name, known))
    place = Place(found, field, entry or None)
    if entry and not _by_name(_hint(parts[found], field)):
        raise ValueError(f"`{field}` of {owner} is one value and has no entries by name; got {name!r}.")
    return place


def changed(parts: Parts, changes: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """The settings with other values in some places; a number for a list stands for each of its entries.

    Raises:
        ValueError: There is no such setting, or a value out of range.
        TypeError: A value of the wrong type.
    """
    values: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for name, value in changes.items():
        place = place_of(parts, name, owner)
        settings, own = parts[place.part], values[place.part]
        before = own.get(place.field, getattr(settings, place.field))
        own[place.field] = _put(place, before, _hint(settings, place.field), value)
    return {part: dataclasses.replace(settings, **values[part]) for part, settings in parts.items()}


def kind_of(parts: Parts, place: Place) -> type[int] | type[float] | None:
    """``int`` or ``float`` for a setting that is a number, or a list of them; None for all others."""
    hint = _plain(_hint(parts[place.part], place.field))
    if _by_name(hint):
        hint = get_args(get_args(hint)[0])[1] if place.entry is not None else None
    elif get_origin(hint) is tuple:
        kinds = {kind for kind in get_args(hint) if kind is not Ellipsis}
        hint = kinds.pop() if len(kinds) == 1 else None
    return hint if hint in (int, float) else None


def changes_of(
    given: Sequence[str], methods: Sequence[str], option: str = "method-option"
) -> dict[str, dict[str, Any]]:
    """Values by name, by method, from METHOD.NAME=VALUE; values as JSON where they are JSON, else as text.

    Raises:
        ValueError: One has another form, comes twice, or names a method that is not among ``methods``.
    """
    found: dict[str, dict[str, Any]] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        method, dot, name = key.partition(".")
        if not equals or not dot or not name or not text:
            raise ValueError(
                f"`{option}` must be written METHOD.NAME=VALUE, for example gmc.temperature=0.2; got {pair!r}."
            )
        if method not in methods:
            raise ValueError(f"{unknown_name(option, method, methods)} (in {pair!r}; these are the methods of the run)")
        if name in found.setdefault(method, {}):
            raise ValueError(f"`{option}` names {key!r} twice.")
        found[method][name] = value_in(text)
    return found


def value_in(text: str) -> Any:
    """A value as JSON gives it, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def typed(value: Any) -> str:
    """A value as it is typed in METHOD.NAME=VALUE."""
    return value if isinstance(value, str) else json.dumps(value)


def typed_options(before: Settings, now: Settings) -> Iterator[str]:
    """What of ``now`` differs from ``before``, as options of a command whose settings they are."""
    for field in dataclasses.fields(now):
        value = getattr(now, field.name)
        if value == getattr(before, field.name):
            continue
        name = field.name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no-{name}"
            continue
        yield f"--{name}"
        entries = value if isinstance(value, tuple) else (value,)
        yield from (str(word) for entry in entries for word in (entry if isinstance(entry, tuple) else (entry,)))


def _put(place: Place, before: Any, hint: Any, value: Any) -> Any:
    """A value in its place; ``before`` is what the setting has."""
    if place.entry is not None:
        return tuple({**dict(before), place.entry: value}.items())
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or get_origin(_plain(hint)) is not tuple:
        return value
    if _by_name(hint):
        names = f", such as {place.field}.{before[0][0]}" if before else ""
        raise ValueError(f"`{place.field}` has entries by name; name one{names}. Got {value!r}.")
    if not before:
        raise ValueError(f"`{place.field}` has no entries, so that {value!r} has no effect; give a list.")
    return (value,) * len(before)


def _names(settings: Settings) -> list[str]:
    return [field.name for field in dataclasses.fields(settings) if "Suppress" not in str(field.type)]


def _hint(settings: Settings, field: str) -> Any:
    return get_type_hints(type(settings))[field]


def _plain(hint: Any) -> Any:
    """A type without None."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else hint
    return None if get_origin(hint) is Literal else hint


def _by_name(hint: Any) -> bool:
    """Whether a setting is a list of pairs of a name and a number."""
    first = get_args(_plain(hint))[:1]
    return get_origin(_plain(hint)) is tuple and bool(first) and get_origin(first[0]) is tuple
