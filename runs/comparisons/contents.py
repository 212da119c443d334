"""What a report holds, before it is written in any form."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from anysense.common.files import csv_text
from anysense.representations.evaluation.records import Record
from anysense.runs.comparisons.protocol import Protocol
from anysense.runs.figures import Draw
from anysense.runs.settings import smoke_caution
from anysense.runs.tables import Table

__all__ = ["Report", "Section", "record_of"]

RUN_KEYS = ("command", "command_line", "settings", "seed", "started", "seconds", "versions", "machine", "peak_memory")


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a report: text, then a table, then one of its figures by name; without heading it continues a part."""

    heading: str | None = None
    text: str = ""
    table: Table | None = None
    figure: str | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """What a comparison found."""

    title: str
    protocol: Protocol
    """How the numbers were measured: what was missing when, how it was filled, data, seeds."""
    main: Table
    """The table that is printed, and stands first."""
    sections: Sequence[Section]
    figures: Mapping[str, Draw]
    """What draws each figure, by name."""
    records: Sequence[Record]
    """All values."""
    runs: Sequence[Mapping[str, Any]]
    """Records of the runs that made them, first to last; see `record_of`."""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """More plain values for the JSON file, such as costs."""
    about: str = ""
    """What the main table is about, printed with it: what was trained how."""

    @property
    def caution(self) -> str:
        """A line that stands below the main table where its numbers are no results; empty otherwise."""
        short = [str(run["command"]) for run in self.runs if run.get("settings", {}).get("preset") == "smoke"]
        return smoke_caution(short) if short else ""

    def csv(self) -> str:
        """All values, one in a row."""
        columns = [field.name for field in dataclasses.fields(Record)]
        return csv_text(columns, [record.to_json() for record in self.records])

    def drawn_once(self) -> "Report":
        """The same report, whose figures are drawn when they are first asked for and then kept."""
        return dataclasses.replace(self, figures={name: functools.cache(draw) for name, draw in self.figures.items()})


def record_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a report keeps of the record of a run."""
    return {key: record[key] for key in RUN_KEYS if key in record}
