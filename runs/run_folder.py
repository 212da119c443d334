"""Run folders: where one run keeps everything it was given and everything it made.

A run folder is a folder with a `run.json`, which is written first and says what the folder is. Nothing is deleted or
overwritten by another run: an existing folder is only entered to resume it.
"""

import dataclasses
import os
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anysense.common.files import check_folder, explained, write_json
from anysense.common.hub.download import of_hub
from anysense.common.json_files import read_description
from anysense.common.machine import describe_machine, describe_versions, peak_memory
from anysense.common.progress import say
from anysense.runs import inputs
from anysense.runs.errors import refuses_input
from anysense.runs.lock import LOCK, OWNER, locked

__all__ = ["FORMAT", "FORMAT_VERSION", "RunFolder", "check_name", "check_place", "newest_run", "plain"]

FORMAT = "anysense run"
FORMAT_VERSION = 2
ENTRIES = {
    "command": str,
    "command_line?": str,
    "arguments": [str],
    "settings": dict,
    "seed": range(2**32),
    "status": str,
    "started": str,
    "ended?": str,
    "inputs?": inputs.ENTRIES,
    str: object,
}
"""Schema of a record."""
ENDING = ("error", "ended", "seconds", "peak_memory")
"""What a record says of the end of a run; it is gone when the run goes on."""
RECORD = "run.json"
_NUMBER = re.compile("[0-9]{1,9}")


class RunFolder:
    """One run on disk: `path` and the content of its `run.json`, kept in step."""

    def __init__(self, path: Path, record: dict[str, Any]):
        self.path = path
        self.record = record
        self._grown = False

    @classmethod
    def create(cls, settings: Any, command: str, arguments: Sequence[str], chosen: Sequence[str] = ()) -> "RunFolder":
        """Make the folder `out/command/name`; without a name the next free number is taken.

        Args:
            settings: Resolved settings with `out`, `name` and `seed`.
            command: Name of the command.
            arguments: What was typed after it.
            chosen: Arguments that were not typed but must be the same when the run is continued or done again, such as
                the newest representation; they are recorded first.

        Raises:
            FileExistsError: The folder exists already.
            ValueError: `name` is not the name of a folder.
        """
        versions = describe_versions()
        record: dict[str, Any] = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "anysense_version": versions["anysense"],
            "command": command,
            "command_line": shlex.join(["anysense", *command.split("/"), *chosen, *arguments]),
            "arguments": [*chosen, *arguments],
            "settings": plain(settings),
            "seed": settings.seed,
            "status": "running",
            "started": _now(),
            "versions": versions,
            "machine": describe_machine(),
        }
        resumable = "resume" in record["settings"]
        path = _claim(Path(settings.out) / command, settings.name, resumable)
        record["inputs"] = inputs.recorded_inputs(settings, record["arguments"], path)
        run = cls(path, record)
        with locked(path):
            if (path / RECORD).exists():  # another process has taken the folder over in the meantime
                raise _taken(path, resumable)
            run._write()
        return run

    @classmethod
    def open(cls, path: str | Path, command: str | None = None) -> "RunFolder":
        """Read an existing run folder.

        Raises:
            FileNotFoundError: `path` is no folder or holds no `run.json`.
            ValueError: The record is damaged, of another format version or of another command than `command`.
        """
        path = Path(path)
        if not path.is_dir():
            raise FileNotFoundError(f"`{path}` is not a folder; expected a run folder, for example out/train/001.")
        if not (path / RECORD).is_file():
            raise FileNotFoundError(f"`{path}` holds no run.json, so it is not a run folder of anysense.")
        record = {"inputs": {}, **read_description(path / RECORD, FORMAT, FORMAT_VERSION, "a run", ENTRIES)}
        if command is not None and record["command"] != command:
            raise ValueError(
                f"`{path}` is a run of `anysense {record['command']}`, expected one of `anysense {command}`."
            )
        return cls(path, record)

    @property
    def status(self) -> str:
        """One of `running`, `finished`, `failed`, `refused`, `interrupted`; a killed run stays `running`.

        A run is `refused` whose input was found to be wrong after it had begun.
        """
        return str(self.record["status"])

    def mark(self, status: str, **facts: Any) -> None:
        """Set the status and add facts about the run, such as its duration or peak memory."""
        self.record |= {"status": status, "ended": _now(), **facts}
        self._write()

    def grow(self, settings: Any, arguments: Sequence[str]) -> None:
        """Ask for more of the same; written when the work begins, and not while another process works on it."""
        line = shlex.join(["anysense", *self.record["command"].split("/"), *arguments])
        self.record |= {"settings": plain(settings), "arguments": list(arguments), "command_line": line}
        self._grown = True

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark the run as running, and as finished at the end, or by what ended it when an error passes through.

        Raises:
            FileExistsError: Another process works on it.
        """
        start = time.perf_counter()
        with locked(self.path):
            if self.status != "running" or self._grown:  # it goes on
                before = {name: entry for name, entry in self.record.items() if name not in ENDING}
                self.record = {**before, "status": "running"}
                self._write()
            try:
                yield
            except BaseException as error:
                ended = "refused" if refuses_input(error) else "failed"
                status = "interrupted" if isinstance(error, KeyboardInterrupt) else ended
                with suppress(OSError):  # a full disk: the error itself matters more
                    self.mark(status, error=f"{type(error).__name__}: {error}")
                raise
            self.mark("finished", seconds=round(time.perf_counter() - start, 1), peak_memory=peak_memory())

    def results(self, name: str) -> Path:
        """Path of a file below `results/`."""
        return self.path / "results" / name

    def report(self) -> Path:
        """Path of the report of a finished run; FileNotFoundError if it has none."""
        path = self.results("report.json")
        if not path.is_file():
            raise FileNotFoundError(
                f"`{self.path}` has no results: its status is `{self.status}`, and `{path}` does not exist. Go on with "
                f"it: anysense {self.record['command']} --resume --name {shlex.quote(self.path.name)}"
            )
        return path

    def figure(self, name: str) -> Path:
        """Path of a file below `figures/`."""
        return self.path / "figures" / name

    def _write(self) -> None:
        write_json(self.path / RECORD, self.record)


def newest_run(out: str | Path, commands: Sequence[str], finished: bool = True) -> RunFolder | None:
    """The run of one of `commands` under `out` that finished last, or started last of those that can go on."""
    runs = [run for command in commands for run in _runs(Path(out) / command)]
    runs = [run for run in runs if run.status != "refused" and (run.status == "finished") == finished]
    return max(runs, key=lambda run: str(run.record.get("ended" if finished else "started")), default=None)


def plain(value: Any) -> Any:
    """Turn settings into what JSON holds: dataclasses to dictionaries, paths to text, tuples to lists.

    A folder that came from a hub is called as there.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, Path):
        return of_hub(value) or str(value)
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def check_name(name: str) -> str:
    """Return a name of a folder or file; ValueError if it names none, or one in another folder."""
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"`name` expected one name without separators, got {name!r}.")
    return name


