"""A job: a piece of work with a folder of its own, whose result file says that it is done."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

from anysense.common.files import write_json
from anysense.common.json_files import read_json
from anysense.runs.lock import OWNER, locked

__all__ = ["LOG", "RESULT", "Job", "Upcoming", "Work", "WorkerLostError"]

RESULT = "result.json"
LOG = "log.txt"

Work = Callable[[Any, Path, str], dict[str, Any]]
"""Function of an argument, a folder and the name of a device that gives plain values; importable by name."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One piece of work."""

    name: str
    folder: Path
    """Its own folder; `result.json` there says that it is done."""
    work: Work
    argument: Any
    """Anything that can be sent to another process."""
    spare: tuple[str, ...] = ()
    """Folders below `folder` that only serve to go on with the work; removed once it is done."""

    @property
    def done(self) -> bool:
        """Whether it was finished, now or before."""
        return (self.folder / RESULT).is_file()

    def result(self) -> dict[str, Any]:
        """What it gave."""
        found: dict[str, Any] = read_json(self.folder / RESULT)
        return found

    def run(self, device: str) -> None:
        """Do the work and keep the result; one process at a time, for a killed run may have left another at it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder, patient=True):
            if not self.done:
                write_json(self.folder / RESULT, self.work(self.argument, self.folder, device))
            for name in self.spare:
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def run_apart(self, device: str) -> None:
        """Do the same; what it reports goes into a file, where it cannot mix with the reports of other processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = (self.folder / LOG).open("a", encoding="utf-8", buffering=1)
        with log, contextlib.redirect_stderr(log):
            self.run(device)

    def owned(self) -> bool:
        """Whether a process seems to be at it, or was killed while it was."""
        return (self.folder / OWNER).exists()


class WorkerLostError(RuntimeError):
    """A worker was killed, or lost, while it was at a job.

    Attributes:
        job: The job.
    """

    def __init__(self, message: str, job: Job) -> None:
        super().__init__(message)
        self.job = job

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is sent to another process."""
        return type(self), (str(self), self.job)


class Upcoming(Sequence[Job]):
    """Jobs of which each is decided when it is taken, so that one is taken only when there is a place for it.

    Args:
        most: How many there will be at most.
        following: Gives the next one; None where there is none left.
    """

    def __init__(self, most: int, following: Callable[[], Job | None]) -> None:
        self._most, self._following, self._taken = most, following, list[Job]()

    def __len__(self) -> int:
        return self._most

    @overload
    def __getitem__(self, place: int) -> Job: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Job]: ...

    def __getitem__(self, place: int | slice) -> Job | Sequence[Job]:
        """The job at a place from 0 on, which is decided now if it was not before; IndexError behind the last one."""
        if isinstance(place, slice) or place < 0:
            raise TypeError(f"jobs that are not decided yet are taken one by one; got {place!r}.")
        while len(self._taken) <= place:
            job = self._following()
            if job is None:
                raise IndexError(place)
            self._taken.append(job)
        return self._taken[place]
