"""What of a run goes on a hub: the exported folder, and the results, pictures and clips of its evaluation."""

import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

from anysense.agents.description import AGENT
from anysense.agents.results import RESULTS_FILE, load_results
from anysense.common.hub.download import Export
from anysense.common.hub.reference import reference_in, reference_of
from anysense.representations.description import REPRESENTATION
from anysense.representations.evaluation.records import COMPLETE
from anysense.runs.comparisons.evaluate_report import evaluate_report
from anysense.runs.comparisons.report import Report, record_of
from anysense.runs.curves import read_curve
from anysense.runs.inputs import found_again
from anysense.runs.locate import find_agent, find_representation, lineage_of
from anysense.runs.run_folder import RunFolder

__all__ = ["CARD", "Contents", "contents_of", "is_published", "without_places"]

CARD = "README.md"
RESULTS = "results/report.json"
VALUES = "results/report.csv"
REPLAY = "replay.mp4"
"""The clip that the hub shows beside the card: the agent with all modalities."""
_KINDS = {"clips": ("mp4", "gif", "wav"), "figures": ("png",)}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_ -]*\.([a-z0-9]+)")
_PLACES = ("out", "name", "docs", "readme", "traceback")
"""Settings that say where files go, and nothing of results."""


@dataclasses.dataclass(frozen=True)
class Contents:
    """What goes on a hub, but for the card.

    Attributes:
        export: Kind of the exported folder.
        folder: The exported folder.
        lineage: Records of the runs that made it, the first one first.
        evaluation: The run that evaluated it.
    """

    export: Export
    folder: Path
    lineage: list[dict[str, Any]]
    evaluation: RunFolder | None

    @cached_property
    def report(self) -> Report | None:
        """The report of the evaluation; the world that it names must be known."""
        if self.evaluation is None:
            return None
        run, saved = self.evaluation, load_results(self.evaluation.path / "results")
        return evaluate_report("", saved, read_curve(run.results("learning_curve.csv")), run.record)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What is told of the runs that made and evaluated it, first to last, without the places of this machine."""
        found = self.lineage if self.report is None else self.report.runs
        kept: list[dict[str, Any]] = []
        for one in map(record_of, found):
            settings = {name: value for name, value in one["settings"].items() if name not in _PLACES}
            kept.append(without_places({**one, "settings": settings}))
        return kept

    def write(self, folder: Path) -> None:
        """Copy all of it into a folder."""
        for name in self.export.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, folder / name)
        for name, path in self._shown():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
        if self.report is not None:
            (folder / RESULTS).parent.mkdir(parents=True, exist_ok=True)
            records = [record.to_json() for record in self.report.records]
            protocol = dict(self.report.protocol.points())
            content = {"protocol": protocol, "runs": self.runs, "records": records}
            (folder / RESULTS).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
            (folder / VALUES).write_text(self.report.csv(), encoding="utf-8")

    def _shown(self) -> Iterator[tuple[str, Path]]:
        """Clips and figures of the evaluation, by the name that they get; links are passed over."""
        if self.evaluation is None:
            return
        for kind in _KINDS:
            place = self.evaluation.path / kind
            for path in sorted(place.iterdir()) if place.is_dir() and not place.is_symlink() else ():
                name = f"{kind}/{path.name}"
                if path.is_file() and not path.is_symlink() and is_published(name):
                    yield name, path
                    if name == f"clips/{COMPLETE}.mp4":
                        yield REPLAY, path


def is_published(name: str) -> bool:
    """Whether this is a name that files of ours have on a hub."""
    if name in (CARD, RESULTS, VALUES, REPLAY, *AGENT.files, *REPRESENTATION.files):
        return True
    kind, slash, rest = name.partition("/")
    found = _NAME.fullmatch(rest)
    return bool(slash) and found is not None and found.group(1) in _KINDS.get(kind, ())


def contents_of(path: Path) -> Contents:
    """What a run, or an exported folder, has for a hub.

    Args:
        path: A finished run of `demo`, `evaluate`, `train` or `pretrain`, a job of `compare`, or an exported folder.

    Raises:
        FileNotFoundError: There is neither an agent nor a representation, or the agent that was evaluated is gone.
        FileFormatError: A file is not the one that its description names.
        ValueError: The run is not finished, or is none of these.
    """
    if reference_in(path) is not None or reference_of(path.absolute()) is not None:
        raise ValueError(f"`run` {path} is on a hub already; give a run, or an exported folder, of this machine.")
    if not path.is_dir():
        raise FileNotFoundError(f"`run` {path} is not a folder; expected a run such as out/evaluate/001.")
    run = RunFolder.open(path) if (path / "run.json").is_file() else None
    if run is not None and run.status != "finished":
        raise ValueError(f"`run` {path} is not finished, but {run.status}; finish it with --resume, or give another.")
    if run is not None and run.record["command"] == "evaluate":
        evaluated = run.record["inputs"].get("run")
        if evaluated is None:
            raise FileNotFoundError(f"`run` {path} does not say which agent it evaluated; evaluate it again.")
        export, folder = AGENT, found_again(path, "run", evaluated)
    else:
        export, folder = _exported(path)
    export.check(folder)
    has_results = (path / "results" / RESULTS_FILE).is_file()
    evaluation = run or _job(path) if has_results else None
    return Contents(export, folder, lineage_of(folder), evaluation)


def _exported(path: Path) -> tuple[Export, Path]:
    """The agent of a folder, or else its representation."""
    try:
        return AGENT, find_agent(path, path)
    except FileNotFoundError:
        pass
    try:
        return REPRESENTATION, find_representation(path, path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"`run` {path} holds neither an agent nor a representation; expected a finished run of `anysense demo`, "
            "`evaluate`, `train` or `pretrain`, or an exported folder."
        ) from None


def _job(path: Path) -> RunFolder | None:
    """The comparison that a folder is a job of."""
    above = path.absolute().parents[1]
    return RunFolder(path, RunFolder.open(above).record) if (above / "run.json").is_file() else None


def without_places(value: Any) -> Any:
    """Plain values, in which paths from the root of this machine are shortened to their last part."""
    if isinstance(value, Mapping):
        return {
            name: _words_without_places(entry) if name == "command_line" else without_places(entry)
            for name, entry in value.items()
        }
    if isinstance(value, list):
        return [without_places(entry) for entry in value]
    return _shortened(value) if isinstance(value, str) else value


def _words_without_places(line: str) -> str:
    words = []
    for word in shlex.split(line):
        option, sign, value = word.partition("=")
        words.append(f"{option}={_shortened(value)}" if sign else _shortened(word))
    return shlex.join(words)


def _shortened(text: str) -> str:
    kinds: tuple[type[PurePath], ...] = (Path, PureWindowsPath)
    found = next((kind(text) for kind in kinds if kind(text).is_absolute()), None)
    return text if found is None else found.name
