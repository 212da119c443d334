"""A job in a process of its own, so that all its memory is given back."""

import sys
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from anysense.common import processes
from anysense.common.processes import EndedError, end_all, ending, sendable
from anysense.runs.launching.job import LOG, Job, WorkerLostError

__all__ = ["check_end", "end_all", "run_in_process", "sendable", "start"]


def start(job: Job, device: str) -> tuple[Connection, SpawnProcess]:
    """Start a process that does one job; the connection tells how that ended."""
    return processes.start(job.run_apart, device)


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
    error = ending(receiver, process)
    if isinstance(error, EndedError):
        how = f"{error} before it was done; see `{job.folder / LOG}`"
        if error.code < 0:
            how = f"{error}; then fewer `--jobs` help"
        raise WorkerLostError(f"The process of job `{job.name}` {how}.", job) from None
    if error is not None:
        raise error
