"""Two figures of a comparison over seeds, and whether one is better than the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from anysense.common.statistics import Estimate

__all__ = ["FEWEST_RANKED", "Comparison", "Figure"]

FEWEST_RANKED = 4
"""Seeds of either method from which it counts that all of one are better: by chance that happens in 1 of 70 cases."""


@dataclass(frozen=True)
class Figure:
    """One value of a method, in the units that are shown."""

    method: str
    found: Estimate
    digits: int
    values: Sequence[float] = ()
    """Those of the seeds."""

    @property
    def half(self) -> float:
        """Half of the interval over seeds; 0 without one."""
        half = (self.found.high - self.found.low) / 2
        return 0.0 if math.isnan(half) else half

    @property
    def defined(self) -> bool:
        """Whether it has a value; it has none where one of its seeds has none, of a training that failed perhaps."""
        return not math.isnan(self.found.value)

    def __str__(self) -> str:
        if not self.defined:
            return f"{self.method} undefined"
        spread = "" if math.isnan(self.found.low) else f" ± {self.half:.{self.digits}f}"
        return f"{self.method} {self.found.value:.{self.digits}f}{spread}"


@dataclass(frozen=True)
class Comparison:
    """Our figure against the one that it must be better than."""

    where: str
    """Input, or size of the query."""
    ours: Figure
    other: Figure
    better: Literal["higher", "lower"] = "higher"

    @property
    def holds(self) -> bool:
        """Whether ours is better by more than the larger half interval of the two, or with every seed than any other.

        The latter takes `FEWEST_RANKED` seeds of each. It is the extreme of the rank test of Mann and Whitney (1947),
        and says more than a t interval where a method fails with some seeds, for that makes its interval wide. What is
        undefined is not better.
        """
        if not (self.ours.defined and self.other.defined):
            return False
        sign = 1 if self.better == "higher" else -1
        by_mean = sign * (self.ours.found.value - self.other.found.value) > max(self.ours.half, self.other.half)
        ours, others = ([sign * value for value in one.values] for one in (self.ours, self.other))
        return by_mean or (min(len(ours), len(others)) >= FEWEST_RANKED and min(ours) > max(others))
