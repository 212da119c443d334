"""The report of `anysense retrieve`: recall and ranks by the size of the query, and for every subset."""

from collections.abc import Mapping, Sequence

from anysense.representations.benchmarks import Benchmark
from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.representations.evaluation.tasks.retrieval import FROM
from anysense.runs.comparisons.cells import estimate, methods_in, text
from anysense.runs.comparisons.classify_report import COSTS, by_subset, protocol
from anysense.runs.comparisons.figures import draw_inputs
from anysense.runs.comparisons.grid import Done, costs, records_of
from anysense.runs.comparisons.report import Report, Section, record_of
from anysense.runs.figures import Draw
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import Table

__all__ = ["retrieve_report"]

SHOWN = ("recall_1_volume", "recall_1_cosine", "back_recall_1_volume", "back_recall_1_cosine")
"""What the first table has."""
CLASSES = ("class_volume", "class_cosine")


def retrieve_report(found: Benchmark, methods: Mapping[str, str], done: Sequence[Done], run: RunFolder) -> Report:
    """What the jobs found."""
    records, columns = records_of(done), {column.key: column for column in found.task.columns}
    if not any(record.metric in CLASSES for record in records):
        columns = {key: column for key, column in columns.items() if key not in CLASSES}
    sizes = [f"{FROM}{count}" for count in range(len(found.modalities) - 1, 0, -1)]
    names = [subset_name(it, len(found.modalities)) for it in found.subsets() if len(it) < len(found.modalities)]

    def figure(column: Column) -> Draw:
        inputs = [("", size) for size in sizes]
        return lambda: draw_inputs(records, column, inputs, lambda one: _words(one[1]), found.title)

    figures = {key: figure(columns[key]) for key in SHOWN[:2]}
    return Report(
        title=f"Retrieval: {found.title}",
        protocol=protocol(found, methods, done, run),
        main=_by_size(records, [columns[key] for key in SHOWN], sizes),
        sections=[
            *(Section(columns[key].heading, figure=key) for key in figures),
            Section(
                "Everything by the number of modalities in the query",
                table=_by_size(records, list(columns.values()), sizes),
            ),
            *(by_subset(records, column, names) for column in columns.values()),
            Section("Cost", table=Table(*costs(done, COSTS))),
        ],
        figures=figures,
        records=records,
        runs=[record_of(run.record)],
        details={"jobs": [one.details for one in done]},
    )


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
