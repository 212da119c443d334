"""Comparisons that grow: the finished jobs that reports hold already, read from their JSON files and checked."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from anysense.common.errors import unknown_name
from anysense.common.json_files import read_json
from anysense.common.progress import say
from anysense.runs.comparisons.contents import record_of
from anysense.runs.comparisons.done import Done
from anysense.runs.comparisons.limits import COSTS, check_values
from anysense.runs.launching.settings import LAUNCHING
from anysense.runs.resume import changes
from anysense.runs.run_folder import RunFolder, plain

__all__ = ["Extending", "check_same", "earlier_jobs", "in_order", "jobs_in", "methods_of_files", "read_jobs"]

MAX_BYTES = 64 * 2**20
"""Largest report that is read."""
NOT_COMPARED = (
    "out",
    "name",
    "device",
    "threads",
    "traceback",
    "resume",
    "logger",
    *LAUNCHING,
    "docs",
    "readme",
    "extend",
    "again",
)
"""Options that decide nothing about a result."""
SEED = range(2**32)
RECORD = {
    "subset": str,
    "metric": str,
    "value": (None, float),
    "condition": str,
    "low?": (None, float),
    "high?": (None, float),
    "method": str,
    "seed": SEED,
}
MACHINE = {"cpu": str, "cores": int, "os": str, "gpu?": str, str: object}
RUN = {"command": str, "command_line": str, "settings": dict, "machine": MACHINE, str: object}
JOB: dict[Any, Any] = {
    "method": str,
    "seed": SEED,
    "records?": range(10**7),
    "runs?": [range(10_000)],
    "settings?": dict,
    "validation?": [float],
    **{f"{name}?": float for name in COSTS},
    str: object,
}
REPORT = {"runs": [RUN], "records": [RECORD], "details": {"jobs?": [JOB], str: object}, str: object}
"""Schema of what is read of a report."""


class Extending(Protocol):
    """Settings of a command whose reports can be extended."""

    @property
    def extend(self) -> tuple[Path, ...]:
        """Reports to extend."""

    @property
    def again(self) -> tuple[str, ...]:
        """Methods whose jobs are not taken over."""

    def usual(self) -> Any:
        """The values of the preset; a setting that a file does not know must have this value."""

    def may_differ(self) -> Sequence[str]:
        """Settings besides the usual ones that may differ between jobs of one report."""

    def known_methods(self) -> Sequence[str]:
        """Methods that jobs can have; none where any can."""

    def of_job(self, method: str) -> Mapping[str, Any]:
        """Settings that the jobs of one method have; none for an unknown method."""

    def usual_of_job(self, method: str) -> Mapping[str, Any]:
        """The same without changes for one method; a setting that a file does not know must have this value."""


def earlier_jobs(settings: Extending, command: str, announced: bool = False) -> list[Done]:
    """The jobs that the files of ``settings.extend`` hold, each once; those of the methods in ``again`` left out.

    ``announced`` says on stderr which jobs are in several files.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is damaged, no report of this command, or of jobs with other settings than those asked for.
    """
    if settings.again and not settings.extend:
        raise ValueError("`again` needs --extend: it names methods that are left out of these files.")
    found: dict[tuple[str, int], Done] = {}
    repeated: dict[tuple[str, int], None] = {}
    files = {path: list(read_jobs(path)) for path in settings.extend}
    known = list(dict.fromkeys(job.method for jobs in files.values() for job in jobs))
    for name in settings.again:
        if name not in known:
            raise ValueError(unknown_name("again", name, known))
    for path, held in files.items():
        jobs = [job for job in held if job.method not in settings.again]
        _check(settings, command, path, jobs)
        for job in jobs:
            if found.setdefault((job.method, job.seed), job) is not job:
                repeated[job.method, job.seed] = None
    if repeated and announced:
        listed = "; ".join(f"{method}, seed {seed}" for method, seed in repeated)
        say(f"In several files, taken from the first: {listed}")
    return list(found.values())


def methods_of_files(files: Iterable[Path]) -> list[str]:
    """Methods in reports to extend, in their order, also those that are run again; errors as in `earlier_jobs`."""
    return list(dict.fromkeys(job.method for path in files for job in read_jobs(path)))


def check_same(
    files: Iterable[Path], before: Mapping[str, Any], now: Mapping[str, Any], usual: Any, free: Iterable[str]
) -> None:
    """Raise ValueError, which names the differences, unless recorded settings are the same as those asked for.

    Args:
        files: Where the first ones are recorded.
        before: Settings, as a run records them; one that is not there has its usual value.
        now: The settings asked for, in the same form.
        usual: Settings with all usual values.
        free: Names of those that may differ, besides those that decide about no result.
    """
    different = "; ".join(changes(_filled(before, plain(usual)), now, (*NOT_COMPARED, *free)))
    if different:
        raise ValueError(
            f"`extend` {' '.join(map(str, files))} holds jobs with other settings than those asked for ({different}). "
            "Ask for the same settings, or start a new comparison."
        )


def in_order(done: Iterable[Done], first: Sequence[str] = ()) -> list[Done]:
    """By seed, and then by method: those that are named ``first``, and the others as they first come."""
    jobs = list(done)
    methods = list(dict.fromkeys([*first, *(job.method for job in jobs)]))
    return sorted(jobs, key=lambda job: (job.seed, methods.index(job.method)))


def jobs_in(run: RunFolder) -> list[Done]:
    """The jobs of a finished run, with their folders and with what is known of the run since it ended.

    Raises:
        FileNotFoundError: The run has no results.
        ValueError: They are damaged.
    """
    path = run.report()
    own = record_of(run.record)
    found = []
    for job in read_jobs(path):
        runs = [own if one.get("started") == own["started"] else one for one in job.runs]
        folder = run.path / "jobs" / f"{job.method}-{job.seed}"
        found.append(dataclasses.replace(job, runs=runs, folder=folder if folder.is_dir() else None))
    return found


def read_jobs(path: Path) -> Iterator[Done]:
    """The jobs of a report, from its JSON file; errors as in `earlier_jobs`."""
    if not path.is_file():
        wrong = "is not a file" if path.exists() else "does not exist"
        raise FileNotFoundError(
            f"`extend` {path} {wrong}; expected the JSON file of a report, as --docs writes it. The first jobs "
            "of a comparison are run without --extend."
        )
    content = read_json(path, "the report", REPORT, max_bytes=MAX_BYTES)
    runs, records = content["runs"], content["records"]
    check_values(path, records, content["details"].get("jobs", ()))
    jobs = content["details"].get("jobs") or _named(records)
    methods = {job["method"] for job in jobs}
    for job in jobs:
        places = job.get("runs", range(len(runs)))
        if not places or max(places) >= len(runs):
            raise ValueError(f"`{path}` is damaged: a job names a run that the file does not hold.")
        key, others = (job["method"], job["seed"]), [one for one in records if one["method"] not in methods]
        own = [one for one in records if (one["method"], one["seed"]) == key]
        if len(own) != job.get("records", len(own) or None):
            raise ValueError(
                f"`{path}` is damaged: it holds {len(own)} values of {job['method']}, seed {job['seed']}; "
                f"expected {job.get('records', 'some')}."
            )
        rest = {name: value for name, value in job.items() if name not in ("method", "seed", "runs", "records")}
        yield Done(*key, {**rest, "records": own + others}, [runs[place] for place in places])


def _named(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The jobs of a file that does not list them, from its records."""
    pairs = dict.fromkeys((record["method"], record["seed"]) for record in records)
    return [{"method": method, "seed": seed} for method, seed in pairs]


