"""What a run was given as files: recorded by path and content, and found again after folders were moved."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.common.files import sha256_of
from anysense.common.hub.reference import reference_in
from anysense.runs import from_hub

__all__ = ["digest_of", "found_again", "holds", "recorded_inputs", "replaced"]

_WRITTEN = ("out", "docs", "readme")
"""Paths of settings that name where things go."""
_DESCRIPTIONS = (
    "representation.json",
    "agent.json",
    "representation/representation.json",
    "agent/agent.json",
    "pretrain/representation/representation.json",
    "run.json",
)
"""Files that stand for the content of a folder, because they hold the digests of what lies beside them."""
ENTRIES = {str: {"typed": (None, str), "path": str, "relative": str, "sha256": str, **from_hub.ENTRIES}}
"""Schema of what `recorded_inputs` gives."""


def recorded_inputs(settings: Any, arguments: Sequence[str], run: Path) -> dict[str, dict[str, Any]]:
    """Path as typed, absolute and relative to the run, and digest of the content, by the name of the setting.

    What came from a hub has its reference and the SHA-256 of its files besides.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, path in _paths(settings):
        absolute = path.absolute()
        if absolute.exists():
            content = from_hub.content_of(absolute)
            found[name] = {
                "typed": None if content else _typed(arguments, absolute),
                "path": str(absolute),
                "relative": os.path.relpath(absolute, run.absolute()),
                "sha256": digest_of(absolute),
                **content,
            }
    return found


def found_again(run: Path, name: str, recorded: Mapping[str, Any]) -> Path:
    """Where an input of a run is now: at its absolute path, or where it lay as seen from the run, or in the cache.

    Raises:
        FileNotFoundError: It is at neither, or something else is.
        ValueError: It came from a hub and is something else now; `downloaded_again` for other errors.
    """
    option = name.rpartition(".")[2].replace("_", "-")
    if "hub" in recorded:
        return from_hub.downloaded_again(option, recorded)
    candidates = (Path(recorded["path"]), (run.absolute() / recorded["relative"]).resolve())
    for path in candidates:
        if path.exists() and digest_of(path) == recorded["sha256"]:
            return path
    raise FileNotFoundError(
        f"`{option}`: what `{run}` was started with is no longer at {' or '.join(f'`{path}`' for path in candidates)}; "
        "name where it is now."
    )


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of what describes the content of a folder: its description, else names and sizes."""
    if path.is_file():
        return sha256_of(path)
    described = next((path / name for name in _DESCRIPTIONS if (path / name).is_file()), None)
    if described is not None:
        return sha256_of(described)
    entries = sorted((str(file.relative_to(path)), file.stat().st_size) for file in path.rglob("*") if file.is_file())
    return hashlib.sha256(repr(entries).encode()).hexdigest()


def replaced(arguments: Sequence[str], typed: str | None, path: Path) -> list[str]:
    """The arguments with the path of an input in the place of what was typed."""
    if typed is None:
        return list(arguments)
    swapped = {typed: str(path)}
    return [swapped.get(one) or "=".join(_swapped(one, swapped)) for one in arguments]


def _swapped(argument: str, swapped: Mapping[str, str]) -> list[str]:
    option, sign, value = argument.partition("=")
    return [option, swapped.get(value, value)] if sign else [option]


def holds(path: Path, recorded: Mapping[str, Any]) -> bool:
    """Whether a path, or what it names on a hub, has the content of an input that was recorded."""
    if reference_in(path) is not None:
        return str(path) == recorded.get("hub")
    return path.exists() and digest_of(path) == recorded["sha256"]


def _paths(settings: Any, within: str = "") -> Iterator[tuple[str, Path]]:
    """Names and values of all settings that are paths to read from."""
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), f"{within}{field.name}"
        if dataclasses.is_dataclass(value):
            yield from _paths(value, f"{name}.")
        elif isinstance(value, Path) and field.name not in _WRITTEN:
            yield name, value


def _typed(arguments: Sequence[str], absolute: Path) -> str | None:
    """The argument that names the input, or the nearest folder around it."""
    values = [one.partition("=")[2] if one.startswith("--") else one for one in arguments]
    paths = {value: Path(value).expanduser().absolute() for value in values if value}
    around = [value for value, path in paths.items() if path == absolute or path in absolute.parents]
    return max(around, key=lambda value: len(paths[value].parts), default=None)
