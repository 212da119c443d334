"""What a run made, file by file, without what tells when and how fast it was made."""

import csv
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anysense.common.checkpoints import read_checkpoint
from bench.record.digests import array_digest

__all__ = ["EXCLUDED", "EXCLUDED_FILES", "content", "differences"]

EXCLUDED = ("started", "ended", "seconds", "minutes", "samples_per_second", "peak_memory", "path", "relative")
"""Entries of JSON files and checkpoints, and columns of CSV files, that tell when, how fast or in how much memory a run
was made, or where its inputs lay, which are known by their SHA-256: those whose name is one of these or ends with one
after an underscore."""
EXCLUDED_FILES = ("tensorboard", ".lock", "log.txt")
"""Files and folders that hold times in a form of their own, or nothing that is computed."""
COST = "Cost"
"""Heading of the table of times at the end of reports, which is excluded too."""
COST_SECTION = re.compile(r'<section>\s*<h2 id="[^"]*cost">.*?</section>', re.DOTALL)
"""The same on a page."""


def content(folder: Path) -> dict[str, str]:
    """SHA-256 of each file by its path in the folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_lasting(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not set(EXCLUDED_FILES) & set(path.relative_to(folder).parts)
    }


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Files that are missing, too many or other, in words."""
    return [
        f"{name}: {'missing' if name not in found else 'left over' if name not in expected else 'other content'}"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]


def _lasting(path: Path) -> bytes:
    """The content of a file without what is excluded."""
    match path.suffix:
        case ".json":
            return json.dumps(_pruned(json.loads(path.read_text())), sort_keys=True).encode()
        case ".csv":
            with path.open(newline="") as file:
                return json.dumps([_pruned(row) for row in csv.DictReader(file)]).encode()
        case ".md" | ".tex":
            return path.read_bytes().partition(COST.encode())[0]
        case ".html":
            return COST_SECTION.sub("", path.read_text(encoding="utf-8")).encode()
        case ".ckpt" | ".pt":
            return repr(_pruned(read_checkpoint(path))).encode()
    return path.read_bytes()


def _pruned(value: Any) -> Any:
    """Nested plain values without excluded entries; arrays as their type, shape and digest."""
    if isinstance(value, dict):
        return {name: _pruned(entry) for name, entry in value.items() if not _excluded(name)}
    if isinstance(value, torch.Tensor | np.ndarray):
        return array_digest(value)
    return [_pruned(entry) for entry in value] if isinstance(value, list | tuple) else value


def _excluded(name: Any) -> bool:
    return any(name == word or str(name).endswith(f"_{word}") for word in EXCLUDED)
