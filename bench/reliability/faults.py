"""Writing calls that fail as on a full, read-only or broken disk, in the process that asks for it."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Faults"]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_EVENTS = ("open", "os.mkdir", "os.rename")


class Faults:
    """Counts the calls that open a file to write, make a folder, rename or sync below a folder; some of them fail.

    Python announces such calls to audit hooks before it makes them, whoever makes them; syncing is not among them and
    is replaced. A hook stays for the life of the process.
    """

    def __init__(self, folder: Path, first: int, error: int = errno.ENOSPC, lasting: bool = True):
        """Let call number `first` (from 1; 0 lets all pass) fail with `error`, and all later ones if `lasting`."""
        self.folder = str(folder)
        self.first, self.error, self.lasting = first, error, lasting
        self.calls = 0
        sys.addaudithook(self._audit)
        self._sync: Callable[[int], None] = os.fsync
        os.fsync = self._synced  # type: ignore[assignment]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or not isinstance(arguments[0], str | os.PathLike | bytes):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        writes = event != "open" or bool((arguments[2] or 0) & _WRITING) or "w" in str(arguments[1] or "")
        if writes and path.startswith(self.folder):
            self._count(path)

    def _synced(self, file: int) -> None:
        self._count(os.readlink(f"/proc/self/fd/{file}"))
        self._sync(file)

    def _count(self, path: str) -> None:
        self.calls += 1
        if self.first and (self.calls >= self.first if self.lasting else self.calls == self.first):
            raise OSError(self.error, os.strerror(self.error), path)
