"""Jobs as one job array of a SLURM cluster, by submitit; a job that is preempted is queued again and goes on."""

import dataclasses
import logging
import shutil
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.common.extras import import_extra
from anysense.common.files import write_json
from anysense.common.json_files import read_json
from anysense.common.progress import say
from anysense.common.validation import check_choice, check_positive_integer
from anysense.runs.launching.job import Job, Upcoming, WorkerLostError
from anysense.runs.launching.launcher import Launcher
from anysense.runs.launching.local import MOST_JOBS
from anysense.runs.launching.processes import sendable
from anysense.runs.launching.sharing import token_in
from anysense.runs.launching.slurm_queue import Queue
from anysense.runs.launching.worker import Parcel, parcel_of, unpack
from anysense.runs.worlds import parsed

__all__ = ["Slurm", "SlurmOptions"]

FOLDER, TASKS = "slurm", "tasks.json"
"""Beside the folders of the jobs: what submitit writes, and which job of SLURM does which of ours."""
SECONDS_BETWEEN_LOOKS = 1.0
MINUTES = 24 * 60
"""Time limit of a job; it goes on afterwards, so that a short one is no loss."""
TIMES = 100
"""How often a job may go on after its time limit; one that never gets further would do so for ever."""


@dataclasses.dataclass(frozen=True)
class SlurmOptions:
    """What SLURM is asked for."""

    cluster: str = "slurm"
    """``slurm``, or ``local`` to try the same with processes of this machine."""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, given: Sequence[str], device: str, threads: int | None) -> "SlurmOptions":
        """From key=value pairs; ValueError where one is not of that form."""
        values = {"time": MINUTES, "cpus_per_task": threads or 1, **parsed(given, "slurm-option")}
        values["timeout_min"] = check_positive_integer("slurm-option time", values.pop("time"))
        cluster = check_choice("slurm-option cluster", values.pop("cluster", "slurm"), ("slurm", "local"))
        if device == "cuda" and not any(name.startswith(("gpu", "gres")) for name in values):
            values["gpus_per_node"] = 1
        return cls(cluster, values)

    def parameters(self, jobs: int | None) -> dict[str, Any]:
        """The same as submitit names them; what it does not know is passed on to `sbatch`."""
        import submitit

        known = submitit.SlurmExecutor._valid_parameters()
        common = submitit.AutoExecutor._valid_parameters()
        own = {
            name if name in common else f"slurm_{name}": self.values[name]
            for name in self.values
            if name in known | common
        }
        rest = {name.replace("_", "-"): value for name, value in self.values.items() if name not in known | common}
        own["slurm_additional_parameters"] = {"requeue": True, **rest}
        return own | ({} if jobs is None else {"slurm_array_parallelism": jobs})


class Task:
    """A job as submitit calls it; a new one is queued when SLURM takes the place away."""

    def __init__(self, parcel: Parcel) -> None:
        self.parcel = parcel

    def __call__(self) -> Any:
        """Do the job; gives its files, or its error."""
        try:
            return self.parcel.deliver(Job.run_apart)
        except Exception as error:
            return sendable(error)

    def checkpoint(self) -> Any:
        """Go on in another place: what was done lies in the folder of the job."""
        import submitit

        return submitit.helpers.DelayedSubmission(Task(self.parcel))


