"""Which drivers of a search are alive: each holds a lock in the run folder, which the system releases at its end."""

import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from anysense.common.files import explained

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
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
