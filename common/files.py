"""Files and folders that are there completely or not at all: written under a temporary name, then renamed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "read_description",
    "recover_folder",
    "replace_file",
    "replace_folder",
    "sha256_of",
    "write_bytes",
    "write_json",
]


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file, then put it in the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    replace_file(path, write)


def write_json(path: Path, content: Any) -> None:
    """Put `content` as JSON in the place of `path`; NaN and infinity are refused with a ValueError."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    replace_file(path, lambda temporary: _write_text(temporary, text))


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; put it in the place of `folder` when all went well.

    A kill leaves the old folder or the new one, or, for the moment between two renames, the old one under another name
    from which `recover_folder` brings it back.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover_folder(folder)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        temporary.chmod(0o755)
        yield temporary
        previous = _previous(folder)
        shutil.rmtree(previous, ignore_errors=True)
        if folder.exists():
            os.rename(folder, previous)
        os.rename(temporary, folder)
        shutil.rmtree(previous, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Undo a replacement of `folder` that was killed between its two renames."""
    if not folder.exists() and _previous(folder).exists():
        os.rename(_previous(folder), folder)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_description(path: Path, file_format: str, version: int, what: str) -> dict[str, Any]:
    """Read a JSON file that says what lies beside it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or of another format or format version.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` does not exist; expected the folder of {what}.")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"`{path}` is damaged: not valid JSON ({error}). Restore it or make {what} again.") from error
    if not isinstance(content, dict) or content.get("format") != file_format:
        raise ValueError(f'`{path}` does not describe {what}: expected an entry "format": {file_format!r}.')
    if content.get("format_version") != version:
        raise ValueError(
            f"`{path}` has format version {content.get('format_version')!r}; this release of anysense reads version "
            f"{version}. It was written by anysense {content.get('anysense_version', '(unknown)')}: use that release "
            f"or make {what} again."
        )
    return content


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
