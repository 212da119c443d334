"""The report of `anysense classify`, in the layout of the papers' tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from anysense.representations.benchmarks import Benchmark
from anysense.representations.evaluation.records import COMPLETE, Column, Record, subset_name
from anysense.runs.comparisons.cells import conditions_in, estimate, methods_in, seeds_in_words, text
from anysense.runs.comparisons.contents import Report, Section
from anysense.runs.comparisons.done import Done, costs, jobs_of, records_of, runs_of, seeds_of
from anysense.runs.comparisons.figures import draw_rates
from anysense.runs.comparisons.protocol import Protocol, filled, listed
from anysense.runs.comparisons.subset_figure import draw_subsets
from anysense.runs.comparisons.validation_curves import validation_part
from anysense.runs.figures import Draw
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import Table, counted

__all__ = ["COSTS", "by_subset", "classify_report", "protocol"]

Curve = tuple[str, Sequence[tuple[float, str]]]
"""Label of a kind of curve, and its points: (rate, condition of the records)."""

TEST = (
    "each input is the named modalities of all test samples, the others are missing; in the section on random absence "
    "they go missing sample by sample."
)
COSTS = (
    ("latent size", "latent_dim", ".0f"),
    ("parameters", "parameters", ",.0f"),
    ("samples/s", "samples_per_second", ",.0f"),
    ("training (min)", "training_minutes", ".2f"),
    ("evaluation (s)", "evaluation_seconds", ".0f"),
)


def classify_report(found: Benchmark, methods: Mapping[str, str], done: Sequence[Done], run: RunFolder) -> Report:
    """What the jobs found."""
    records, task = records_of(done), found.task
    main, names = task.columns[0], [subset_name(subset, len(found.modalities)) for subset in found.subsets()]
    single = [name for name in names if name == COMPLETE or "+" not in name]
    curves = task.curves(records)
    trained, drawn = validation_part(done, found.title)
    figures: dict[str, Draw] = {
        "subsets": lambda: draw_subsets(records, main, found.subsets(), list(found.modalities), found.title),
        "robustness": lambda: draw_rates(records, main, curves, found.title),
        **drawn,
    }
    sections = [
        *_published(found),
        Section("Every subset of modalities", figure="subsets"),
        *(by_subset(records, column, names) for column in task.columns),
        Section(
            "Modalities that go missing at random, sample by sample",
            f"{main.heading}, {main.better} is better. Each modality of each sample is missing with this chance; one "
            "is always left. Missing modalities are left out, not filled, unless a method says otherwise.",
            _rates(records, main, curves),
            "robustness",
        ),
        *_alignment(records, task.alignment),
        *trained,
        Section("Cost", table=Table(*costs(done, COSTS))),
    ]
    return Report(
        title=found.title,
        protocol=protocol(found, methods, done, run),
        main=_table(records, main, single).turned("method"),
        sections=sections,
        figures=figures,
        records=records,
        runs=runs_of(done),
        details={"jobs": jobs_of(done)},
    )


def protocol(
    found: Benchmark, methods: Mapping[str, str], done: Sequence[Done], run: RunFolder, test: str = TEST
) -> Protocol:
    """How it was measured; ``test`` says what was missing in the test."""
    settings = run.record["settings"]
    training, main, rates = settings["training"], found.task.columns[0], settings["evaluation"]["missing_rates"]
    named = {one.method: methods.get(one.method, one.method).partition(":") for one in done}
    exceptions = "".join(f" (`{name}`: of preset `{preset}`)" for name, (_, _, preset) in named.items() if preset)
    exceptions += _changed(settings)
    at_random = (
        f"each modality of each sample is missing with the chance {listed(rates)}, at least one is left; drawn from "
        "the seed, alike for every method"
    )
    return Protocol(
        measured=f"{found.task.protocol} The table shows {main.title}; {main.better} is better.",
        training=f"every method on the same data, all modalities present, for {counted(training['epochs'], 'epoch')} "
        f"in batches of {training['batch_size']} with Adam at {training['learning_rate']:g} ({training['schedule']}), "
        f"with the settings of preset `{settings['preset']}`{exceptions}; what a method leaves out by itself while it "
        "trains is part of the method.",
        test=test,
        filled=filled({name: method for name, (method, _, _) in named.items()}),
        rates=f"{at_random}." if rates else "none: a modality is missing for all test samples, or for none.",
        seeds=seeds_in_words(seeds_of(done)),
        splits=_splits(found, done, settings["request"]),
    )


def _changed(settings: Mapping[str, Any]) -> str:
    """What --method-option changed, in words."""
    given = settings.get("method_option") or ()
    return f", but {listed(f'`{option}`' for option in given)}" if given else ""


def _splits(found: Benchmark, done: Sequence[Done], request: Mapping[str, Any]) -> str:
    """The data, their parts, and what was asked for of them."""
    sizes = next((one.result["samples"] for one in done if "samples" in one.result), None)
    verbs = {"train": "to train on", "validation": "for validation", "test": "to test on"}
    parts = "" if sizes is None else f": {listed(f'{sizes[name]} {verb}' for name, verb in verbs.items())}"
    given = [f"{name} {value}" for name, value in request.items() if value is not None and name != "folder"]
    how = f"; {found.split}" if found.split else ""
    return f"{found.title}{f' ({listed(given)})' if given else ''}{parts}{how}."


def by_subset(records: Sequence[Record], column: Column, names: Sequence[str]) -> Section:
    """One metric of every method."""
    return Section(f"{column.heading}, {column.better} is better", table=_table(records, column, names))


def _table(records: Sequence[Record], column: Column, names: Sequence[str]) -> Table:
    """Inputs as rows, methods as columns."""
    methods, rows = methods_in(records), []
    for name in names:
        rows.append((name, *(text(column, estimate(records, method, name, column.key)) for method in methods)))
    return Table(("input", *methods), rows)


def _rates(
    records: Sequence[Record], column: Column, curves: Sequence[tuple[str, Sequence[tuple[float, str]]]]
) -> Table:
    methods, rows = methods_in(records), []
    for _, points in curves:
        for _, condition in points:
            found = [estimate(records, method, "", column.key, condition) for method in methods]
            rows.append((condition, *(text(column, one) for one in found)))
    return Table(("missing", *methods), rows)


def _alignment(records: Sequence[Record], columns: Sequence[Column]) -> list[Section]:
    rows, methods = [], methods_in(records)
    for column in columns:
        for subset, condition in conditions_in(records, column.key):
            found = [estimate(records, method, subset, column.key, condition) for method in methods]
            rows.append((f"{column.title}, {subset}", *(text(column, one) for one in found)))
    if not rows:
        return []
    return [
        Section(
            "Alignment of single modalities with the complete latent",
            "Mean cosine with the complete latent of the same sample; and retrieval: how often (%) that one is the "
            "nearest of 256 (of all, if there are fewer).",
            Table(("score, modality", *methods), rows),
        )
    ]


def _published(found: Benchmark) -> list[Section]:
    published = found.published
    if published is None:
        return []
    methods = list(dict.fromkeys(method for row in published.rows.values() for method in row))
    keys = list(dict.fromkeys(key for row in published.rows.values() for entry in row.values() for key in entry))
    if len(keys) == 1:
        rows = [(name, *(row[method][keys[0]] for method in methods)) for name, row in published.rows.items()]
        table = Table(("input", *methods), rows)
    else:
        titles = {column.key: column.title for column in found.task.columns}
        rows = [
            (f"{name}, {method}", *(row[method][key] for key in keys))
            for name, row in published.rows.items()
            for method in methods
        ]
        table = Table(("input, method", *(titles[key] for key in keys)), rows)
    others = "" if published.data == found.title else ", and not on these data"
    return [Section(f"Published, on {published.data}", f"Not measured here{others}: {published.source}.", table)]