def _check(settings: Extending, command: str, path: Path, jobs: Iterable[Done]) -> None:
    for job in jobs:
        run = job.runs[-1]
        if run["command"] != command:
            raise ValueError(
                f"`extend` {path} is a report of `anysense {run['command']}`, expected one of `anysense {command}`."
            )
        known = settings.known_methods()
        if known and job.method not in known:
            raise ValueError(
                f"`extend` {path} holds jobs of another method: {unknown_name('method', job.method, known)}"
            )
        check_same([path], run["settings"], plain(settings), settings.usual(), settings.may_differ())
        own, before = settings.of_job(job.method), job.result.get("settings")
        usual = settings.usual_of_job(job.method)
        different = "; ".join(changes(_filled(before, usual), own, ())) if own and before else ""
        if different:
            raise ValueError(
                f"`extend` {path} holds jobs of `{job.method}` with other settings than this run has for it "
                f"({different}). Ask for the same ones with --method-option, or `--again {job.method}`, which leaves "
                "these jobs out of the file and runs them again."
            )


def _filled(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the usual values of those that they do not know, because an earlier version wrote them."""
    both = {name: (given[name], value) for name, value in usual.items() if name in given}
    deeper = {name: _filled(*pair) for name, pair in both.items() if all(isinstance(one, dict) for one in pair)}
    return {**usual, **given, **deeper}
