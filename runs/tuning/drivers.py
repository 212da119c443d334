"""Which drivers of a search are alive: each holds a lock in the run folder, which the system releases at its end."""

import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from anysense.common.files import explained
from anysense.runs.lock import is_free

__all__ = ["Drivers"]

FOLDER = "drivers"


class Drivers:
    """The drivers of a search, and this one among them.

    Args:
        run: The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        self.own = f"{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"
        """Name of this driver, which no other one has."""

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let others know, as long as the block lasts, that the trials of this driver are being worked on."""
        path = self._path(self.own)
        with explained(path):
            path.parent.mkdir(exist_ok=True)
            lock = FileLock(path)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
            with suppress(OSError):
                path.unlink()

    def is_working(self, name: Any) -> bool:
        """Whether the driver called ``name`` in a journal is alive; what is no such name is none."""
        path = self._path(name) if isinstance(name, str) else None
        if path is None or path.parent != self._folder or not path.is_file():
            return False
        return not is_free(path)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
