"""How settings become options: their help in whole lines, the names that it lists, lists in one form."""

import dataclasses
import functools
import inspect
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import docstring_parser
import tyro

__all__ = ["Names", "list_options", "offered", "option_names", "restored"]

Names = Mapping[str, Sequence[str] | str]
"""What help lists for an option, by field: names, or how one value is written."""

DataT = TypeVar("DataT")

_WORDS = {int: "INT", float: "FLOAT", str: "STR", Path: "PATH"}


def offered(default: Any, names: Names) -> Any:
    """The same settings, in classes whose fields say how help shows them.

    Values are not checked here, where a message would name classes; `restored` does.
    """
    cls, fields, values = type(default), [], {}
    hints, texts = get_type_hints(cls, include_extras=True), _texts(cast(Hashable, cls))
    for field in dataclasses.fields(default):
        value, hint = getattr(default, field.name), hints[field.name]
        if dataclasses.is_dataclass(value):
            value = offered(value, names)
            told = tyro.conf.arg(help=texts.get(field.name) or inspect.getdoc(value))  # else tyro parses source for it
            fields.append((field.name, Annotated[type(value), tyro.conf.OmitArgPrefixes, told]))
        elif "Suppress" not in str(field.type):
            shown = tyro.conf.arg(
                metavar=_metavar(hint, names.get(field.name)),
                help=texts.get(field.name),
                help_behavior_hint="" if value is None or value == () else None,
            )
            copied = {name: getattr(field, name) for name in ("default", "default_factory")}
            fields.append((field.name, Annotated[hint, shown], dataclasses.field(**copied)))  # type: ignore[arg-type]
        values[field.name] = value
    same: dict[str, Any] = {"__doc__": cls.__doc__, "__post_init__": _unchecked}
    kind = dataclasses.make_dataclass(cls.__name__, fields, bases=(cls,), namespace=same, frozen=True, kw_only=True)
    return kind(**values)


def restored(default: DataT, found: Any) -> DataT:
    """Settings that were read, in the classes of ``default`` again; ValueError for values that those refuse."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(default)}  # type: ignore[arg-type]
    for name, value in values.items():
        if dataclasses.is_dataclass(value):
            values[name] = restored(getattr(default, name), value)
    return type(default)(**values)


def _unchecked(settings: Any) -> None:
    """In place of the checks of settings."""


def option_names(settings: Any) -> Iterator[str]:
    """Every option of settings or of a class of them, as it is typed."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name, None)
        if dataclasses.is_dataclass(value):
            yield from option_names(value)
        elif "Suppress" not in str(field.type):
            yield f"--{field.name.replace('_', '-')}"


def list_options(settings: Any) -> Iterator[str]:
    """Every option that takes any number of values."""
    hints = get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from list_options(value)
        elif _inner(hints[field.name])[1]:
            yield f"--{field.name.replace('_', '-')}"


def _inner(hint: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be any number of them."""
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        hint = kinds[0] if len(kinds) == 1 else hint
    several = get_origin(hint) is tuple and get_args(hint)[-1:] == (Ellipsis,)
    return (get_args(hint)[0], True) if several else (hint, False)


def _metavar(hint: Any, listed: Sequence[str] | str | None) -> str | None:
    kind, several = _inner(hint)
    if listed is not None:
        one: str | None = listed if isinstance(listed, str) else "{" + ",".join(listed) + "}"
    elif get_origin(kind) is tuple:
        one = " ".join(_WORDS.get(part, "VALUE") for part in get_args(kind))
    else:
        one = _WORDS.get(kind)
    if not several:
        return None if listed is None else one
    return None if one is None else f"[{one} ...]"


@functools.cache
def _texts(cls: type[Any]) -> dict[str, str]:
    """Docstrings of fields, each as one paragraph and without the marks of reStructuredText."""
    found = {}
    for kind in reversed(cls.__mro__):
        if dataclasses.is_dataclass(kind):
            for entry in docstring_parser.parse_from_object(kind).params:
                if entry.description:
                    found[entry.arg_name] = " ".join(entry.description.split()).replace("``", "`")
    return found
