"""Wording shared by the error messages of this room."""

import difflib
from collections.abc import Iterable


def unknown_name(argument: str, name: object, valid: Iterable[str]) -> str:
    """Says that ``name`` is not among ``valid``, lists what is, and points at the nearest spelling."""
    names = list(valid)
    message = f"`{argument}` must be one of {', '.join(map(repr, names))}; got {name!r}."
    near = difflib.get_close_matches(str(name), names, n=1)
    return f"{message} Did you mean {near[0]!r}?" if near else message
