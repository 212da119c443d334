"""The report of a search: best settings with the commands that use them, history, importance, all trials."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from anysense.common.json_files import read_json
from anysense.representations.evaluation.records import Column, Record
from anysense.runs.comparisons.contents import Report, Section, record_of
from anysense.runs.comparisons.protocol import Protocol, filled
from anysense.runs.figures import Draw
from anysense.runs.method_options import typed
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import Table, counted
from anysense.runs.tuning.figures import draw_history, draw_importances, draw_settings
from anysense.runs.tuning.settings import TuneSettings
from anysense.runs.tuning.space import Dimension

__all__ = ["Found", "found_in", "tune_report"]

MAX_BYTES = 64 * 2**20
"""Largest report that is read."""
TRIAL = {
    "method": str,
    "number": range(10**6),
    "values": dict,
    "value": (None, float),
    "failed": (None, str),
    "records": [dict],
    "minutes?": float,
    str: object,
}
"""Schema of what a trial came to."""
DETAILS = {"details": {"trials": [TRIAL], "importances": {str: {str: float}}, str: object}, str: object}
GIVEN = {
    "single": "the mean over single modalities",
    "subsets": "the mean over all subsets of modalities",
    "complete": "all modalities",
}


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        trials: Results of the jobs, by method and number.
        importances: How much of the differences in score each setting explains, by name, by method.
    """

    trials: Sequence[Mapping[str, Any]]
    importances: Mapping[str, Mapping[str, float]]

    def of(self, method: str) -> list[Mapping[str, Any]]:
        """The trials of a method."""
        return [one for one in self.trials if one["method"] == method]

    def best(self, better: str) -> dict[str, Mapping[str, Any]]:
        """The best trial of each method that has one with a score; the first of equals."""
        choose, found = (max if better == "higher" else min), {}
        for method in dict.fromkeys(one["method"] for one in self.trials):
            scored = [one for one in self.of(method) if one["value"] is not None]
            if scored:
                found[method] = choose(scored, key=lambda one: one["value"])
        return found


def found_in(run: RunFolder) -> Found:
    """What a finished search found, from its report.

    Raises:
        FileNotFoundError: It has no report.
        FileFormatError: That is damaged.
    """
    details = read_json(run.report(), "the search", DETAILS, max_bytes=MAX_BYTES)["details"]
    return Found(details["trials"], details["importances"])


def tune_report(settings: TuneSettings, found: Found, run: RunFolder) -> Report:
    """What the trials came to."""
    column, plan, best = settings.column(), settings.plan(), found.best(settings.column().better)
    figures: dict[str, Draw] = {"history": partial(draw_history, found.trials, column, settings.subject())}
    if any(found.importances.values()):
        figures["importance"] = partial(draw_importances, found.importances)
    tried = _tried(found, plan.spaces, plan.defaults)
    if any(tried.values()):
        figures["settings"] = partial(draw_settings, tried, column)
    sections = [
        _use(settings, best),
        Section("Best so far, trial by trial", figure="history"),
        _searched(settings, found, best),
        Section("What was tried", figure="settings" if "settings" in figures else None),
        *_all_trials(plan.spaces, plan.defaults, found, column),
        *_failed(found),
    ]
    kept = [
        dataclasses.replace(
            Record.from_json(record), method=one["method"], seed=settings.seed, condition=f"trial {one['number']}"
        )
        for one in found.trials
        for record in one["records"]
    ]
    return Report(
        title=f"Search on {settings.subject()}",
        about=f"{column.title}, {GIVEN[settings.given]}, on validation data",
        protocol=_protocol(settings),
        main=_main(settings, found, best, column),
        sections=sections,
        figures=figures,
        records=kept,
        runs=[record_of(run.record)],
        details={
            "spaces": {method: [str(one) for one in space] for method, space in plan.spaces.items()},
            "best": {method: {"trial": one["number"], "values": one["values"]} for method, one in best.items()},
            "trials": [dict(one) for one in found.trials],
            "importances": {method: dict(values) for method, values in found.importances.items()},
        },
    )


def _main(settings: TuneSettings, found: Found, best: Mapping[str, Mapping[str, Any]], column: Column) -> Table:
    rows = []
    for method in settings.chosen():
        own = found.of(method)
        first = next((one["value"] for one in own if one["number"] == 0), None)
        value = best[method]["value"] if method in best else None
        gain = None if first is None or value is None else value - first
        failed = sum(one["value"] is None for one in own)
        minutes = sum(one.get("minutes", 0.0) for one in own)
        number = str(best[method]["number"]) if method in best else "-"
        texts = (_text(column, first), _text(column, value), _text(column, gain, signed=True))
        rows.append((method, *texts, number, str(len(own)), str(failed), f"{minutes:.1f}"))
    columns = ("method", "without a search", "best", "difference", "in trial", "trials", "failed", "time (min)")
    return Table(columns, rows)


