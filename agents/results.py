"""Results of evaluations: what every episode yielded, and the files that keep it.

A folder holds ``results.json`` (settings, summary, and what was evaluated how) and ``episodes.csv`` (one row per
episode, numbers in full precision). The JSON file is written last and names the SHA-256 of the CSV file.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anysense.common.files import write_bytes
from anysense.envs.pendulum.physics import FloatArray

__all__ = ["EpisodeResults", "SavedResults", "load_results", "save_results"]

FORMAT = "anysense results"
FORMAT_VERSION = 1
RESULTS_FILE = "results.json"
EPISODES_FILE = "episodes.csv"
_COLUMNS = (
    "evaluation",
    "name",
    "modalities",
    "corruption",
    "missing",
    "episode",
    "theta",
    "omega",
    "average_reward",
    "return",
)


@dataclass(frozen=True, eq=False)
class EpisodeResults:
    """What each episode of one evaluation yielded.

    Attributes:
        name: Who acted, for instance ``"agent"`` or ``"optimal"``.
        modalities: The modalities that it had; none for controllers that read the true state.
        corruption: Corruptions of the modalities, written ``modality:name:level``, in the order applied.
        missing: Dropout of modalities in words, ``""`` for none.
        seed: Seed of whatever was random: corruption, dropout, random actions.
        steps: Steps of each episode.
        starts: Start states [theta, omega], float64 of shape (N, 2).
        returns: Undiscounted sums of rewards, float64 of shape (N,).

    Raises:
        ValueError: Shapes do not fit, there is no episode, a return is not finite, or ``steps`` is below 1.
    """

    name: str
    modalities: tuple[str, ...]
    corruption: tuple[str, ...]
    missing: str
    seed: int
    steps: int
    starts: FloatArray
    returns: FloatArray

    def __post_init__(self) -> None:
        if self.starts.ndim != 2 or self.starts.shape != (len(self.returns), 2) or self.returns.ndim != 1:
            raise ValueError(
                "`starts` and `returns` must have the shapes (N, 2) and (N,), "
                f"got {self.starts.shape} and {self.returns.shape}."
            )
        if self.returns.size == 0:
            raise ValueError("`returns` must hold at least one episode, got none; pass at least one start state.")
        if not np.isfinite(self.returns).all():
            raise ValueError(
                f"`returns` must be finite, got {np.count_nonzero(~np.isfinite(self.returns))} that are not."
            )
        if self.steps < 1:
            raise ValueError(f"`steps` must be at least 1, got {self.steps}.")

    @property
    def average_reward(self) -> FloatArray:
        """Average reward per step of each episode, float64 of shape (N,)."""
        return self.returns / self.steps

    def description(self) -> dict[str, Any]:
        """Return all but the arrays, as JSON can hold it."""
        return {
            "name": self.name,
            "modalities": list(self.modalities),
            "corruption": list(self.corruption),
            "missing": self.missing,
            "seed": self.seed,
            "steps": self.steps,
            "episodes": len(self.returns),
        }


@dataclass(frozen=True, eq=False)
class SavedResults:
    """What a results folder holds: the evaluations, the summary rows as JSON values, and further details."""

    results: list[EpisodeResults]
    summary: list[dict[str, Any]]
    details: dict[str, Any]


def save_results(
    folder: str | Path,
    results: Sequence[EpisodeResults],
    summary: Sequence[Mapping[str, Any]] = (),
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write ``episodes.csv`` and ``results.json``, each completely or not at all.

    Args:
        folder: Where to write; made if absent.
        results: The evaluations.
        summary: Rows of the summary as JSON values, see ``anysense.agents.summary.Row.to_json``.
        details: Anything else that JSON can hold, for instance the settings of the command.

    Raises:
        TypeError: Something is no JSON value.
        ValueError: Something is NaN or infinite.
    """
    folder = Path(folder)
    episodes = _episodes_csv(results)
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "details": dict(details or {}),
        "summary": [dict(row) for row in summary],
        "evaluations": [result.description() for result in results],
        "episodes_sha256": hashlib.sha256(episodes).hexdigest(),
    }
    description = json.dumps(content, indent=2, allow_nan=False).encode() + b"\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / EPISODES_FILE, episodes)
    write_bytes(folder / RESULTS_FILE, description)


def load_results(folder: str | Path) -> SavedResults:
    """Read what ``save_results`` wrote.

    Raises:
        FileNotFoundError: One of the two files is missing.
        ValueError: A file is damaged or altered, or of another version.
    """
    folder = Path(folder)
    for name in (RESULTS_FILE, EPISODES_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name} is missing; expected a folder with {RESULTS_FILE} and {EPISODES_FILE}."
            )
    content = _read_json(folder / RESULTS_FILE)
    episodes = (folder / EPISODES_FILE).read_bytes()
    if hashlib.sha256(episodes).hexdigest() != content.get("episodes_sha256"):
        raise ValueError(f"{folder / EPISODES_FILE} does not belong to {RESULTS_FILE} or was altered; evaluate again.")
    try:
        results = _parse_episodes(content["evaluations"], episodes.decode())
        return SavedResults(results, list(content["summary"]), dict(content["details"]))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / RESULTS_FILE} lacks an entry or was altered ({error!r}); evaluate again."
        ) from error


def _episodes_csv(results: Iterable[EpisodeResults]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, result in enumerate(results):
        labels = (number, result.name, "+".join(result.modalities), " ".join(result.corruption), result.missing)
        table = zip(result.starts.tolist(), result.average_reward.tolist(), result.returns.tolist(), strict=True)
        writer.writerows((*labels, row, *start, average, total) for row, (start, average, total) in enumerate(table))
    return text.getvalue().encode()


def _parse_episodes(descriptions: list[dict[str, Any]], text: str) -> list[EpisodeResults]:
    rows: list[list[tuple[float, float, float]]] = [[] for _ in descriptions]
    for row in csv.DictReader(io.StringIO(text)):
        rows[int(row["evaluation"])].append((float(row["theta"]), float(row["omega"]), float(row["return"])))
    results = []
    for description, episodes in zip(descriptions, rows, strict=True):
        table = np.array(episodes, dtype=np.float64).reshape(-1, 3)
        results.append(
            EpisodeResults(
                name=description["name"],
                modalities=tuple(description["modalities"]),
                corruption=tuple(description["corruption"]),
                missing=description["missing"],
                seed=description["seed"],
                steps=description["steps"],
                starts=table[:, :2],
                returns=table[:, 2],
            )
        )
    return results


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: not valid JSON ({error}). Evaluate again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is no file of results; expected `format` {FORMAT!r}.")
    if content.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {content.get('format_version')!r}, this program reads {FORMAT_VERSION}; "
            "evaluate again or use the version that wrote it."
        )
    return content
