"""Tables: on the terminal with rich, in documents as Markdown or LaTeX. Rows are text already."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

__all__ = ["Table", "counted", "latex_table", "markdown_table", "print_table", "with_interval"]

_FILE_WIDTH = 160
"""Characters per line where no terminal says how many fit."""
_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "±": r"$\pm$", "~": r"\~{}"}
)


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


def print_table(title: str, table: Table) -> None:
    """Print a table on stdout; the first column is left-aligned, numbers to the right."""
    drawn = RichTable()
    for index, column in enumerate(table.columns):
        drawn.add_column(escape(column), justify="left" if index == 0 else "right", no_wrap=index > 0)
    for index, row in enumerate(table.rows):
        drawn.add_row(*map(escape, row), end_section=index in table.rules)
    terminal = Console(highlight=False)
    console = terminal if terminal.is_terminal else Console(highlight=False, width=_FILE_WIDTH)
    console.print(f"[bold]{escape(title)}[/bold]")
    console.print(drawn)


def markdown_table(table: Table) -> str:
    """The same as Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|---" + "|---:" * (len(table.columns) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table.rows])


def latex_table(table: Table, caption: str) -> str:
    """The same for LaTeX with the package booktabs."""
    lines = [" & ".join(cell.translate(_LATEX) for cell in row) + r" \\" for row in (table.columns, *table.rows)]
    body = [lines[0], r"\midrule", *lines[1:]]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption.translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
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
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
