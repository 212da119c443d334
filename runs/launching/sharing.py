"""Whether a worker sees the folder of a run: a token that one side writes and the other reads."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from anysense.common.files import write_text

__all__ = ["answer", "answered", "holds", "token_in"]

TOKEN = ".token"


@contextmanager
def token_in(folder: Path) -> Iterator[str]:
    """Put a new token into a folder as long as the block lasts; gives what it says."""
    token = secrets.token_hex(16)
    write_text(folder / TOKEN, token)
    try:
        yield token
    finally:
        for path in folder.glob(f"{TOKEN}*"):
            with suppress(OSError):
                path.unlink()


def holds(folder: Path, token: str) -> bool:
    """Whether the folder is there and holds the token."""
    try:
        return (folder / TOKEN).read_text() == token
    except OSError:
        return False


def answer(folder: Path, token: str, name: str) -> bool:
    """In a worker: whether the folder holds the token; if so, the worker leaves a file with its name there.

    Raises:
        OSError: The folder is the same, but cannot be written.
    """
    if not holds(folder, token):
        return False
    write_text(folder / f"{TOKEN}-{name}", token)
    return True


def answered(folder: Path, token: str, name: str) -> bool:
    """Whether the file of the worker is there, with the token."""
    try:
        return (folder / f"{TOKEN}-{name}").read_text() == token
    except OSError:
        return False
