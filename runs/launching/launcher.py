"""What a launcher is, and the loop around every one of them: what is done stays done, and each end is told."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

from anysense.common.progress import counter, duration, say
from anysense.runs.launching.job import Job
from anysense.runs.tables import counted

__all__ = ["Launcher", "do_jobs", "run_jobs"]


class Launcher(ABC):
    """Does jobs somewhere.

    Attributes:
        at_a_time: How many jobs it does at a time; known once `launch` has begun.
    """

    at_a_time: int = 1

    @abstractmethod
    def launch(self, jobs: Sequence[Job]) -> Generator[Job | None]:
        """Do the jobs, and give each when its result is in its folder, in any order.

        Where the jobs are an `Upcoming`, one is taken only when there is a place for it: what it will be may depend on
        those that have ended.

        Gives None once the workers are ready, and now and then while no job ends. What is left when the iterator is
        closed, or when a job fails, is stopped.

        Raises:
            RuntimeError: A worker was killed. Other errors of a job are passed on.
        """


def run_jobs(jobs: Sequence[Job], launcher: Launcher, title: str) -> list[dict[str, Any]]:
    """Do what is not done yet, and return the results of all, in order.

    Raises:
        RuntimeError: A worker was killed. Other errors of a job are passed on; what was done stays done.
    """
    waiting = [job for job in jobs if not job.done]
    before = len(jobs) - len(waiting)
    if before:
        say(f"{before} of {len(jobs)} jobs were done before")
    for job in waiting:
        if job.owned():
            say(f"  {job.name}: another process is at it, or was killed; if it is still there, its end is awaited")
    if waiting:
        do_jobs(waiting, launcher, title, before)
    return [job.result() for job in jobs]


def _in_words(job: Job) -> str:
    return "done"


def do_jobs(
    waiting: Sequence[Job],
    launcher: Launcher,
    title: str,
    before: int = 0,
    ended_as: Callable[[Job], str] = _in_words,
) -> None:
    """Do all of these jobs, and say after each how many are done and how long the rest will take.

    Args:
        waiting: Jobs that are not done.
        launcher: Does them.
        title: What is done, for the display.
        before: How many were done before.
        ended_as: Is called when a job has ended, before any other one is taken; says in words what it came to.

    Raises:
        WorkerLostError: A worker was killed. Other errors of a job are passed on.
    """
    total, finished = before + len(waiting), 0
    with counter(title, total) as progress, closing(launcher.launch(waiting)) as ended:
        next(ended)
        say(f"{counted(len(waiting), 'job')}{f', {launcher.at_a_time} at a time' if len(waiting) > 1 else ''}")
        start = time.perf_counter()
        for job in ended:
            if job is not None:
                finished += 1
                rest = _rest(time.perf_counter() - start, finished, len(waiting), launcher.at_a_time)
                say(f"  {job.name}: {ended_as(job)} ({before + finished} of {total}{rest})")
            progress(before + finished, total)


def _rest(seconds: float, finished: int, count: int, at_a_time: int) -> str:
    """How long the rest will take if it takes as long as what was done, in rounds of as many as are done at a time."""
    rounds = -(-finished // at_a_time), -(-(count - finished) // at_a_time)
    left = seconds / rounds[0] * rounds[1]
    return f"; about {duration(left)} left" if left else ""
