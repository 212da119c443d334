"""Type checks for the settings dataclasses: a wrong value fails where it is given, not deep inside a network."""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from anysense.common.errors import unknown_name

__all__ = ["MethodSettings", "Names", "NetworkSettings", "Settings", "settings_from"]

Names = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of typed settings; a subclass adds its own frozen fields.

    Fields may be int, float, bool, str, Literal, tuples of these, or unions with None. Integers are taken for floats
    and lists (from JSON) for tuples.

    Attributes:
        positive: Fields of the class whose numbers must be finite and above 0; see `require_positive`.
        non_negative: Fields of the class whose numbers must be finite and at least 0.
        search: What `anysense tune` searches if nobody says: for a field of the class a range as it is typed,
            ``0.05..1:log``; of a field with entries by name, the range of each entry.

    Raises:
        TypeError: A value has another type.
        ValueError: A word is not among those allowed, or a number out of range.
    """

    positive: ClassVar[Names] = ()
    non_negative: ClassVar[Names] = ()
    search: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        """Checks and converts every field."""
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = _converted(field.name, getattr(self, field.name), hints[field.name])
            object.__setattr__(self, field.name, value)
        for kind in type(self).__mro__:
            self.require_positive(*vars(kind).get("positive", ()))
            self.require_non_negative(*vars(kind).get("non_negative", ()))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not all(math.isfinite(number) for number in _numbers(value) if isinstance(number, float)):
                raise ValueError(f"`{field.name}` must be a finite number; got {value!r}.")

    def require_positive(self, *names: str) -> None:
        """Raises ValueError unless all numbers of the named fields are finite and above 0.

        A field may hold None, a number, a tuple of numbers, or a tuple of pairs of a name and a number.
        """
        for name in names:
            numbers = _numbers(getattr(self, name))
            if not all(number > 0 for number in numbers):
                raise ValueError(f"`{name}` must be positive; got {getattr(self, name)!r}.")
            if math.inf in numbers:
                raise ValueError(f"`{name}` must be finite; got {getattr(self, name)!r}.")

    def require_non_negative(self, *names: str) -> None:
        """Raises ValueError unless all numbers of the named fields are finite and at least 0; see above."""
        for name in names:
            if not all(0.0 <= number < math.inf for number in _numbers(getattr(self, name))):
                raise ValueError(f"`{name}` must be a finite number of at least 0; got {getattr(self, name)!r}.")

    def require_default(self, *names: str, reason: str) -> None:
        """Raises ValueError if one of the named fields, which have no effect for the given reason, is changed."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in names and value != field.default:
                raise ValueError(
                    f"`{field.name}` has no effect {reason}; leave it at {field.default!r} (got {value!r})."
                )


@dataclasses.dataclass(frozen=True)
class MethodSettings(Settings):
    """Base of the settings of every method: its loss and the layers that are its own, nothing about networks.

    Attributes:
        like: A method whose presets hold for this one too, in what both have from a common class; none by default.
            Where a benchmark knows that method, it knows this one.
        presets: Values by setting, by preset, on whatever data; the table that a benchmark has for the method comes
            before them. Those under ``*`` hold for every preset.
    """

    like: ClassVar[str] = ""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}


@dataclasses.dataclass(frozen=True)
class NetworkSettings(Settings):
    """Base of the settings of every family of networks; a family without settings uses it as it is."""


Kind = TypeVar("Kind", bound=Settings)


def settings_from(kind: type[Kind], values: Mapping[str, Any], owner: str) -> Kind:
    """Settings from values by name.

    Args:
        kind: Class of the settings.
        values: Values by name; a setting that is not named has its default.
        owner: What the settings belong to, for messages: "gmc", "the networks 'mhd'".

    Raises:
        ValueError: A name that is no setting, or a value out of range.
        TypeError: A value of the wrong type.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in names:
            if not names:
                raise ValueError(f"{owner} has no settings; got {name!r}. Leave it out.")
            raise ValueError(unknown_name(f"setting of {owner}", name, names))
    return kind(**values)


def _numbers(value: Any) -> tuple[Any, ...]:
    entries = value if isinstance(value, tuple) else () if value is None else (value,)
    return tuple(entry[1] if isinstance(entry, tuple) else entry for entry in entries)


def _converted(name: str, value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            raise ValueError(unknown_name(name, value, get_args(hint)))
        return value
    if origin is tuple:
        return _converted_tuple(name, value, hint)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return None if value is None else _converted(name, value, options[0])
    if type(value).__module__ == "numpy" and hasattr(value, "item"):  # by name, so that numpy need not be imported
        value = value.item()
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise _wrong_type(name, value, hint)
    return value


def _converted_tuple(name: str, value: Any, hint: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong_type(name, value, hint)
    hints = get_args(hint)
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        raise ValueError(f"`{name}` must have {len(hints)} entries; got {value!r}.")
    return tuple(_converted(name, entry, part) for entry, part in zip(value, hints, strict=True))


def _wrong_type(name: str, value: Any, hint: Any) -> TypeError:
    expected = hint.__name__ if isinstance(hint, type) else str(hint)
    return TypeError(f"`{name}` must be {expected}; got {value!r} ({type(value).__name__}).")