def _use(settings: TuneSettings, best: Mapping[str, Mapping[str, Any]]) -> Section:
    """Commands, for each method and for all of them."""
    rows = []
    for method, one in best.items():
        rows.append((method, " && ".join(settings.commands({method: one["values"]}))))
    if len(best) > 1:
        values = {method: one["values"] for method, one in best.items()}
        rows.append(("all", " && ".join(settings.commands(values))))
    return Section(
        "To use what was found",
        "The best trial of each method; trial 0 has the settings without a search, and is the best where nothing else "
        "was better.",
        Table(("method", "command"), rows),
    )


def _searched(settings: TuneSettings, found: Found, best: Mapping[str, Mapping[str, Any]]) -> Section:
    plan, rows = settings.plan(), []
    for method, space in plan.spaces.items():
        for one in space:
            default = plan.defaults[method][one.name]
            chosen = best[method]["values"].get(one.name, default) if method in best else None
            share = found.importances.get(method, {}).get(one.name)
            rows.append(
                (
                    f"{method}: {one.name}",
                    one.range,
                    _value(default),
                    "-" if chosen is None else _value(chosen),
                    "-" if share is None else f"{100 * share:.0f}",
                )
            )
    return Section(
        "What was searched",
        "The space, the values without a search and of the best trial, and the importance: which share of the "
        "differences in score each setting explains by itself (fANOVA, Hutter et al., ICML 2014), in percent. Of few "
        "trials it is a rough guess.",
        Table(("setting", "searched", "without", "best", "importance (%)"), rows),
        "importance" if any(found.importances.values()) else None,
    )


def _all_trials(
    spaces: Mapping[str, Sequence[Dimension]],
    defaults: Mapping[str, Mapping[str, Any]],
    found: Found,
    column: Column,
) -> list[Section]:
    """One table for each method: number, score, values, time."""
    sections = []
    for method, space in spaces.items():
        rows = []
        for one in found.of(method):
            values = [_value(one["values"].get(it.name, defaults[method][it.name])) for it in space]
            score = "failed" if one["value"] is None else _text(column, one["value"])
            rows.append((str(one["number"]), score, *values, f"{one.get('minutes', 0.0):.2f}"))
        columns = ("trial", column.title, *(it.name for it in space), "time (min)")
        sections.append(Section(f"All trials of {method}", table=Table(columns, rows)))
    return sections


def _failed(found: Found) -> list[Section]:
    rows = [
        (f"{one['method']}, trial {one['number']}", str(one["failed"])) for one in found.trials if one["value"] is None
    ]
    words = "They have no score, and the sampler has learnt nothing from them but to look elsewhere."
    return [Section("Trials that failed", words, Table(("trial", "why"), rows))] if rows else []


def _tried(
    found: Found, spaces: Mapping[str, Sequence[Dimension]], defaults: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[tuple[Dimension, list[tuple[float, float]]]]]:
    """Values of numbers with the scores they came to, by method."""
    tried: dict[str, list[tuple[Dimension, list[tuple[float, float]]]]] = {}
    for method, space in spaces.items():
        for one in (one for one in space if not one.choices):
            points = [(it["values"].get(one.name, defaults[method][one.name]), it["value"]) for it in found.of(method)]
            known = [(float(x), y) for x, y in points if isinstance(x, (int, float)) and y is not None]
            if known:
                tried.setdefault(method, []).append((one, known))
    return tried


def _protocol(settings: TuneSettings) -> Protocol:
    points, drawn = settings.protocol(), "at random"
    if settings.sampler == "tpe":
        drawn = "by Optuna's Tree-structured Parzen Estimator, the first 10 at random"
    return Protocol(
        measured=f"{points['measured']} The table shows {GIVEN[settings.given]}.",
        training=points["training"],
        test="what the score says: modalities that are not given are missing from all samples.",
        filled=filled({method: method for method in settings.chosen()}),
        rates="none: a modality is missing for all samples, or for none.",
        seeds=f"{counted(settings.trials, 'trial')} of each method, drawn {drawn}, from the seed {settings.seed}; all "
        "trials train with that seed. The first trial has the settings without a search, and single values of `space`.",
        splits=points["splits"],
    )


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else typed(value)


def _text(column: Column, value: float | None, signed: bool = False) -> str:
    if value is None:
        return "-"
    digits = 2 if column.percent else column.digits
    return f"{column.factor * value:{'+' if signed else ''}.{digits}f}"
