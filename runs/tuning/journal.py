"""The journal of a search, which drivers on several machines share: checked before it is read, locked while written."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from anysense.common.errors import FileFormatError, reading
from anysense.common.extras import import_extra
from anysense.common.files import explained
from anysense.common.json_files import check_entries, parse_json
from anysense.common.progress import say

__all__ = ["JOURNAL", "MAX_BYTES", "MAX_TRIALS", "Journal", "optuna_module"]

JOURNAL = "journal.jsonl"
"""Name of the file in a run folder."""
MAX_BYTES = 256 * 2**20
"""Largest journal that is read; a trial takes about 2 kB."""
MAX_LINE = 2**20
"""Largest entry."""
MAX_TRIALS = 10_000
"""Most trials of a method."""
ADVICE = (
    "Restore it from a copy. Where there is none, move it away, and go on: trials that were finished are then taken "
    "from their folders, and the others begun anew."
)
LOCK = ".journal.lock"
OPERATIONS = (0, 2, 3, 4, 5, 6, 7, 8, 9)
"""What Optuna writes for a search that is made and goes on; nothing is deleted."""
ENTRY = {
    "op_code": range(10),
    "worker_id": str,
    "study_id?": range(10_000),
    "trial_id?": range(10**7),
    "study_name?": str,
    "directions?": [range(3)],
    "state?": range(5),
    "values?": (None, [float]),
    "distribution?": str,
    "distributions?": dict,
    str: object,
}


def optuna_module() -> Any:
    """Optuna, which says nothing of its own.

    Raises:
        ModuleNotFoundError: It is not installed; the message names the extra.
    """
    optuna = import_extra("optuna", "tune", "`anysense tune`")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class JournalLock:
    """Lets one process at a time write; the system releases it when a process ends in whatever way.

    What a killed process left of an entry at the end is cut off, so that the next one begins a line of its own.

    Args:
        path: The journal.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, FileLock(path.with_name(LOCK))

    def acquire(self) -> bool:
        """Wait for the lock, and mend the end of the file."""
        with explained(self._path):
            self._lock.acquire()
            _mend(self._path)
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


class Journal:
    """Studies of Optuna, one for each method, in a file of a run folder.

    Args:
        folder: The run folder.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
        FileFormatError: The file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self._optuna = folder / JOURNAL, optuna_module()
        lock = JournalLock(self.path)
        with explained(self.path):
            lock.acquire()
            try:
                _check(self.path)
            finally:
                lock.release()
        journal = self._optuna.storages.journal
        with reading(self.path, ADVICE):
            backend = journal.JournalFileBackend(str(self.path), lock_obj=lock)
            backend.append_logs = _naming(self.path, backend.append_logs)
            self.storage = self._optuna.storages.JournalStorage(backend)

    def studies(self, wanted: Mapping[str, str], direction: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """The study of each method, made where there is none yet.

        Args:
            wanted: What is searched, in words, by method; kept with the study.
            direction: ``maximize`` or ``minimize``.
            about: What else must be the same whenever the search goes on; plain values.

        Raises:
            ValueError: The file holds a search for something else.
        """
        with reading(self.path, ADVICE):
            there = {study.study_name: study for study in self._optuna.get_all_study_summaries(self.storage)}
        for name in there:
            if name not in wanted:
                raise ValueError(self._foreign(f"a study {name!r}, and methods are {', '.join(wanted)}"))
        found = {}
        for method, space in wanted.items():
            facts = {"anysense": {**about, "space": space}}
            begun = method in there and (there[method].user_attrs or there[method].n_trials)  # else cut off when made
            if begun and there[method].user_attrs != facts:
                kept = there[method].user_attrs.get("anysense", there[method].user_attrs)
                raise ValueError(self._foreign(f"{method} with {kept}, asked for was {facts['anysense']}"))
            study = self._optuna.create_study(
                storage=self.storage, study_name=method, direction=direction, load_if_exists=True
            )
            if not begun:
                study.set_user_attr("anysense", facts["anysense"])
            found[method] = study
        return found

    def _foreign(self, difference: str) -> str:
        return f"`{self.path}` holds another search: {difference}. {ADVICE}"


def _naming(path: Path, append: Callable[[Any], None]) -> Callable[[Any], None]:
    """The same, with errors that name the journal."""

    def appended(entries: Any) -> None:
        with explained(path):
            append(entries)

    return appended


def _mend(path: Path) -> None:
    """Cut off an entry that was not written to its end."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return
        file.seek(max(0, size - MAX_LINE))
        tail = file.read()
        if tail.endswith(b"\n"):
            return
        whole = size - len(tail) + tail.rfind(b"\n") + 1
        say(f"`{path}`: the last entry was not written to its end, and is left out")
        file.truncate(whole)


def _check(path: Path) -> None:
    """Raise FileFormatError where a journal is no list of entries that a search writes."""
    if not path.exists():
        return
    if path.stat().st_size > MAX_BYTES:
        raise FileFormatError(f"`{path}` is damaged: it has more than {MAX_BYTES} bytes. {ADVICE}")
    trials: dict[int, int] = {}
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file.readline), start=1):
            with reading(path, ADVICE, f"is damaged in line {number}"):
                entry = parse_json(line, MAX_LINE, 16)
                check_entries(entry, ENTRY)
                if entry["op_code"] not in OPERATIONS:
                    raise ValueError(f"nothing is written with `op_code` {entry['op_code']}.")
                if entry["op_code"] == 4:
                    study = entry["study_id"]
                    trials[study] = trials.get(study, 0) + 1
                    if trials[study] > MAX_TRIALS:
                        raise ValueError(f"it holds more than {MAX_TRIALS} trials of a method.")


def _lines(read: Callable[[int], bytes]) -> Any:
    while line := read(MAX_LINE + 1):
        yield line
