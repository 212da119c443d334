"""`anysense tune`: a search for settings of methods, networks, training and agents, on validation data."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from anysense.common.json_files import read_json
from anysense.common.progress import duration, say, stage
from anysense.representations.benchmarks import benchmark, benchmark_names
from anysense.representations.evaluation.records import Column
from anysense.runs.commands.classify import methods_of
from anysense.runs.execute import execute
from anysense.runs.launching.job import RESULT, Job
from anysense.runs.launching.settings import LAUNCHERS, launcher_of
from anysense.runs.lock import LOCK, is_free
from anysense.runs.method_options import typed
from anysense.runs.next_steps import page_line
from anysense.runs.resume import advising, resumed
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import parse, peek, preset_in, use_machine, value_of
from anysense.runs.tables import Table, print_table
from anysense.runs.tuning.journal import optuna_module
from anysense.runs.tuning.on_data import DATA, TuneOnData
from anysense.runs.tuning.plan import folder_of
from anysense.runs.tuning.report import Found, found_in, tune_report
from anysense.runs.tuning.search import Search
from anysense.runs.tuning.settings import TuneSettings
from anysense.runs.tuning.trial import job_of

if TYPE_CHECKING:
    from anysense.runs.comparisons.contents import Report

__all__ = ["main", "read", "report_of"]

SECONDS_BETWEEN_LOOKS = 1.0


def main(arguments: Sequence[str]) -> None:
    """Search in a new run folder, go on with one, or join one that runs; then write the report."""
    settings = read(arguments)
    if settings.resume and not settings.dry_run:
        given, run = resumed(settings, arguments, "tune", read)
        if not is_free(run.path / LOCK):
            _join(given, run, arguments)
            return
    execute("tune", arguments, read, _work, _checked, listed=_listed)


def report_of(run: RunFolder) -> "Report":
    """The report of a finished run; FileNotFoundError or ValueError where results are missing or damaged."""
    return tune_report(read(run.record["arguments"]), found_in(run), run)


def read(arguments: Sequence[str]) -> TuneSettings:
    """Settings from the command line: of a search in a world if one is named, else on a data set."""
    if value_of(arguments, "--env") is not None:
        return _in_world(arguments)
    preset, data = preset_in(arguments), peek(arguments, "--data", DATA, benchmark_names())
    names = {"data": benchmark_names(), "methods": list(methods_of(benchmark(data))), "launcher": LAUNCHERS.names()}

    def others() -> Mapping[str, Any]:
        from anysense.runs.tuning.in_world import TuneInWorld

        return {"--env NAME": TuneInWorld.of(preset)}

    return parse(TuneOnData.of(preset, data), arguments, "tune", names, others)


def _in_world(arguments: Sequence[str]) -> TuneSettings:
    from anysense.representations.benchmarks import presets
    from anysense.runs.tuning.in_world import TuneInWorld
    from anysense.runs.worlds import chosen_world, environments

    preset = preset_in(arguments)
    names = {"env": environments(), "methods": presets(chosen_world(arguments).benchmark).methods}
    names["launcher"] = LAUNCHERS.names()
    return parse(TuneInWorld.of(preset), arguments, "tune", names, lambda: {"--data NAME": TuneOnData.of(preset, DATA)})


def _checked(settings: TuneSettings) -> tuple[TuneSettings, Sequence[str]]:
    optuna_module()
    settings.spaces()
    settings.check()
    return settings, ()


def _work(settings: TuneSettings, run: RunFolder, device: str) -> list[str]:
    """Do all trials, with whoever joins, and write the report."""
    search = _searched(settings, run)
    return _reported(settings, run, search)


def _searched(settings: TuneSettings, run: RunFolder) -> Search:
    plan = settings.plan()
    search = Search(run.path, plan, partial(job_of, settings, run.path))
    left, whole = search.left(), plan.trials * len(plan.spaces)
    for method, space in plan.spaces.items():
        say(f"{method}: {', '.join(map(str, space))}")
    if left < whole:
        say(f"{whole - left} of {whole} trials were done before")
    search.go(launcher_of(settings), "tune", partial(_in_words, settings.column(), search))
    return search


def _reported(settings: TuneSettings, run: RunFolder, search: Search) -> list[str]:
    from anysense.runs.comparisons.report import print_report, write_run_report

    with stage("Report"):
        importances = {method: search.importances(method) for method in search.studies}
        found = Found(list(_results(settings, run)), importances)
        report = tune_report(settings, found, run)
        write_run_report(report, run, settings.docs)
    print_report(report)
    if not any(result["value"] is not None for result in found.trials):
        reasons = "; ".join(dict.fromkeys(str(result["failed"]) for result in found.trials[:3]))
        raise RuntimeError(f"Every trial failed ({reasons}); `{run.results('report.md')}` lists them.")
    return [*_commands(settings, found), f"Report: {run.results('report.md')}", *page_line(run)]


def _commands(settings: TuneSettings, found: Found) -> Iterator[str]:
    best = {method: one["values"] for method, one in found.best(settings.column().better).items()}
    yield "To use what was found:"
    yield from (f"  {line}" for line in settings.commands(best))


def _results(settings: TuneSettings, run: RunFolder) -> Iterator[dict[str, Any]]:
    """What all trials came to."""
    for method in settings.chosen():
        for number in range(settings.trials):
            path = folder_of(run.path, method, number) / RESULT
            yield read_json(path, f"the trial {number} of {method}")


def _in_words(column: Column, search: Search, job: Job) -> str:
    """What a trial came to, and the best of its method so far, whichever driver did it."""
    result = job.result()
    took = duration(60 * result.get("minutes", 0.0))
    memory = f", {result['peak_memory'] / 1e9:.1f} GB" if result.get("peak_memory") else ""
    if result["value"] is None:
        return f"failed after {took}: {result['failed']}"
    best = search.studies[result["method"]].best_value
    return f"{_shown(column, result['value'])}, best {_shown(column, best)}; {took}{memory}"


def _shown(column: Column, value: float) -> str:
    return f"{100 * value:.2f}%" if column.percent else f"{value:.{column.digits}f}"


def _listed(settings: TuneSettings, run: RunFolder | None) -> Table:
    """How many trials of each method are done, and how many would be; nothing is written. Prints the space."""
    plan, searched, rows = settings.plan(), [], []
    for method, space in plan.spaces.items():
        folders = [] if run is None else [folder_of(run.path, method, number) for number in range(plan.trials)]
        done = sum((folder / RESULT).is_file() for folder in folders)
        begun = sum(folder.is_dir() for folder in folders)
        rows.append((method, *map(str, (done, begun - done, plan.trials - begun))))
        searched += [(f"{method}: {one.name}", one.range, typed(plan.defaults[method][one.name])) for one in space]
    print_table("What is searched", Table(("setting", "range", "without a search"), searched))
    return Table(("trials of", "done", "would go on", "would run"), rows)


def _join(settings: TuneSettings, run: RunFolder, arguments: Sequence[str]) -> None:
    """Do trials of a search that another process leads; finish it if that one does not."""
    led = RunFolder.open(run.path, "tune").record["settings"]  # as it is, not as it would be with more of the same
    if (settings.trials, list(settings.methods)) != (led["trials"], led["methods"]):
        raise ValueError(
            f"`{run.path}` is being worked on: it can be joined as it is, and asked for more once it has ended."
        )
    use_machine(settings)
    launcher_of(settings)
    with advising(run, arguments):
        _checked(settings)
        say(f"`{run.path}` is being worked on: joining in")
        search = _searched(settings, run)
        say("All trials have an end; the report is written by the first process that has the run")
        while not is_free(run.path / LOCK):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        run = RunFolder.open(run.path, "tune")
        if run.status == "finished":
            print(f"Report: {run.results('report.md')}")
            return
        with run.working():
            lines = _reported(settings, run, search)
    print("\n".join(lines))
