"""Tables: on the terminal with rich, in documents as Markdown or LaTeX. Rows are text already."""

import dataclasses
import math
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

__all__ = ["Table", "counted", "latex_table", "markdown_table", "print_table", "with_interval", "wrapped"]

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%_#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "[": "{[}", "]": "{]}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    | {"±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$", "\n": " "}
)
"""Brackets are hidden from the optional argument of a row's end."""


EDGES = 3
"""Characters beside a cell: a blank before and behind it, and a line."""
_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?%?(\s|$)")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        columns: Headings.
        rows: Texts, one per column.
        rules: Rows that end a section.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    rules: Sequence[int] = ()

    @property
    def texts(self) -> list[bool]:
        """Whether each column is one of texts, which is left-aligned: the first one, and those without a number."""
        return [place == 0 or _is_text([row[place] for row in self.rows]) for place in range(len(self.columns))]

    def turned(self, corner: str) -> "Table":
        """The same with rows as columns; ``corner`` is the new heading of the first one. Rules are left out."""
        _, *headings = self.columns
        first, *columns = zip(*self.rows, strict=True)
        return Table((corner, *first), [(name, *cells) for name, cells in zip(headings, columns, strict=True)])


def _is_text(cells: Sequence[str]) -> bool:
    return any(any(map(str.isalpha, cell)) for cell in cells) and not any(map(_NUMBER.match, cells))


def print_table(title: str, table: Table) -> None:
    """Print a table on stdout; texts are left-aligned, numbers to the right.

    Columns that do not fit beside each other follow in further tables with the same first column. Cells take several
    lines where one has no room: those of the first column between words, and others only if they fit beside nothing.
    """
    console = Console(highlight=False)
    console.print(f"[bold]{escape(title)}[/bold]")
    widths = [max(map(cell_len, cells)) + EDGES for cells in zip(table.columns, *table.rows, strict=True)]
    first = _first_width(table, widths, console.width)
    room = console.width - first - 1
    for places in _parts(widths, first, room):
        drawn = RichTable()
        drawn.add_column(escape(table.columns[0]), overflow="fold", max_width=first - EDGES)
        for place in places:
            drawn.add_column(
                escape(table.columns[place]),
                justify="left" if table.texts[place] else "right",
                no_wrap=widths[place] <= room,
                overflow="fold",
            )
        for index, row in enumerate(table.rows):
            drawn.add_row(*(escape(row[place]) for place in (0, *places)), end_section=index in table.rules)
        console.print(drawn)


def wrapped(text: str) -> str:
    """A long text for stdout: on a terminal in lines that break between words; one line for a file or a pipe."""
    if not sys.stdout.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _first_width(table: Table, widths: Sequence[int], width: int) -> int:
    """Characters of the first column: all where everything fits, else a third, or more that no word is broken."""
    if sum(widths) < width:
        return widths[0]
    words = [word for cell in (table.columns[0], *(row[0] for row in table.rows)) for word in cell.split()]
    longest = max(map(cell_len, words), default=0) + EDGES
    beside = width - 1 - max(widths[1:], default=0)
    return min(widths[0], max(width // 3, 12, min(longest, beside)))


def _parts(widths: Sequence[int], first: int, room: int) -> list[list[int]]:
    """Places of the columns of each part, beside the first one: as many as have room."""
    parts: list[list[int]] = [] if len(widths) > 1 else [[]]
    left = -1
    for place in range(1, len(widths)):
        if left < widths[place]:
            parts.append([])
            left = room
        parts[-1].append(place)
        left -= widths[place]
    return parts


def markdown_table(table: Table) -> str:
    """The same as Markdown."""
    first, *rows = ("| " + " | ".join(map(_in_cell, row)) + " |" for row in (table.columns, *table.rows))
    return "\n".join([first, "".join("|---" if text else "|---:" for text in table.texts) + "|", *rows])


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def latex_table(table: Table, caption: str) -> str:
    """The same for LaTeX with the package booktabs."""
    lines = [" & ".join(cell.translate(_LATEX) for cell in row) + r" \\" for row in (table.columns, *table.rows)]
    body = [lines[0], r"\midrule", *lines[1:]]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption.translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{{''.join('l' if text else 'r' for text in table.texts)}}}",
            r"\toprule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def counted(count: int, word: str) -> str:
    """`1 epoch`, `3 epochs`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def with_interval(mean: float, low: float, high: float, digits: int = 3) -> str:
    """`-0.495 [-0.510, -0.481]`; without brackets where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return f"{mean:z.{digits}f}"
    return f"{mean:z.{digits}f} [{low:z.{digits}f}, {high:z.{digits}f}]"
