"""Plain files that every program reads."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysense.common.files import write_csv, write_json
from anysense.common.loggers.logger import Logger

__all__ = ["CsvFiles"]

COLUMNS = ("step", "name", "value")


class CsvFiles(Logger):
    """``csv/numbers.csv``, a row for each number (step, name, value), and ``csv/settings.json``."""

    name = "csv"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / self.name
        self._folder.mkdir(exist_ok=True, parents=True)
        self._path = self._folder / "numbers.csv"
        self._begun = False

    def settings(self, values: Mapping[str, Any]) -> None:
        """Replace the file of settings."""
        write_json(self._folder / "settings.json", values)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Add rows; the first time, those of steps that are done again are removed."""
        if not self._begun:
            write_csv(self._path, COLUMNS, self._before(step))
            self._begun = True
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows((step, name, value) for name, value in values.items())

    def close(self, failed: bool) -> None:
        """Nothing: every row was written when it came."""

    def _before(self, step: int) -> list[dict[str, str]]:
        """Rows of earlier steps; a row that a kill cut short is dropped with those after it."""
        kept = []
        if self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if not all(row.get(column) for column in COLUMNS) or int(row["step"]) >= step:
                        break
                    kept.append(row)
        return kept
