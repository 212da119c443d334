"""What a page shows of a report, in the order in which it is read: groups of texts, tables and charts."""

import base64
import csv
import dataclasses
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from anysense.common.machine import machine_line
from anysense.common.progress import say
from anysense.runs.comparisons.contents import Report, Section
from anysense.runs.page.svg import Drawing, drawing
from anysense.runs.tables import Table

__all__ = ["Block", "Download", "Group", "Names", "Run", "blocks_of", "records_download", "runs_of_page", "slug"]

MOST_IN_ADDRESS = 1_500_000
"""Characters of an address that browsers save as a file; they refuse more than two million."""
_INTERVAL = re.compile(r"(.*\S)( \[[^\]]*\]| ± .*)")


class Names:
    """Names that are given once: of ids and of regions."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def one(self, wanted: str) -> str:
        """The name, with a number behind it if it was given before."""
        name, number = wanted, 1
        while name in self._given:
            number += 1
            name = f"{wanted}-{number}"
        self._given.add(name)
        return name


@dataclasses.dataclass(frozen=True)
class Download:
    """A file that a page holds: the name it is saved as, and its content as an address."""

    name: str
    address: str


@dataclasses.dataclass(frozen=True)
class Block:
    """A text, a table or a chart; ``id`` and ``region`` are its own on the page."""

    text: str = ""
    id: str = ""
    region: str = ""
    caption: str = ""
    columns: Sequence[str] = ()
    texts: Sequence[bool] = ()
    """Whether each column is one of texts."""
    bodies: Sequence[Sequence[Sequence[tuple[str, str]]]] = ()
    """Groups of rows of (value, interval); those after the first are references."""
    download: Download | None = None
    chart: Drawing | None = None
    failed: str = ""
    """Name of a chart that could not be drawn."""


@dataclasses.dataclass(frozen=True)
class Group:
    """What stands under one heading."""

    heading: str
    id: str
    blocks: Sequence[Block]


@dataclasses.dataclass(frozen=True)
class Run:
    """How one run of the commands was made."""

    id: str
    line: str
    facts: str
    settings: Sequence[tuple[str, str]]
    versions: str


def slug(text: str) -> str:
    """The text as a part of an id or of the name of a file."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "part"


def blocks_of(report: Report, name: str, names: Names) -> Iterator[Group]:
    """The results and every section of a report.

    Args:
        report: What was found.
        name: Begins ids and names of files.
        names: Of the page.
    """
    made = _Maker(report, name, names)
    headed: list[tuple[str, list[Section]]] = [("Results", [Section(table=report.main)])]
    for section in report.sections:
        if section.heading:
            headed.append((section.heading, []))
        headed[-1][1].append(section)
    for heading, sections in headed:
        blocks = [block for section in sections for block in made.blocks(section, heading)]
        yield Group(heading, names.one(f"{name}-{slug(heading)}"), blocks)


class _Maker:
    def __init__(self, report: Report, name: str, names: Names) -> None:
        self.report, self.name, self.names = report, name, names

    def blocks(self, section: Section, heading: str) -> Iterator[Block]:
        if section.text:
            yield Block(text=section.text)
        if section.table is not None:
            yield self._table(section.table, heading)
        if section.figure is not None and section.figure in self.report.figures:
            yield self._chart(section.figure, heading)

    def _table(self, table: Table, heading: str) -> Block:
        own = self.names.one(f"{self.name}-table-{slug(heading)}")
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([table.columns, *table.rows])
        ends = [0, *(rule + 1 for rule in table.rules if rule + 1 < len(table.rows)), len(table.rows)]
        rows = [[_cell(cell) for cell in row] for row in table.rows]
        return Block(
            id=own,
            region=self.names.one(f"Table: {heading}, {self.report.title}"),
            caption=f"{heading}: {self.report.title}",
            columns=table.columns,
            texts=table.texts,
            bodies=[rows[first:last] for first, last in pairwise(ends)],
            download=Download(f"{own}.csv", _address("text/csv;charset=utf-8", text.getvalue().encode())),
        )

    def _chart(self, figure: str, heading: str) -> Block:
        own, title = self.names.one(f"{self.name}-chart-{slug(figure)}"), f"{heading}: {self.report.title}"
        try:
            chart = drawing(self.report.figures[figure](), own, title)
        except Exception as error:  # Whatever it is, the numbers matter more.
            say(f"Warning: the page is without the chart {figure!r} ({type(error).__name__}: {error}).")
            return Block(failed=heading)
        return Block(id=own, region=self.names.one(f"Chart: {title}"), chart=chart)


def _cell(text: str) -> tuple[str, str]:
    """Value and interval of a cell."""
    found = _INTERVAL.fullmatch(text)
    return (text, "") if found is None else (found[1], found[2].strip())


def _address(media: str, content: bytes) -> str:
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def records_download(report: Report, name: str) -> Download | None:
    """All values as CSV; packed where browsers would not save so much as it is, None where even that is too much."""
    text = report.csv().encode()
    plain = Download(f"{name}.csv", _address("text/csv;charset=utf-8", text))
    if len(plain.address) <= MOST_IN_ADDRESS:
        return plain
    packed = Download(f"{name}.csv.gz", _address("application/gzip", gzip.compress(text, mtime=0)))
    return packed if len(packed.address) <= MOST_IN_ADDRESS else None


def runs_of_page(runs: Sequence[Mapping[str, Any]], name: str, names: Names) -> list[Run]:
    """The runs that made a report."""
    return [
        Run(
            id=names.one(f"{name}-command"),
            line=str(run["command_line"]),
            facts=", ".join(_facts(run)),
            settings=list(_flat(run.get("settings", {}))),
            versions=", ".join(f"{package} {number}" for package, number in run.get("versions", {}).items()),
        )
        for run in runs
    ]


def _facts(run: Mapping[str, Any]) -> Iterator[str]:
    if "started" in run:
        yield str(run["started"])[:10]
    if "seconds" in run:
        yield f"{run['seconds'] / 60:.1f} min"
    if "peak_memory" in run:
        yield f"peak memory {run['peak_memory'] / 1e6:.0f} MB"
    yield machine_line(run["machine"])


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Settings by name, with dots where they lie deeper."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value)
