"""Independent jobs of one run, side by side in processes; each leaves a file, so a killed run goes on where it was."""

import contextlib
import dataclasses
import multiprocessing.connection
import os
import pickle
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from anysense.common.files import write_json
from anysense.common.json_files import read_json
from anysense.common.progress import counter, duration, say

__all__ = ["LOG", "RESULT", "Job", "run_jobs"]

RESULT = "result.json"
LOG = "log.txt"
SECONDS_BETWEEN_LOOKS = 10.0
"""How often progress is shown while no job ends."""
SECONDS_TO_STOP = 5.0
"""How long a process that shall end may take to clean up."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One piece of work."""

    name: str
    folder: Path
    """Its own folder; `result.json` there says that it is done."""
    work: Callable[[Any, Path], dict[str, Any]]
    """Function of ``argument`` and the folder that gives plain values; importable by name."""
    argument: Any
    """Anything that can be sent to another process."""
    spare: tuple[str, ...] = ()
    """Folders below `folder` that only serve to go on with the work; removed once it is done."""

    @property
    def done(self) -> bool:
        """Whether it was finished, now or before."""
        return (self.folder / RESULT).is_file()

    def run(self) -> None:
        """Do the work and keep the result."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / RESULT, self.work(self.argument, self.folder))
        for name in self.spare:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def run_apart(self) -> None:
        """Do the same; what it reports goes into a file, where it cannot mix with the reports of other processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = (self.folder / LOG).open("a", encoding="utf-8", buffering=1)
        with log, contextlib.redirect_stderr(log):
            self.run()


def run_jobs(jobs: Sequence[Job], side_by_side: int, title: str) -> list[dict[str, Any]]:
    """Run what is not done yet, so many at a time, and return the results of all, in order.

    One at a time works in this process. In other processes, each job reports to `log.txt` in its folder.

    Raises:
        ValueError: ``side_by_side`` is not positive.
        RuntimeError: A process was killed. Other errors of a job are passed on; what was done stays done.
    """
    if side_by_side < 1:
        raise ValueError(f"`jobs` must be at least 1; got {side_by_side}.")
    waiting = [job for job in jobs if not job.done]
    if len(waiting) < len(jobs):
        say(f"{len(jobs) - len(waiting)} of {len(jobs)} jobs were done before")
    with counter(title, len(jobs)) as progress:
        before, start = len(jobs) - len(waiting), time.perf_counter()
        finished = before
        for job in _one_by_one(waiting) if side_by_side == 1 else _in_processes(waiting, side_by_side):
            if job is not None:
                finished += 1
                rounds = -(-(finished - before) // side_by_side), -(-(len(jobs) - finished) // side_by_side)
                left = (time.perf_counter() - start) / rounds[0] * rounds[1]
                rest = f"; about {duration(left)} left" if left else ""
                say(f"  {job.name}: done ({finished} of {len(jobs)}{rest})")
            progress(finished, len(jobs))
    return [read_json(job.folder / RESULT) for job in jobs]


def _one_by_one(jobs: Sequence[Job]) -> Iterator[Job]:
    for job in jobs:
        job.run()
        yield job


def _in_processes(jobs: Sequence[Job], side_by_side: int) -> Iterator[Job | None]:
    """Jobs in the order in which they end, and None while none does; the others are stopped when one fails."""
    waiting, running = list(jobs), dict[Connection, tuple[Job, SpawnProcess]]()
    try:
        while waiting or running:
            while waiting and len(running) < side_by_side:
                _start(waiting.pop(0), running)
            ended = multiprocessing.connection.wait(running, timeout=SECONDS_BETWEEN_LOOKS)
            for end in [one for one in running if one in ended]:
                job, process = running.pop(end)
                _check_end(job, end, process)
                yield job
            if not ended:
                yield None
    finally:
        left = [process for _, process in running.values()]
        for process in left:
            process.terminate()
        for process in left:
            _end(process)


def _start(job: Job, running: dict[Connection, tuple[Job, SpawnProcess]]) -> None:
    """Start a process that does one job, so that all its memory is given back; by where it tells how that ended."""
    context = multiprocessing.get_context("spawn")  # A fork would copy torch's thread pools in an undefined state.
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(job, sender, os.getpid()))
    running[receiver] = job, process
    with _without_lost_program():
        process.start()
    sender.close()


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


def _check_end(job: Job, end: Connection, process: SpawnProcess) -> None:
    try:
        error = end.recv()
    except EOFError:
        _end(process)
        code = process.exitcode or 0
        how = f"ended with code {code} before it was done; see `{job.folder / LOG}`"
        if code < 0:
            how = f"was killed by signal {-code}, perhaps for lack of memory; then fewer `--jobs` help"
        raise RuntimeError(f"The process of job `{job.name}` {how}.") from None
    finally:
        end.close()
    _end(process)
    if error is not None:
        raise error


def _end(process: SpawnProcess) -> None:
    """Wait for a process that is at its end; one that does not end is killed."""
    process.join(SECONDS_TO_STOP)
    process.kill()
    process.join()


def _do(job: Job, sender: Connection, parent: int) -> None:
    """Do a job in a process of its own, which ends when the parent says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # Removes temporary files.
    _leave_with_parent(parent)
    try:
        job.run_apart()
    except Exception as error:
        sender.send(_sendable(error))
    else:
        sender.send(None)


def _sendable(error: Exception) -> Exception:
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
