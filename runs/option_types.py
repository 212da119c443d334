"""How values of options are read: whole numbers in any usual form, paths, values that may be left out."""

import math
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

__all__ = ["OPTION_TYPES", "expanded"]

OPTION_TYPES = ConstructorRegistry()
"""What the command line knows besides tyro's own rules."""


def expanded(text: str) -> Path:
    """A path as it was typed, ``~`` and ``~user`` replaced; ValueError where that folder is not known."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder for {text!r}; write the path without `~`") from error


def _whole(text: str) -> int:
    """12000, 12_000 or 1.2e4."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer() or abs(number) > 2**53:
        raise ValueError(f"expected a whole number such as 12000 or 1.2e4, got {text!r}")
    return int(number)


@OPTION_TYPES.primitive_rule
def _of_one_word(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    readers: dict[Any, Any] = {int: (_whole, "INT"), Path: (expanded, "PATH")}
    if info.type not in readers:
        return None
    read, metavar = readers[info.type]
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: read(words[0]),
        is_instance=lambda value: isinstance(value, info.type) and not isinstance(value, bool),
        str_from_instance=lambda value: [str(value)],
    )


@OPTION_TYPES.primitive_rule
def _or_none(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """A single word or nothing: help shows the word alone; ``None`` still means nothing."""
    kinds = [kind for kind in get_args(info.type) if kind is not NoneType]
    if get_origin(info.type) not in (Union, UnionType) or len(kinds) != 1 or len(get_args(info.type)) != 2:
        return None
    inner = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kinds[0], info.markers))
    if not isinstance(inner, PrimitiveConstructorSpec) or inner.nargs != 1:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=inner.metavar,
        instance_from_str=lambda words: None if words == ["None"] else inner.instance_from_str(words),
        is_instance=lambda value: value is None or inner.is_instance(value),
        str_from_instance=lambda value: ["None"] if value is None else inner.str_from_instance(value),
        choices=None if inner.choices is None else (*inner.choices, "None"),
    )
