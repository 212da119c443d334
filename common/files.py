"""Files and folders that are there completely or not at all: written under a temporary name, then renamed.

Everything that is written is handed to the disk (fsync) before it is renamed, and the renaming itself too, so that also
a power failure leaves the old content or the new one. What a killed process left under a temporary name is removed by
the next one that writes into the same folder. Permissions are those that a plain `open` gives.
"""

import csv
import errno
import hashlib
import io
import json
import os
import platform
import shutil
import stat
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from anysense.common.errors import FileFormatError
from anysense.common.validation import check_path

__all__ = [
    "UNWRITABLE",
    "cannot_write",
    "check_folder",
    "check_sha256",
    "csv_text",
    "current_folder",
    "explained",
    "replace_file",
    "replace_folder",
    "sha256_of",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_text",
]

SECONDS_TO_KEEP = 24 * 60 * 60
"""How long a temporary file of another machine is taken for one that is still written."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNWRITABLE = (*_FULL, errno.EROFS)
"""What the operating system says of writing alone."""
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"


def replace_file(path: str | Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in the place of `path`; folders are made.

    Returns:
        The path.

    Raises:
        OSError: The file cannot be written; the message names the path and says what to do.
    """
    path = Path(path)
    target = path.resolve() if path.is_symlink() else path
    temporary = _temporary(target)
    with explained(path):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch(exist_ok=False)
            mode = (target if target.is_file() else temporary).stat().st_mode
            write(temporary)
            temporary.chmod(stat.S_IMODE(mode))
            _sync(temporary)
            os.replace(temporary, target)
        finally:
            with suppress(OSError):
                temporary.unlink()
    _sync_folder(target.parent)
    return path


def write_bytes(path: str | Path, content: bytes | memoryview) -> Path:
    """Put `content` in the place of `path`; see `replace_file`."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    return replace_file(path, write)


def write_text(path: str | Path, content: str) -> Path:
    """Put text as UTF-8 in the place of `path`; see `replace_file`."""
    return write_bytes(path, content.encode())


def write_json(path: str | Path, content: Any) -> Path:
    """Put `content` as indented JSON in the place of `path`; NaN and infinity are refused with a ValueError."""
    return write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """`rows` as CSV with a header of `columns`; another column is a ValueError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Put `rows` as CSV in the place of `path`; see `csv_text`."""
    return write_text(path, csv_text(columns, rows))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Let errors of the operating system inside name the path that was to be written, and say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not from the operating system: it says already what it means
            raise
        raise type(error)(error.errno, cannot_write(path, error)) from error


def check_folder(folder: str | Path) -> Path:
    """Find out before any work whether files can be written into ``folder``, which need not be there yet.

    Raises:
        OSError: They cannot; the message names the folder and says what to do.
    """
    folder = check_path("folder", folder)
    with explained(folder):
        nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        with tempfile.TemporaryFile(dir=nearest):
            return folder


def cannot_write(path: str | Path, error: OSError) -> str:
    """The message that a path could not be written for this reason, and what to do."""
    reason = error.__cause__ if isinstance(error.__cause__, OSError) else error  # of a file inside, explained before
    remedy = "free space or choose another folder" if error.errno in _FULL else "choose another folder"
    return f"Cannot write `{path}` ({reason.strerror}); {remedy}, then try again"


@contextmanager
def replace_folder(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder to fill; put it in the place of `folder` when all went well.

    A kill leaves the old folder or the new one, or, for the moment between two renames, the old one under another name
    where `current_folder` finds it.

    Raises:
        OSError: The folder cannot be written; the message names it and says what to do.
    """
    folder = Path(folder)
    temporary, previous = _temporary(folder), _previous(folder)
    with explained(folder):
        _recover_folder(folder)
        temporary.mkdir(parents=True)
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            raise type(error)(error.errno, cannot_write(folder, error)) from error
        with explained(folder):
            for entry in (*temporary.rglob("*"), temporary):
                (_sync_folder if entry.is_dir() else _sync)(entry)
            shutil.rmtree(previous, ignore_errors=True)
            if folder.exists():
                os.rename(folder, previous)
            os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync_folder(folder.parent)
    shutil.rmtree(previous, ignore_errors=True)


def current_folder(folder: str | Path) -> Path:
    """Where the content of `folder` is: elsewhere if `replace_folder` was killed, or is now, between two renames."""
    folder = check_path("folder", folder)
    return _previous(folder) if not os.path.exists(folder) and os.path.exists(_previous(folder)) else folder


def _recover_folder(folder: Path) -> None:
    """Undo a replacement of `folder` that was killed between its two renames."""
    if not folder.exists() and _previous(folder).exists():
        os.rename(_previous(folder), folder)


def check_sha256(path: Path, sha256: str, named_in: str) -> None:
    """Raise unless the content of a file is the one that another file names (FileNotFoundError, FileFormatError)."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` is missing, but {named_in} beside it names it; copy the whole folder.")
    if sha256_of(path) != sha256:
        raise FileFormatError(
            f"`{path}` is truncated or altered: its SHA-256 is not the one in {named_in}. Copy or make it again."
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(path: Path) -> Path:
    """A name beside `path` for what this thread writes; what killed processes left under such names is removed."""
    chosen = path.with_name(f".{path.name}.{_HOST}-{os.getpid()}-{threading.get_native_id()}.part")
    for left in path.parent.glob(".*.*-*-*.part"):
        with suppress(OSError, ValueError):
            host, process, _ = left.suffixes[-2].removeprefix(".").split("-")
            ended = host == _HOST and not _alive(int(process))
            if ended or left == chosen or time.time() - left.stat().st_mtime > SECONDS_TO_KEEP:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return chosen


def _alive(process: int) -> bool:
    """Whether another process runs on this machine; where that cannot be asked it is taken to."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # Windows, and file systems that cannot: the renaming holds, a moment later
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
