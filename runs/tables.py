"""Tables: on the terminal with rich, in documents as Markdown. Rows are text already."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

__all__ = ["counted", "markdown_table", "print_table", "with_interval"]

_FILE_WIDTH = 160
"""Characters per line where no terminal says how many fit."""


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], rules: Sequence[int] = ()) -> None:
    """Print a table on stdout; the first column is left-aligned, numbers to the right, `rules` end a section."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index > 0)
    for index, row in enumerate(rows):
        table.add_row(*row, end_section=index in rules)
    terminal = Console(highlight=False)
    console = terminal if terminal.is_terminal else Console(highlight=False, width=_FILE_WIDTH)
    console.print(table)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def counted(count: int, word: str) -> str:
    """`1 epoch`, `3 epochs`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def with_interval(mean: float, low: float, high: float, digits: int = 3) -> str:
    """`-0.495 [-0.510, -0.481]`."""
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