class Slurm(Launcher):
    """One job array; ends are seen by the files that they leave.

    A driver that was killed leaves the array running. The run that goes on finds it again, and waits for it.

    Args:
        options: What SLURM is asked for.
        jobs: Most jobs at a time.
        device: ``auto``, ``cpu`` or ``cuda``, on the machine of each job.
    """

    def __init__(self, options: SlurmOptions, jobs: int | None = None, device: str = "auto") -> None:
        self._options, self._jobs, self._queue = options, jobs, Queue()
        self._device = check_choice("device", device, ("auto", "cpu", "cuda"))
        self._submitit = import_extra("submitit", "slurm", "`--launcher slurm`")
        logging.getLogger("submitit").setLevel(logging.ERROR)
        if options.cluster == "slurm" and shutil.which("sbatch") is None:
            raise FileNotFoundError(
                "`launcher` slurm needs a machine that hands work to SLURM; there is no `sbatch` here. "
                "`--slurm-option cluster=local` tries the same with processes of this machine."
            )

    def launch(self, jobs: Sequence[Job]) -> Generator[Job | None]:
        """Do the jobs; what is left of the array is cancelled when one fails."""
        folder = jobs[0].folder.parent
        one_by_one = isinstance(jobs, Upcoming)
        self.at_a_time = min(self._jobs or (MOST_JOBS if one_by_one else len(jobs)), len(jobs))
        at_once = len(jobs) if self._options.cluster == "slurm" and not one_by_one else self.at_a_time
        with token_in(folder) as token:
            executor, running = self._executor(folder / FOLDER), dict[Any, Job]()
            waiting = self._waiting(folder, jobs, token, running)
            yield None
            try:
                while True:
                    self._submit(executor, folder / FOLDER, waiting, running, at_once)
                    if not running:
                        return
                    ended = self._ended(running)
                    for task in ended:
                        job = running.pop(task)
                        self._collect(job, task)
                        yield job
                    if not ended:
                        time.sleep(SECONDS_BETWEEN_LOOKS)
                        yield None
            finally:
                for task in running:
                    task.cancel(check=False)

    def _executor(self, folder: Path) -> Any:
        times = {"slurm_max_num_timeout": TIMES, "local_max_num_timeout": TIMES}
        executor = self._submitit.AutoExecutor(folder.absolute(), cluster=self._options.cluster, **times)
        try:
            executor.update_parameters(name="anysense", **self._options.parameters(self._jobs))
        except (AssertionError, NameError, TypeError, ValueError) as error:
            raise ValueError(f"`slurm-option` is not possible: {' '.join(str(error).split())}") from error
        return executor

    def _waiting(
        self, folder: Path, jobs: Sequence[Job], token: str, running: dict[Any, Job]
    ) -> Iterator[tuple[Job, Task]]:
        """The jobs that are to be handed over; those that a driver before this one has handed over run already."""
        before = self._handed_over(folder / FOLDER)
        for job in jobs:
            task = before.get(job.folder.name)
            if task is not None and not task.paths.result_pickle.exists() and self._queue.holds(task.job_id):
                say(f"  {job.name}: is in the queue of SLURM since before, as {task.job_id}")
                running[task] = job
            else:
                yield job, Task(parcel_of(job, folder, token, self._device))

    def _submit(
        self, executor: Any, folder: Path, waiting: Iterator[tuple[Job, Task]], running: dict[Any, Job], most: int
    ) -> None:
        """Hand over as many as there may be at once: all, of an array of SLURM."""
        now: list[tuple[Job, Task]] = []
        while len(running) + len(now) < most and (one := next(waiting, None)) is not None:
            now.append(one)
        if not now:
            return
        with executor.batch():
            tasks = [executor.submit(task) for _, task in now]
        running.update(zip(tasks, (job for job, _ in now), strict=True))
        write_json(folder / TASKS, {job.folder.name: task.job_id for task, job in running.items()})

    def _handed_over(self, folder: Path) -> dict[str, Any]:
        """Jobs that a driver before this one has handed to SLURM, by the name of their folder."""
        if self._options.cluster != "slurm" or not (folder / TASKS).is_file():
            return {}
        before = read_json(folder / TASKS, "the job array", {str: str})
        return {name: self._submitit.SlurmJob(folder.absolute(), number) for name, number in before.items()}

    def _ended(self, running: Collection[Any]) -> list[Any]:
        """Those that have left a result, and those that have ended without one."""
        if self._options.cluster == "local":
            return [task for task in running if task.done()]
        ended = [task for task in running if task.paths.result_pickle.exists()]
        lost = self._queue.without_result([task.job_id for task in running if task not in ended])
        return ended + [task for task in running if task.job_id in lost and task not in ended]

    def _collect(self, job: Job, task: Any) -> None:
        """Take the files of a job; WorkerLostError if it left none. Errors of the job are passed on."""
        paths = task.paths
        if not paths.result_pickle.exists():
            state = task.state if self._options.cluster == "local" else self._queue.state(task.job_id)
            raise WorkerLostError(
                f"Job `{job.name}` (SLURM {task.job_id}, {state}) ended before it was done; see {paths.stderr}, "
                "which is on the folder that all machines must share.",
                job,
            )
        try:
            found = task.result()
        except self._submitit.core.utils.UncompletedJobError as error:  # of submitit itself
            raise RuntimeError(f"Job `{job.name}` (SLURM {task.job_id}) failed; see {paths.stderr}.") from error
        if isinstance(found, self._submitit.core.utils.UncompletedJobError):
            raise RuntimeError(
                f"Job `{job.name}` (SLURM {task.job_id}) was at its time limit {TIMES} times and is not queued again; "
                "what it has done stays. Give it more with `--slurm-option time=MINUTES`."
            )
        if isinstance(found, Exception):
            raise found
        unpack(found, job.folder)
