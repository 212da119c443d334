"""Results of evaluations: what every episode yielded, and the files that keep it.

A folder holds ``results.json`` (records, and what was evaluated how) and ``episodes.csv`` (one row per episode, numbers
in full precision). The JSON file is written last and names the SHA-256 of the CSV file. Letters: N episodes, K numbers
of a start state.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.common.files import sha256_of, write_csv, write_json
from anysense.common.json_files import read_description
from anysense.envs.world import World
from anysense.representations.evaluation.records import Record

__all__ = ["EpisodeResults", "SavedResults", "load_results", "save_results"]

FORMAT = "anysense results"
FORMAT_VERSION = 2
RESULTS_FILE = "results.json"
EPISODES_FILE = "episodes.csv"
_ARRAYS = ("returns", "lengths", "starts")
_COLUMNS = ("evaluation", "name", "modalities", "corruption", "missing", "episode", "length", "return")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EpisodeResults:
    """What each episode of one evaluation yielded.

    Attributes:
        name: Who acted, for instance ``"agent"`` or ``"optimal"``.
        returns: Undiscounted sums of rewards, float64 (N,).
        lengths: Steps of each episode, int64 (N,).
        starts: Start states, float64 (N, K); None where the world has none.
        seed: Seed of whatever was random.
        steps: Most steps of an episode.
        modalities: The modalities that it had; none for references.
        corruption: Corruptions of the modalities, written ``modality:name:level``, in the order applied.
        missing: Dropout of modalities in words, ``""`` for none.

    Raises:
        ValueError: Shapes do not fit, there is no episode, a return is not finite, or a length is below 1.
    """

    name: str
    returns: FloatArray
    lengths: npt.NDArray[np.int64]
    starts: FloatArray | None
    seed: int
    steps: int
    modalities: tuple[str, ...] = ()
    corruption: tuple[str, ...] = ()
    missing: str = ""

    def __post_init__(self) -> None:
        if self.returns.ndim != 1 or self.lengths.shape != self.returns.shape:
            raise ValueError(
                "`returns` and `lengths` must both have the shape (N,); "
                f"got {self.returns.shape} and {self.lengths.shape}."
            )
        if self.starts is not None and (self.starts.ndim != 2 or len(self.starts) != len(self.returns)):
            raise ValueError(f"`starts` must have the shape ({len(self.returns)}, K); got {self.starts.shape}.")
        if self.returns.size == 0:
            raise ValueError("`returns` must hold at least one episode, got none; evaluate at least one.")
        if not np.isfinite(self.returns).all():
            raise ValueError(f"`returns` must be finite; {np.count_nonzero(~np.isfinite(self.returns))} are not.")
        if self.lengths.min() < 1:
            raise ValueError(f"`lengths` must be at least 1, got {self.lengths.min()}.")

    @property
    def average_reward(self) -> FloatArray:
        """Average reward per step of each episode, float64 (N,)."""
        average: FloatArray = self.returns / self.lengths
        return average

    def score(self, world: World) -> FloatArray:
        """What the world scores an episode by, float64 (N,): its average reward or its return."""
        return self.average_reward if world.score == "average_reward" else self.returns

    @property
    def condition(self) -> str:
        """Corruption and dropout in words, as in `Record.condition`."""
        return ", ".join([*self.corruption, *([f"dropout {self.missing}"] if self.missing else [])])

    def description(self) -> dict[str, Any]:
        """All but the arrays, as JSON can hold it."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _ARRAYS}
        return {**plain, "episodes": len(self.returns)}


@dataclass(frozen=True, eq=False)
class SavedResults:
    """What a results folder holds; see `save_results`."""

    results: list[EpisodeResults]
    records: list[Record]
    details: dict[str, Any]


def save_results(
    folder: str | Path,
    results: Sequence[EpisodeResults],
    records: Sequence[Record] = (),
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write ``episodes.csv`` and ``results.json``, each completely or not at all; the folder is made if absent.

    ``records`` is the summary that ``anysense.agents.summary.summarise`` makes of the evaluations, ``details`` anything
    else that JSON can hold.

    Raises:
        TypeError: Something is no JSON value.
        ValueError: Something is NaN or infinite.
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "details": dict(details or {}),
        "records": [record.to_json() for record in records],
        "evaluations": [result.description() for result in results],
    }
    json.dumps(content, allow_nan=False)  # fails before anything is written
    numbers = max((result.starts.shape[1] for result in results if result.starts is not None), default=0)
    columns = (*_COLUMNS, *(f"start_{place}" for place in range(numbers)))
    episodes = write_csv(Path(folder) / EPISODES_FILE, columns, _rows(results))
    write_json(Path(folder) / RESULTS_FILE, {**content, "episodes_sha256": sha256_of(episodes)})


def load_results(folder: str | Path) -> SavedResults:
    """Read what ``save_results`` wrote.

    Raises:
        FileNotFoundError: One of the two files is missing.
        ValueError: A file is damaged or altered, or of another version.
    """
    folder = Path(folder)
    content = read_description(folder / RESULTS_FILE, FORMAT, FORMAT_VERSION, "the results of an evaluation")
    if not (folder / EPISODES_FILE).is_file():
        raise FileNotFoundError(f"`{folder / EPISODES_FILE}` is missing; it belongs beside {RESULTS_FILE}.")
    if sha256_of(folder / EPISODES_FILE) != content.get("episodes_sha256"):
        raise ValueError(
            f"`{folder / EPISODES_FILE}` does not belong to {RESULTS_FILE} or was altered; evaluate again."
        )
    try:
        results = _parse_episodes(content["evaluations"], (folder / EPISODES_FILE).read_text())
        records = [Record.from_json(record) for record in content["records"]]
        return SavedResults(results, records, dict(content["details"]))
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(
            f"`{folder / RESULTS_FILE}` lacks an entry or was altered ({error!r}); evaluate again."
        ) from error


def _rows(results: Iterable[EpisodeResults]) -> Iterator[dict[str, Any]]:
    for number, result in enumerate(results):
        labels = (number, result.name, "+".join(result.modalities), " ".join(result.corruption), result.missing)
        table = zip(result.lengths.tolist(), result.returns.tolist(), strict=True)
        for episode, (length, total) in enumerate(table):
            row = dict(zip(_COLUMNS, (*labels, episode, length, total), strict=True))
            starts = [] if result.starts is None else result.starts[episode].tolist()
            yield row | {f"start_{place}": value for place, value in enumerate(starts)}


def _parse_episodes(descriptions: list[dict[str, Any]], text: str) -> list[EpisodeResults]:
    reader = csv.reader(io.StringIO(text))
    next(reader)
    rows: list[list[list[float]]] = [[] for _ in descriptions]
    for row in reader:
        rows[int(row[0])].append([float(value) for value in row[6:] if value])
    return [_restored(*pair) for pair in zip(descriptions, rows, strict=True)]


def _restored(description: Mapping[str, Any], rows: list[list[float]]) -> EpisodeResults:
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in description.items()
    }
    if plain.pop("episodes") != len(rows):
        raise ValueError("the numbers of episodes differ")
    table = np.array(rows, dtype=np.float64)
    starts = table[:, 2:] if table.shape[1] > 2 else None
    return EpisodeResults(returns=table[:, 1], lengths=table[:, 0].astype(np.int64), starts=starts, **plain)
