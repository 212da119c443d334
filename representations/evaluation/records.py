"""The one record of results, and what a column of a table is."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["COMPLETE", "Column", "Record", "subset_name"]

COMPLETE = "complete"
"""Name of the subset that holds every modality."""


@dataclass(frozen=True)
class Record:
    """One value.

    Attributes:
        subset: Modalities that were given: ``complete``, or their names joined by `` + ``; empty for references.
        metric: What was measured, the key of a `Column`.
        value: The value; NaN if undefined.
        condition: What else was different, such as ``missing 0.4`` or ``image:gaussian_noise:0.1``.
        low: Lower end of the 95% interval within this seed, if there is one.
        high: Upper end of it.
        method: What was measured: a method, an agent or a reference; filled in by who compares.
        seed: Its seed; filled in by who compares.
    """

    subset: str
    metric: str
    value: float
    condition: str = ""
    low: float | None = None
    high: float | None = None
    method: str = ""
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN, which JSON does not have, becomes None. ``Record.from_json`` restores it."""
        values = asdict(self)
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Record":
        """Inverse of `to_json`."""
        value = values["value"]
        return cls(**{**values, "value": float("nan") if value is None else float(value)})


@dataclass(frozen=True)
class Column:
    """One metric as reports show it.

    Attributes:
        key: The metric of a `Record`.
        title: Heading.
        percent: Whether values from 0 to 1 are shown in percent.
        digits: Digits behind the point, if not in percent.
        better: Which direction is better.
        chance: What guessing reaches, drawn as a line; None if unknown.
        limits: Between which numbers values lie, both included, where a name alone does not say it: rewards of a world.
    """

    key: str
    title: str
    percent: bool = False
    digits: int = 3
    better: Literal["higher", "lower"] = "higher"
    chance: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def heading(self) -> str:
        """The title as it begins a line."""
        return self.title[0].upper() + self.title[1:]

    @property
    def factor(self) -> float:
        """What values are multiplied by to be shown."""
        return 100.0 if self.percent else 1.0


def subset_name(modalities: tuple[str, ...] | list[str], complete: int) -> str:
    """``complete`` for all ``complete`` modalities, otherwise their names joined by `` + ``."""
    return COMPLETE if len(modalities) == complete else " + ".join(modalities)
