"""Files that are there completely or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.common.files import write_bytes

__all__ = ["atomic_write_bytes", "atomic_write_csv", "atomic_write_json", "atomic_write_text", "read_json"]


def atomic_write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` so that a kill leaves either the old file or the new one."""
    path = Path(path)
    write_bytes(path, content)
    return path


def atomic_write_text(path: str | Path, content: str) -> Path:
    """Write text as UTF-8, see `atomic_write_bytes`."""
    return atomic_write_bytes(path, content.encode())


def atomic_write_json(path: str | Path, content: Any) -> Path:
    """Write `content` as indented JSON; NaN and infinity are refused with a `ValueError`."""
    return atomic_write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def atomic_write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write `rows` as a CSV file with a header of `columns`; a row with another column is a `ValueError`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return atomic_write_text(path, text.getvalue())


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not JSON, for example because it was cut short or edited.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"`{path}` is not readable as JSON ({error}). Restore it or start a new run.") from error
