"""Tables: on the terminal with rich, in documents as Markdown or LaTeX. Rows are text already."""

import dataclasses
import math
import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

__all__ = ["Table", "counted", "latex_table", "markdown_table", "print_table", "with_interval"]

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%_#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "[": "{[}", "]": "{]}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    | {"±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$", "\n": " "}
)
"""Brackets are hidden from the optional argument of a row's end."""


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


def _is_text(cells: Sequence[str]) -> bool:
    return any(any(map(str.isalpha, cell)) for cell in cells) and not any(map(_NUMBER.match, cells))


def print_table(title: str, table: Table) -> None:
    """Print a table on stdout; texts are left-aligned, numbers to the right.

    Columns that do not fit beside each other follow in further tables with the same first column.
    """
    console = Console(highlight=False)
    console.print(f"[bold]{escape(title)}[/bold]")
    parts = _parts(table, console.width)
    for part in parts:
        drawn = RichTable()
        for place, column in enumerate(map(escape, part.columns)):
            if place:
                drawn.add_column(column, justify="left" if part.texts[place] else "right", no_wrap=True)
            else:
                limit = console.width // 3 - 3 if len(parts) > 1 else None
                drawn.add_column(column, overflow="fold", max_width=limit)
        for index, row in enumerate(part.rows):
            drawn.add_row(*map(escape, row), end_section=index in part.rules)
        console.print(drawn)


def _parts(table: Table, width: int) -> list[Table]:
    """The table in parts of whole columns, each at most ``width`` characters wide where that can be."""
    widths = [max(map(cell_len, cells)) + 3 for cells in zip(table.columns, *table.rows, strict=True)]
    if sum(widths) + 1 <= width:
        return [table]
    first = min(widths[0], max(width // 3, 12)) + 1  # Longer names take several lines.
    chosen: list[list[int]] = []
    left = -1
    for index in range(1, len(widths)):
        if left < widths[index]:
            chosen.append([0])
            left = width - first
        chosen[-1].append(index)
        left -= widths[index]
    return [
        Table([table.columns[i] for i in part], [[row[i] for i in part] for row in table.rows], table.rules)
        for part in chosen
    ]


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
