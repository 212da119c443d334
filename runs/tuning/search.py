"""A driver of a search: takes one trial after the other, and tells the journal what each came to."""

import dataclasses
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from anysense.common.files import explained, write_json
from anysense.common.progress import say
from anysense.runs.launching.job import RESULT, Job, Upcoming, WorkerLostError
from anysense.runs.launching.launcher import Launcher, do_jobs
from anysense.runs.lock import LOCK, is_free
from anysense.runs.tuning.drivers import Drivers
from anysense.runs.tuning.journal import Journal, optuna_module
from anysense.runs.tuning.plan import Plan
from anysense.runs.tuning.space import Dimension

__all__ = ["MOST_ATTEMPTS", "STARTS", "Search"]

CLAIM = ".claim.lock"
"""Lock of a run, held by the driver that takes a trial."""
MOST_ATTEMPTS = 3
"""How often a trial is begun whose process was killed, before it counts as failed."""
STARTS = 10
"""Trials that are drawn at random before the sampler learns from them."""

SECONDS_BETWEEN_LOOKS = 1.0

Make = Callable[[str, int, Mapping[str, Any]], Job]
"""Makes the job of a trial: method, number, values by name."""


@dataclasses.dataclass
class _Running:
    """A trial that this driver is at."""

    method: str
    trial: Any
    lost: bool = False


