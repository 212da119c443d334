"""Independent jobs of one run, side by side in processes; each leaves a file, so a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from anysense.common.files import read_json, write_json
from anysense.common.progress import counter, say

__all__ = ["LOG", "RESULT", "Job", "run_jobs", "usual_jobs"]

RESULT = "result.json"
LOG = "log.txt"


@dataclasses.dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        name: Shown while it runs.
        folder: Its own folder; `result.json` there says that it is done.
        work: Function of ``argument`` and the folder that gives plain values; importable by name.
        argument: Anything that can be sent to another process.
        spare: Folders below `folder` that only serve to go on with the work; removed once it is done.
    """

    name: str
    folder: Path
    work: Callable[[Any, Path], dict[str, Any]]
    argument: Any
    spare: tuple[str, ...] = ()

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


def usual_jobs() -> int:
    """How many jobs run side by side if nobody says: one per processor, at most 8."""
    return max(1, min(8, os.cpu_count() or 1))


def run_jobs(jobs: Sequence[Job], side_by_side: int, title: str) -> list[dict[str, Any]]:
    """Run what is not done yet and return the results of all, in order.

    Args:
        jobs: The work.
        side_by_side: How many at a time; 1 works in this process. In other processes, each job reports to `log.txt`.
        title: Of the progress bar.

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
        finished = len(jobs) - len(waiting)
        for job in _one_by_one(waiting) if side_by_side == 1 else _in_processes(waiting, side_by_side):
            finished += 1
            progress(finished, len(jobs))
            say(f"  {job.name}: done ({finished} of {len(jobs)})")
    return [read_json(job.folder / RESULT) for job in jobs]


def _one_by_one(jobs: Sequence[Job]) -> Iterator[Job]:
    for job in jobs:
        job.run()
        yield job


def _in_processes(jobs: Sequence[Job], side_by_side: int) -> Iterator[Job]:
    """Jobs in the order in which they end; an error stops the ones that have not begun."""
    context = multiprocessing.get_context("spawn")  # A fork would copy torch's thread pools in an undefined state.
    # One process per job: it returns all memory of the job before.
    with ProcessPoolExecutor(side_by_side, context, _leave_with_parent, (os.getpid(),), max_tasks_per_child=1) as pool:
        futures: dict[Future[None], Job] = {pool.submit(job.run_apart): job for job in jobs}
        try:
            while futures:
                ended, _ = wait(futures, return_when=FIRST_COMPLETED)
                for future in ended:
                    job = futures.pop(future)
                    future.result()
                    yield job
        except BrokenProcessPool as error:
            raise RuntimeError(
                "A process of the run was killed, perhaps for lack of memory. Go on with --resume, with fewer `--jobs`."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _leave_with_parent(parent: int) -> None:
    """End this process when its parent is gone: it would go on with jobs that a resumed run does as well."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
