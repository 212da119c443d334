"""Jobs on this machine: one after the other in this process, or several at a time in processes of their own."""

import multiprocessing.connection
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from anysense.common.machine import processors
from anysense.runs.launching.devices import Devices
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import Launcher
from anysense.runs.launching.processes import check_end, end_all, start

__all__ = ["MOST_JOBS", "Local", "side_by_side"]

MOST_JOBS = 8
"""Jobs side by side if nobody says, whatever the number of processors."""
SECONDS_BETWEEN_LOOKS = 10.0
"""How often progress is shown while no job ends."""


class Local(Launcher):
    """Processes of this machine; one job at a time works in this process.

    In other processes, each job reports to `log.txt` in its folder.

    Args:
        jobs: Jobs at a time; one per processor if not given, at most `MOST_JOBS`.
        devices: Devices that the jobs take in turn.
        limit: Most jobs at a time that the devices allow.
    """

    def __init__(self, jobs: int | None = None, devices: Sequence[str] = ("cpu",), limit: int | None = None) -> None:
        if jobs is not None and jobs < 1:
            raise ValueError(f"`jobs` must be at least 1; got {jobs}.")
        self._jobs, self._limit, self._devices = jobs, limit, Devices(devices)

    def launch(self, jobs: Sequence[Job]) -> Generator[Job | None]:
        """Do the jobs; the others are stopped when one fails."""
        self.at_a_time = side_by_side(self._jobs, len(jobs), self._limit)
        yield None
        yield from self._one_by_one(jobs) if self.at_a_time == 1 else self._in_processes(jobs)

    def _one_by_one(self, jobs: Sequence[Job]) -> Generator[Job | None]:
        device = self._devices.take()
        for job in jobs:
            job.run(device)
            yield job

    def _in_processes(self, jobs: Sequence[Job]) -> Generator[Job | None]:
        waiting, running = iter(jobs), dict[Connection, tuple[Job, str, SpawnProcess]]()
        try:
            while True:
                while len(running) < self.at_a_time and (job := next(waiting, None)) is not None:
                    device = self._devices.take()
                    receiver, process = start(job, device)
                    running[receiver] = job, device, process
                if not running:
                    return
                ended = multiprocessing.connection.wait(running, timeout=SECONDS_BETWEEN_LOOKS)
                for receiver in [one for one in running if one in ended]:
                    job, device, process = running.pop(receiver)
                    self._devices.give_back(device)
                    check_end(job, receiver, process)
                    yield job
                if not ended:
                    yield None
        finally:
            end_all([process for _, _, process in running.values()])


def side_by_side(jobs: int | None, count: int, limit: int | None = None) -> int:
    """How many of ``count`` jobs run at a time: at most ``limit``; if nobody says as many, or one per processor."""
    usual = min(processors(), MOST_JOBS) if limit is None else limit
    return max(1, min(jobs or usual, count, count if limit is None else limit))
