"""A job in a process of its own, so that all its memory is given back: started, watched, ended."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from anysense.runs.launching.job import LOG, Job, WorkerLostError

__all__ = ["check_end", "end_all", "run_in_process", "sendable", "start"]

SECONDS_TO_STOP = 5.0
"""How long a process that shall end may take to clean up."""


def start(job: Job, device: str) -> tuple[Connection, SpawnProcess]:
    """Start a process that does one job; the connection tells how that ended."""
    context = multiprocessing.get_context("spawn")  # A fork would copy torch's thread pools in an undefined state.
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(job, device, sender, os.getpid()))
    with _without_lost_program():
        process.start()
    sender.close()
    return receiver, process


def run_in_process(job: Job, device: str) -> None:
    """Do one job in a process of its own, from a worker whose program is not ours; errors as in `check_end`."""
    program, path = sys.modules["__main__"], None
    if hasattr(program, "__file__"):
        path, program.__file__ = program.__file__, None
    try:
        receiver, process = start(job, device)
    finally:
        if path is not None:
            program.__file__ = path
    try:
        check_end(job, receiver, process)
    finally:
        end_all([process])


def check_end(job: Job, receiver: Connection, process: SpawnProcess) -> None:
    """Wait until a process has ended.

    Raises:
        WorkerLostError: It was killed. Errors of the job are passed on.
    """
    try:
        error = receiver.recv()
    except EOFError:
        _end(process)
        code = process.exitcode or 0
        how = f"ended with code {code} before it was done; see `{job.folder / LOG}`"
        if code < 0:
            how = f"was killed by signal {-code}, perhaps for lack of memory; then fewer `--jobs` help"
        raise WorkerLostError(f"The process of job `{job.name}` {how}.", job) from None
    finally:
        receiver.close()
    _end(process)
    if error is not None:
        raise error


def end_all(processes: list[SpawnProcess]) -> None:
    """End processes that are not needed any more."""
    for process in processes:
        process.terminate()
    for process in processes:
        _end(process)


@contextlib.contextmanager
def _without_lost_program() -> Iterator[None]:
    """Keep a new process from reading this program again where it is no file, as with ``python -``."""
    program = sys.modules["__main__"]
    path = getattr(program, "__file__", None)
    if path is None or Path(path).exists():
        yield
        return
    del program.__file__
    try:
        yield
    finally:
        program.__file__ = path


def _end(process: SpawnProcess) -> None:
    """Wait for a process that is at its end; one that does not end is killed."""
    process.join(SECONDS_TO_STOP)
    process.kill()
    process.join()


def _do(job: Job, device: str, sender: Connection, parent: int) -> None:
    """Do a job in a process of its own, which ends when the parent says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # Removes temporary files.
    _leave_with_parent(parent)
    try:
        job.run_apart(device)
    except Exception as error:
        sender.send(sendable(error))
    else:
        sender.send(None)


def sendable(error: Exception) -> Exception:
    """The error, or its text where it cannot be restored in another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _leave_with_parent(parent: int) -> None:
    """End this process when its parent is gone: it would go on with jobs that a resumed run does as well."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