class Search:
    """One of the drivers of a search; the others may be on other machines that share the run folder.

    A trial belongs to the driver that took it. When that is gone, another one takes it over and goes on with it.

    Args:
        run: The run folder.
        plan: What is searched.
        make: Makes the job of a trial.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
        FileFormatError: The journal is damaged.
        ValueError: The journal is that of another search.
    """

    def __init__(self, run: Path, plan: Plan, make: Make) -> None:
        self._run, self._plan, self._make = run, plan, make
        self._optuna = optuna_module()
        self._drivers = Drivers(run)
        self._running: dict[Path, _Running] = {}
        self._claim = FileLock(run / CLAIM)
        with self._claimed():
            texts = {method: " ".join(map(str, space)) for method, space in plan.spaces.items()}
            direction = "maximize" if plan.better == "higher" else "minimize"
            self.studies = Journal(run).studies(texts, direction, plan.about)
            self._catch_up()

    def left(self) -> int:
        """How many trials have no end yet."""
        return sum(self._plan.trials - len(self._ended(study)) for study in self.studies.values())

    def go(self, launcher: Launcher, title: str, in_words: Callable[[Job], str]) -> None:
        """Do trials until all have an end; what is interrupted is left for whoever goes on.

        Raises:
            RuntimeError: The launcher cannot work. Errors of the run folder are passed on.
        """
        told = False
        with self._drivers.working():
            while (left := self.left()) > 0:
                jobs = Upcoming(left, self._next)
                try:
                    if self._any(jobs):
                        do_jobs(jobs, launcher, title, self._total() - left, lambda job: self._end(job, in_words))
                        continue
                except WorkerLostError as error:
                    self._lost(error)
                    continue
                finally:
                    self._give_back()
                if not (left := self.left()):
                    return
                if not told:
                    say(f"Other drivers are at the last {left}: waiting until they end")
                told = True
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def importances(self, method: str) -> dict[str, float]:
        """How much of the differences in score each setting explains (fANOVA), by name.

        Empty where trials are too few or all scores equal.
        """
        study, names = self.studies[method], [one.name for one in self._plan.spaces[method] if len(one.choices) != 1]
        complete = study.get_trials(False, (self._optuna.trial.TrialState.COMPLETE,))
        if len(complete) < 4 or len({trial.value for trial in complete}) < 2 or not names:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self._plan.seed % 2**32)
        with suppress(ValueError, RuntimeError):
            found = self._optuna.importance.get_param_importances(study, evaluator=evaluator, params=names)
            return {name: float(found[name]) for name in names}
        return {}

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Be the only driver that takes a trial."""
        with explained(self._run / CLAIM):
            self._claim.acquire()
        try:
            yield
        finally:
            self._claim.release()

    def _total(self) -> int:
        return self._plan.trials * len(self.studies)

    def _any(self, jobs: Upcoming) -> bool:
        try:
            return bool(jobs[0])
        except IndexError:
            return False

    def _ended(self, study: Any) -> Sequence[Any]:
        return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]

    def _catch_up(self) -> None:
        """Tell what drivers have done that were ended before they could tell."""
        running = self._optuna.trial.TrialState.RUNNING
        for method, study in self.studies.items():
            for trial in study.get_trials(False, (running,)):
                job = self._make(method, trial.number, {})
                if job.done and not self._drivers.is_working(trial.user_attrs.get("driver")):
                    self._tell(method, trial.number, job)
            while (number := self._begun(method)) < self._plan.trials and self._make(method, number, {}).done:
                self._begin(method, number)  # the journal was lost
                self._tell(method, number, self._make(method, number, {}))

    def _next(self) -> Job | None:
        """Take the next trial: one that a driver which is gone has left, or a new one; those of all methods in turn."""
        with self._claimed():
            while (found := self._left_over() or self._new()) is not None:
                method, trial = found
                values = self._values(method, trial)
                job = self._make(method, trial.number, values)
                if not job.done and trial.user_attrs.get("attempts", 0) >= MOST_ATTEMPTS:
                    self._give_up(job, method, trial.number, values)
                if job.done:  # by a driver that was killed before it could tell
                    self._tell(method, trial.number, job)
                    continue
                trial.set_user_attr("driver", self._drivers.own)
                trial.set_user_attr("attempts", trial.user_attrs.get("attempts", 0) + 1)
                self._running[job.folder] = _Running(method, trial)
                return job
            return None

    def _left_over(self) -> tuple[str, Any] | None:
        own = {(one.method, one.trial.number) for one in self._running.values()}
        running = self._optuna.trial.TrialState.RUNNING
        for method, study in self.studies.items():
            for trial in study.get_trials(False, (running,)):
                driver = trial.user_attrs.get("driver")
                if (method, trial.number) in own or (driver != self._drivers.own and self._drivers.is_working(driver)):
                    continue
                study.sampler = self._sampler(method, trial.number)
                return method, self._optuna.trial.Trial(study, trial._trial_id)
        return None

    def _new(self) -> tuple[str, Any] | None:
        """Begin a trial of the method that has fewest; a killed driver may have left one that waits."""
        begun = {method: self._begun(method) for method in self.studies}
        method = min(begun, key=begun.__getitem__)
        return (method, self._begin(method, begun[method])) if begun[method] < self._plan.trials else None

    def _begun(self, method: str) -> int:
        waiting = self._optuna.trial.TrialState.WAITING
        return sum(trial.state != waiting for trial in self.studies[method].get_trials(deepcopy=False))

    def _begin(self, method: str, number: int) -> Any:
        study = self.studies[method]
        study.sampler = self._sampler(method, number)
        if not study.get_trials(False, (self._optuna.trial.TrialState.WAITING,)):
            self._prepare(method, number)
        return study.ask({one.name: self._distribution(one) for one in self._of(method, number)})

    def _prepare(self, method: str, number: int) -> None:
        """Let a trial have the values that are not drawn: defaults, or what it had where the journal was lost."""
        job, space = self._make(method, number, {}), self._of(method, number)
        given = self._plan.defaults[method] if number == 0 else job.result()["values"] if job.done else {}
        if given:
            self.studies[method].enqueue_trial({one.name: given[one.name] for one in space if one.name in given})
        if not job.done and job.folder.is_dir() and is_free(job.folder / LOCK):
            shutil.rmtree(job.folder)  # of a lost trial, which may have had other values

    def _of(self, method: str, number: int) -> list[Dimension]:
        """What is drawn for a trial: of the first one, which has the defaults, only what can be drawn like that."""
        space = self._plan.spaces[method]
        return [one for one in space if number or one.holds(self._plan.defaults[method][one.name])]

    def _values(self, method: str, trial: Any) -> dict[str, Any]:
        """What a trial has; what is missing since its driver was killed is drawn now. The first has what is fixed."""
        if trial.number == 0:
            return {one.name: one.choices[0] for one in self._plan.spaces[method] if one.fixed}
        found = {}
        for one in self._of(method, trial.number):
            found[one.name] = one.rounded(_drawn(trial, one))
        return found

    def _distribution(self, one: Dimension) -> Any:
        kinds = self._optuna.distributions
        if one.choices:
            return kinds.CategoricalDistribution(one.choices)
        low, high = one.ends
        return (kinds.IntDistribution if one.whole else kinds.FloatDistribution)(low, high, log=one.log)

    def _sampler(self, method: str, number: int) -> Any:
        """Of one trial alone, so that a search that was interrupted draws what it would have drawn."""
        seed = zlib.crc32(f"{self._plan.seed} {method} {number}".encode())
        if self._plan.sampler == "random":
            return self._optuna.samplers.RandomSampler(seed=seed)
        together = len(self._of(method, 0)) == len(self._plan.spaces[method])
        return self._optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTS, multivariate=together)

    def _end(self, job: Job, in_words: Callable[[Job], str]) -> str:
        one = self._running.pop(job.folder)
        self._tell(one.method, one.trial.number, job)
        return in_words(job)

    def _tell(self, method: str, number: int, job: Job) -> None:
        value, states = job.result()["value"], self._optuna.trial.TrialState
        if value is None:
            self.studies[method].tell(number, state=states.FAIL, skip_if_finished=True)
        else:
            self.studies[method].tell(number, value, skip_if_finished=True)

    def _give_up(self, job: Job, method: str, number: int, values: Mapping[str, Any]) -> None:
        reason = f"its process was killed {MOST_ATTEMPTS} times, perhaps for lack of memory"
        job.folder.mkdir(parents=True, exist_ok=True)
        kept = {"method": method, "number": number, "values": dict(values), "value": None, "failed": reason}
        write_json(job.folder / RESULT, {**kept, "records": []})

    def _lost(self, error: WorkerLostError) -> None:
        """A worker is gone; its trial is begun again, unless that has happened too often."""
        say(f"  {error} The trial is begun again, at most {MOST_ATTEMPTS} times.")
        if error.job.folder not in self._running:
            raise error
        self._running[error.job.folder].lost = True

    def _give_back(self) -> None:
        """Leave what is not done, so that a trial that was merely interrupted does not count as killed."""
        for one in self._running.values():
            if not one.lost:
                with suppress(OSError, RuntimeError):
                    one.trial.set_user_attr("attempts", one.trial.user_attrs.get("attempts", 1) - 1)
        self._running.clear()


def _drawn(trial: Any, one: Dimension) -> Any:
    """A value of a trial, drawn if it has none yet."""
    if one.choices:
        return trial.suggest_categorical(one.name, one.choices)
    return (trial.suggest_int if one.whole else trial.suggest_float)(one.name, *one.ends, log=one.log)
