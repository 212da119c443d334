"""Wording of error messages about names."""

import difflib
from collections.abc import Iterable

__all__ = ["unknown_name"]


def unknown_name(argument: str, name: object, valid: Iterable[object]) -> str:
    """Says that ``name`` is not among ``valid``, lists what is, and points at the nearest spelling."""
    names = list(valid)
    message = f"`{argument}` must be one of {', '.join(map(repr, names)) or '(none)'}; got {name!r}."
    lower = {str(known).lower(): known for known in names}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5)
    return f"{message} Did you mean {lower[near[0]]!r}?" if near else message
