"""What a search is to do: what is searched, how often, from which seed; and where its trials are."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anysense.runs.tuning.space import Dimension

__all__ = ["Plan", "folder_of", "name_of"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is searched.

    Attributes:
        spaces: What is searched, by method.
        defaults: What the settings have without a search, by name, by method; the first trial has them, but for what
            is one value in every trial.
        trials: Trials of each method.
        seed: Decides what is drawn.
        sampler: ``tpe`` or ``random``.
        better: ``higher`` or ``lower``.
        about: What else must be the same whenever the search goes on; plain values.
    """

    spaces: Mapping[str, Sequence[Dimension]]
    defaults: Mapping[str, Mapping[str, Any]]
    trials: int
    seed: int
    sampler: str
    better: str
    about: Mapping[str, Any]


def name_of(method: str, number: int) -> str:
    """The job of a trial, in words."""
    return f"{method}, trial {number}"


def folder_of(run: Path, method: str, number: int) -> Path:
    """The folder of the job of a trial."""
    return run / "jobs" / f"{method}-{number}"
