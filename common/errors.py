"""Wording of error messages about names, and about files that others may have written."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["FileFormatError", "reading", "unknown_name"]

LONGEST_REASON = 500
"""Most characters of what a library says about a damaged file."""


class FileFormatError(ValueError):
    """A file is damaged, altered, or of another format or version."""


def unknown_name(argument: str, name: object, valid: Iterable[object]) -> str:
    """Says that ``name`` is not among ``valid``, lists what is, and points at the nearest spelling."""
    names = list(valid)
    message = f"`{argument}` must be one of {', '.join(map(repr, names)) or '(none)'}; got {name!r}."
    lower = {str(known).lower(): known for known in names}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5)
    return f"{message} Did you mean {lower[near[0]]!r}?" if near else message


@contextmanager
def reading(path: str | Path, advice: str, fault: str = "is damaged") -> Iterator[None]:
    """Whatever fails inside is a fault of the file: FileFormatError with its name, the fault and what to do.

    Errors of the operating system, too little memory, missing packages and what names a file already pass.
    """
    try:
        yield
    except (FileFormatError, OSError, MemoryError, ImportError):
        raise
    except Exception as error:  # One altered byte can raise a dozen unrelated types in the libraries that read it.
        reason = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
        reason = f"no entry {reason}" if isinstance(error, KeyError) else reason
        raise FileFormatError(f"`{path}` {fault}: {reason.removesuffix('.')}. {advice}".strip()) from error
