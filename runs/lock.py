"""One process at a time works on a run."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from anysense.common.files import explained, write_json
from anysense.common.json_files import read_json
from anysense.common.progress import say

__all__ = ["LOCK", "OWNER", "is_free", "locked"]

LOCK, OWNER = ".lock", ".owner.json"
"""The lock, which stays in the folder, and who holds it."""


@contextmanager
def locked(folder: Path, patient: bool = False) -> Iterator[None]:
    """Hold the lock of a run, or of a job; the system releases it when the process ends in whatever way.

    Args:
        folder: Where the lock is.
        patient: Wait for another process that holds it.

    Raises:
        FileExistsError: Another process holds it; the message says which.
        OSError: The lock cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        with explained(folder / LOCK):
            lock.acquire(timeout=0)
    except Timeout:
        if patient:
            say(f"`{folder}` is being worked on by {_owner(folder)}: waiting until it ends")
            lock.acquire()
        else:
            raise _in_use(folder) from None
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(folder / OWNER, {"pid": os.getpid(), "host": platform.node(), "since": now})
        yield
    finally:
        with suppress(OSError):
            (folder / OWNER).unlink()
        lock.release()


def is_free(lock: Path) -> bool:
    """Whether no process holds the lock in a file; it may hold it a moment later."""
    probe = FileLock(lock)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return False
    probe.release()
    return True


def _in_use(folder: Path) -> FileExistsError:
    return FileExistsError(
        f"`{folder}` is being worked on by {_owner(folder)}; wait until it ends, or start another run."
    )


def _owner(folder: Path) -> str:
    with suppress(OSError, ValueError):
        owner = read_json(folder / OWNER, "the run", {"pid": int, "host": str, "since": str})
        return f"process {owner['pid']} on {owner['host']} (since {owner['since']})"
    return "another process"
