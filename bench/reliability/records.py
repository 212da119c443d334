"""What a campaign tries and what came out, one line of JSON per try, so that an interrupted campaign goes on."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysense.common.json_files import parse_json

__all__ = ["LONGEST_NOTE", "Book", "Campaign", "Case", "Fault", "Options"]

LONGEST_NOTE = 1500
"""Most characters that are kept of what a failed try printed."""


class Fault(AssertionError):
    """A try did not hold; says what was expected and what came."""


@dataclass(frozen=True)
class Options:
    """What a campaign is given.

    Attributes:
        folder: New folder for what is tried.
        seed: Seed of everything random.
        quick: A handful of tries of each group instead of all.
    """

    folder: Path
    seed: int = 0
    quick: bool = False


@dataclass(frozen=True)
class Case:
    """One try.

    Attributes:
        name: `group/number`, the same for the same seed.
        run: Tries it; gives how many times (such as kills of one run), raises `Fault` if it did not hold.
    """

    name: str
    run: Callable[[], int]


@dataclass(frozen=True)
class Campaign:
    """One kind of trouble.

    Attributes:
        title: What is tried and what holds, for the table.
        settings: The values that decide what is tried, for the table.
        cases: All tries.
    """

    title: str
    settings: str
    cases: Callable[[Options], Iterable[Case]]


class Book:
    """The file of one campaign: a line that says what was run, then a line per try."""

    def __init__(self, path: Path, about: dict[str, Any]):
        """Open the file, or begin it anew where it is of something else than `about` says; that is kept beside it."""
        self.path = path
        lines = read_lines(path)
        self.tries = lines[1:] if lines[:1] == [about] else []
        if not self.tries:
            path.parent.mkdir(parents=True, exist_ok=True)
            if len(lines) > 1:
                path.replace(path.with_suffix(f".{time.strftime('%Y%m%dT%H%M%S')}"))
            path.write_text(json.dumps(about) + "\n")

    def run(self, cases: Iterable[Case], only: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Run what was not tried before; gives the tries that did not hold. Those named in `only` are tried anew.

        Raises:
            ValueError: `only` names what is no try, when all others were made.
        """
        known = set() if only else {line["try"] for line in self.tries}
        missing = set(only)
        for case in cases:
            missing.discard(case.name)
            if case.name in known or (only and case.name not in only):
                continue
            self._add(_tried(case))
        if missing:
            raise ValueError(f"`only` names no tries of this campaign: {', '.join(sorted(missing))}.")
        return [line for line in self.tries if not line["held"]]

    def _add(self, line: dict[str, Any]) -> None:
        self.tries = [*(one for one in self.tries if one["try"] != line["try"]), line]
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file that are whole; of two about one try the later one counts."""
    found: dict[str, dict[str, Any]] = {}
    for text in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            line = parse_json(text)
        except ValueError:  # cut short by a kill
            continue
        found[line.get("try", "")] = line
    return list(found.values())


def _tried(case: Case) -> dict[str, Any]:
    start = time.perf_counter()
    line: dict[str, Any] = {"try": case.name, "held": True, "count": 1}
    try:
        line["count"] = case.run()
    except Fault as fault:
        line |= {"held": False, "note": str(fault)[-LONGEST_NOTE:]}
    line["seconds"] = round(time.perf_counter() - start, 3)
    return line
