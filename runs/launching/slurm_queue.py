"""Whether SLURM still has jobs in its queue; asked of `squeue`, which needs no accounting."""

import subprocess
import time
from collections.abc import Collection

__all__ = ["Queue"]

SECONDS_BETWEEN_QUESTIONS = 10.0
SECONDS_TO_ANSWER = 60.0
SECONDS_TO_ARRIVE = 30.0
"""How long the result of a job may take to be seen on a shared disk after the job has left the queue."""
ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "REVOKED",
    "TIMEOUT",
)
"""States in which a job does nothing more; it is shown for some minutes, and is unknown afterwards."""
UNKNOWN = "Invalid job id"


class Queue:
    """Asks now and then, and remembers since when a job has been out of the queue."""

    def __init__(self) -> None:
        self._asked = float("-inf")
        self._gone: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def without_result(self, ids: Collection[str]) -> list[str]:
        """Those of the jobs that left the queue so long ago that their result would have been seen."""
        now = time.monotonic()
        if now >= self._asked + SECONDS_BETWEEN_QUESTIONS:
            self._ask(ids)
        return [name for name in ids if now >= self._gone.get(name, float("inf")) + SECONDS_TO_ARRIVE]

    def holds(self, name: str) -> bool:
        """Whether SLURM has the job in its queue, or cannot say so now."""
        if name not in self._said and not self._ask([name]):
            return True
        return self._said.get(name, ENDED[0]) not in ENDED

    def state(self, name: str) -> str:
        """What SLURM said of the job at last."""
        return self._said.get(name, "unknown to SLURM")

    def _ask(self, ids: Collection[str]) -> bool:
        """Whether SLURM answered; what it says of an array is of all its jobs."""
        self._asked = time.monotonic()
        found = states(ids)
        if found is None:
            return False
        self._said |= found
        for name in ids:
            if found.get(name, ENDED[0]) in ENDED:
                self._gone.setdefault(name, self._asked)
            else:
                self._gone.pop(name, None)
        return True


def states(ids: Collection[str]) -> dict[str, str] | None:
    """State of each of the jobs that SLURM knows; None if it does not answer."""
    arrays = ",".join(sorted({name.partition("_")[0] for name in ids}))
    command = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={arrays}", "--format=%i %T"]
    try:
        answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode != 0:
        return {} if UNKNOWN in answer.stderr else None
    return dict(line.split(maxsplit=1) for line in answer.stdout.splitlines() if len(line.split(maxsplit=1)) == 2)