def check_place(parent: Path, name: str | None, resumable: bool = False) -> None:
    """Find out before any work whether files can go to ``parent``, into a new folder ``name`` if one is given.

    ``resumable`` says whether a run that has the name could go on.

    Raises:
        NotADirectoryError: Something on the way is a file.
        PermissionError: The nearest folder that exists cannot be written.
        FileExistsError: The folder ``name`` is taken.
        ValueError: ``name`` is not the name of a folder.
    """
    if name is not None and (parent / check_name(name)).exists() and not _abandoned(parent / name):
        raise _taken(parent / name, resumable)
    nearest = next(path for path in (parent, *parent.parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"`{parent}` cannot be made: `{nearest}` is a file; choose another folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        made = "" if parent == nearest else f"`{parent}` cannot be made: "
        raise PermissionError(f"{made}`{nearest}` cannot be written; choose another folder.")
    check_folder(parent)


def _claim(parent: Path, name: str | None, resumable: bool) -> Path:
    """Make a folder for a run; one that a kill left without a record is taken over by its name."""
    if name is not None:
        check_name(name)
    with explained(parent):
        parent.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in parent.iterdir() if _NUMBER.fullmatch(path.name)), default=0)
    while True:
        number += 1
        path = parent / (name or f"{number:03d}")
        try:
            with explained(path):
                path.mkdir()
            return path
        except FileExistsError:
            if name is not None and not _abandoned(path):
                raise _taken(path, resumable) from None
            if name is not None:
                return path


def _abandoned(path: Path) -> bool:
    """Whether a folder holds nothing but what is written before the record of a run."""
    return path.is_dir() and all(
        entry.name in (LOCK, OWNER) or entry.name.startswith(tuple(f".{name}." for name in (RECORD, OWNER)))
        for entry in path.iterdir()
    )


def _taken(path: Path, resumable: bool) -> FileExistsError:
    choices = "Continue it with --resume, choose" if resumable else "Choose"
    return FileExistsError(f"`{path}` exists already. {choices} another --name or remove the folder.")


def _runs(parent: Path) -> list[RunFolder]:
    found = []
    for path in sorted(parent.iterdir()) if parent.is_dir() else []:
        try:
            if (path / RECORD).exists():
                found.append(RunFolder.open(path))
        except (OSError, ValueError) as error:
            say(f"Passed over {path}: {error}")
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
