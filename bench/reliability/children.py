"""Work in a forked process: what it prints, how it ends, how long it takes and how much memory; killed when told.

A fork starts in a few milliseconds with all libraries imported, so that most of a try is the work itself.
"""

import contextlib
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CRASHED", "Ended", "in_child"]

CRASHED = 70
"""Exit code of work that raised."""
TIME_LIMIT = 300.0


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Exit code, or minus the number of the signal that ended it.
        seconds: How long it took.
        memory: Largest resident memory, bytes.
        output: What it printed, both streams together.
        in_time: False if it was killed because it took longer than it may.
    """

    code: int
    seconds: float
    memory: int
    output: str
    in_time: bool = True


def in_child(
    work: Callable[[], int | None],
    folder: Path,
    *,
    kill_after: float | None = None,
    seconds: float = TIME_LIMIT,
    limits: Mapping[int, int] | None = None,
) -> Ended:
    """Do `work` in a forked process that stands in `folder`.

    Args:
        work: Gives the exit code.
        folder: Made if absent.
        kill_after: Seconds until SIGKILL.
        seconds: The longest that it may take; SIGKILL to it and its own children then.
        limits: Limits of the process by their number in `resource`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    source, sink = os.pipe()
    start = time.perf_counter()
    process = os.fork()
    if process == 0:
        os.close(source)
        _work(work, folder, sink, limits or {})
    os.close(sink)
    due = start + (seconds if kill_after is None else min(seconds, kill_after))
    output, ended = _watched(process, source, due)
    if not ended:
        for kill in (os.kill,) if kill_after is not None else (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):  # it leads no group yet
                kill(process, signal.SIGKILL)
    _, status, usage = os.wait4(process, 0)
    taken = time.perf_counter() - start
    os.close(source)
    in_time = ended or kill_after is not None
    text = output.decode(errors="replace")
    return Ended(os.waitstatus_to_exitcode(status), taken, usage.ru_maxrss * 1024, text, in_time)


def _work(work: Callable[[], int | None], folder: Path, sink: int, limits: Mapping[int, int]) -> None:
    """What the new process does; never returns."""
    code = CRASHED
    try:
        os.setsid()
        os.chdir(folder)
        for number in (1, 2):
            os.dup2(sink, number)
        os.close(sink)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        for limit, value in limits.items():
            resource.setrlimit(limit, (value, value))
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _watched(process: int, source: int, due: float) -> tuple[bytes, bool]:
    """What the process prints until it ends or until `due`, and whether it ended."""
    handle = os.pidfd_open(process)
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(handle, select.POLLIN)
    output = b""
    try:
        while True:
            left = due - time.perf_counter()
            ready = {number for number, _ in poll.poll(max(0, left) * 1000)}
            if source in ready:
                piece = os.read(source, 65536)
                output += piece
                if not piece:
                    poll.unregister(source)
                continue
            if handle in ready:
                return output, True
            if left <= 0:
                return output, False
    finally:
        os.close(handle)
