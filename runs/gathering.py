"""Evaluations of agents: which of them are of one training with several seeds, and why others are not."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.agents.results import load_results
from anysense.representations.evaluation.records import Record
from anysense.runs.comparisons.report import record_of
from anysense.runs.curves import LearningCurve, read_curve
from anysense.runs.evaluation_report import inputs_of
from anysense.runs.run_folder import RunFolder

__all__ = ["Seed", "gathered", "why_apart"]

MOST_NAMES = 4
"""Settings that a reason names."""
_OF_THE_RUN = (
    "traceback", "out", "name", "seed", "device", "threads", "resume", "vector", "docs", "readme", "representation",
    "video", "save_data",
)  # fmt: skip
"""Settings that do not change what is trained; the representation is told by the run that made it."""
_OF_THE_SEED = ("seed", "steps", "score")
"""Facts of an agent that differ from seed to seed; ``steps`` are those after which it was kept."""


@dataclasses.dataclass(frozen=True, eq=False)
class Seed:
    """The evaluation of one agent."""

    seed: int
    records: list[Record]
    details: dict[str, Any]
    lineage: list[dict[str, Any]]
    """Records of the runs that trained it."""
    curve: LearningCurve | None
    run: RunFolder

    @classmethod
    def read(cls, path: Path) -> "Seed":
        """Read the run folder of an evaluation; what is missing or damaged raises FileNotFoundError or ValueError."""
        run = RunFolder.open(path)
        saved = load_results(run.path / "results")
        seed = int(saved.details["facts"]["seed"])
        episodes = {"episodes": len(saved.results[0].returns), "steps": saved.results[0].steps}
        return cls(
            seed=seed,
            records=[dataclasses.replace(record, seed=seed if record.subset else 0) for record in saved.records],
            details=saved.details | episodes,
            lineage=list(saved.details["lineage"]),
            curve=read_curve(run.results("learning_curve.csv")),
            run=run,
        )

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What a report keeps of the runs that made it, first to last."""
        before = [one for one in self.lineage if one.get("started") != self.run.record["started"]]
        return list(map(record_of, [*before, self.run.record]))

    @property
    def label(self) -> str:
        """Command and name of the run, for example ``evaluate/001``."""
        return f"{self.run.record['command']}/{self.run.path.resolve().name}"


def gathered(seeds: Sequence[Seed]) -> list[list[Seed]]:
    """Groups of evaluations of one training with different seeds, in the order of their first; by seed in each."""
    groups: list[list[Seed]] = []
    for one in seeds:
        fitting = (group for group in groups if not any(list(_reasons(one, other)) for other in group))
        group = next(fitting, None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [sorted(group, key=lambda seed: seed.seed) for group in groups]


def why_apart(group: Sequence[Seed], others: Sequence[Sequence[Seed]]) -> str:
    """Why a group was not gathered with that of ``others`` which is most alike, in a sentence; "" without others."""
    found = []
    for other in others:
        pairs = [list(_reasons(one, before)) for one in group for before in other]
        found.append((max(pairs, key=len), ", ".join(one.label for one in other)))
    if not found:
        return ""
    reasons, names = min(found, key=lambda one: len(one[0]))
    return f"Not gathered over seeds with {names}: {'; '.join(reasons)}."


def _reasons(one: Seed, other: Seed) -> Iterator[str]:
    """What speaks against one table with intervals over both seeds."""
    if one.details["world"] != other.details["world"]:
        yield "the environment or its options differ"
        return
    training, before = _training(one), _training(other)
    if training != before:
        names = [name for name in {**before, **training} if training.get(name) != before.get(name)]
        names = ["the commands"] if "commands" in names else names
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield f"the agents were trained otherwise ({', '.join(names[:MOST_NAMES])}{more})"
    elif one.seed == other.seed:
        yield f"both have the training seed {one.seed}"
    if inputs_of(one.records) != inputs_of(other.records):
        yield "the inputs that were evaluated differ"
    if _episodes(one) != _episodes(other):
        yield "the episodes differ (their seed, number or length, or the references in them)"


def _training(seed: Seed) -> dict[str, Any]:
    """What was trained how, by name, without what differs from seed to seed and from run to run."""
    details = seed.details
    names = ("algorithm", "trained_with", "training_steps", "representation", "standardised")
    told = {name.replace("_", " "): details.get(name) for name in names}
    told |= {name: value for name, value in details["facts"].items() if name not in _OF_THE_SEED}
    told["commands"] = [record["command"] for record in seed.lineage]
    for record in seed.lineage:
        told |= _settings(record["settings"], record["command"])
    return told


def _settings(values: Mapping[str, Any], before: str) -> dict[str, Any]:
    """Settings of a run by their full names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _settings(value, f"{before} {name}")
        elif name not in _OF_THE_RUN:
            flat[f"{before} {name}".replace("_", " ")] = value
    return flat


def _episodes(seed: Seed) -> tuple[Any, ...]:
    """In which episodes the agent acted."""
    references = {(record.method, record.metric): record.value for record in seed.records if not record.subset}
    return seed.details["episodes_seed"], seed.details["episodes"], seed.details["steps"], references
