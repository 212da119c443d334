"""Overviews of commands and of their parts, in lines that fit the terminal."""

import shutil
import textwrap
from collections.abc import Mapping

__all__ = ["listed", "wrapped"]

NARROWEST, WIDEST = 30, 100


def listed(entries: Mapping[str, str], indent: int) -> str:
    """One line for each name and what it does, which begins in the column ``indent`` behind two spaces."""
    lines = [f"  {name:<{indent}}{text}" for name, text in entries.items()]
    return "\n".join(textwrap.fill(line, _width(), subsequent_indent=" " * (indent + 2)) for line in lines)


def wrapped(paragraph: str) -> str:
    """A paragraph in lines that fit."""
    return textwrap.fill(paragraph, _width(), break_on_hyphens=False, break_long_words=False)


def _width() -> int:
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST) - 1)
