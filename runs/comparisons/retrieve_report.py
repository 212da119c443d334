"""The report of `anysense retrieve`: recall and ranks by the size of the query, and for every subset."""

import dataclasses
from collections.abc import Mapping, Sequence

from anysense.representations.benchmarks import Benchmark
from anysense.representations.evaluation.records import COMPLETE, Column, Record, subset_name
from anysense.representations.evaluation.tasks.retrieval import FROM, TO, Retrieval
from anysense.runs.comparisons.cells import estimate, methods_in, text
from anysense.runs.comparisons.classify_report import COSTS, by_subset, protocol
from anysense.runs.comparisons.contents import Report, Section
from anysense.runs.comparisons.done import Done, costs, jobs_of, records_of, runs_of
from anysense.runs.comparisons.figures import draw_inputs
from anysense.runs.comparisons.validation_curves import validation_part
from anysense.runs.figures import Draw
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import Table

__all__ = ["retrieve_report"]

TEST = "the modalities that are not in the query, and those that are not looked for, are missing for all test samples."
SHOWN = ("recall_1_volume", "recall_1_cosine", "back_recall_1_volume", "back_recall_1_cosine")
"""What the first table has."""
NEAREST = "nearest"
CLASSES = ("class_volume", "class_cosine", "label_volume", "label_cosine", NEAREST)
OF_SUBSETS = (*SHOWN[:2], *CLASSES)
"""What is reported of every subset; the results of the jobs have all."""


def retrieve_report(found: Benchmark, methods: Mapping[str, str], done: Sequence[Done], run: RunFolder) -> Report:
    """What the jobs found."""
    assert isinstance(found.task, Retrieval)
    anchor = found.task.anchor
    done = [_kept(one, anchor) for one in done]
    records = records_of(done)
    measured = {record.metric for record in records}
    columns = {column.key: column for column in found.task.columns if column.key in measured}
    sizes = [f"{FROM}{count}" for count in range(len(found.modalities) - 1, 0, -1)]
    every = [subset_name(it, len(found.modalities)) for it in found.subsets()]
    names = [name for name in every if name != COMPLETE]

    def figure(column: Column) -> Draw:
        inputs = [("", size) for size in sizes]
        return lambda: draw_inputs(records, column, inputs, lambda one: _words(one[1]), found.title)

    figures = {key: figure(columns[key]) for key in SHOWN[:2]}
    trained, drawn = validation_part(done, found.title)
    return Report(
        title=f"Retrieval: {found.title}",
        protocol=protocol(found, methods, done, run, TEST),
        main=_by_size(records, [columns[key] for key in SHOWN], sizes),
        sections=[
            *(Section(columns[key].heading, figure=key) for key in figures),
            Section(
                "Everything by the number of modalities in the query",
                table=_by_size(records, list(columns.values()), sizes),
            ),
            *([] if anchor is None else [_anchored(records, list(columns.values()), sizes, anchor)]),
            *(
                by_subset(records, columns[key], every if key == NEAREST else names)
                for key in OF_SUBSETS
                if key in columns
            ),
            *trained,
            Section("Cost", table=Table(*costs(done, COSTS))),
        ],
        figures=figures | drawn,
        records=records,
        runs=runs_of(done),
        details={"jobs": jobs_of(done)},
    )


def _kept(job: Done, anchor: str | None) -> Done:
    """A job with what is reported of it."""
    kept = [one.to_json() for one in job.records if _reported(one, anchor)]
    return dataclasses.replace(job, result={**job.result, "records": kept})


def _reported(record: Record, anchor: str | None) -> bool:
    """Everything by size; of a subset little, and of single candidates only the anchor."""
    if not record.subset:
        return TO not in record.condition or record.condition.endswith(f" {TO}{anchor}")
    return record.metric in OF_SUBSETS and not record.condition


def _anchored(records: Sequence[Record], columns: Sequence[Column], sizes: Sequence[str], anchor: str) -> Section:
    """The same by size, where one modality is looked for."""
    ending = f" {TO}{anchor}"
    found = [
        dataclasses.replace(it, condition=it.condition.removesuffix(ending)) for it in records if ending in it.condition
    ]
    text = f"Queries without {anchor}; the candidates are the latents of {anchor}, or the other way round."
    shown = [column for column in columns if column.key not in CLASSES]
    return Section(f"Only {anchor} as the candidate", text, _by_size(found, shown, sizes))


def _words(condition: str) -> str:
    count = condition.removeprefix(FROM)
    return f"{FROM}{count} {'modality' if count == '1' else 'modalities'}"


def _by_size(records: Sequence[Record], columns: Sequence[Column], sizes: Sequence[str]) -> Table:
    methods, rows = methods_in(records), []
    for column in columns:
        for size in sizes:
            values = (text(column, estimate(records, method, "", column.key, size)) for method in methods)
            rows.append((f"{column.title}, {_words(size)}", *values))
    return Table(("score, query", *methods), rows)
