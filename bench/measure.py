"""Measuring speed: the sides of a comparison take turns, and medians over the rounds are reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Figure", "alternate", "ratio", "speed"]


@dataclass(frozen=True)
class Figure:
    """One measured figure: the value of each repeat and, where one was promised, the bound to reach."""

    name: str
    unit: str
    repeats: list[float]
    target: float | None = None
    """The value to reach (`at_least`) or not to exceed."""
    at_least: bool = True
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Median of the repeats."""
        return statistics.median(self.repeats)

    @property
    def reached(self) -> bool | None:
        """Whether the median keeps to the target; None without a target."""
        if self.target is None:
            return None
        return self.median >= self.target if self.at_least else self.median <= self.target


def alternate(sides: Mapping[str, Callable[[], int]], repeats: int, seconds: float) -> dict[str, list[float]]:
    """Measure each side once per round, so that a slow minute of the machine hits all of them.

    Args:
        sides: by name, a function that does a piece of work and returns how many items that was.
        repeats: number of rounds, after one piece of work per side that is not counted.
        seconds: shortest time that a side works per round.

    Returns:
        By name, items per second in each round.
    """
    for work in sides.values():
        work()
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, work in sides.items():
            rates[name].append(_rate(work, seconds))
    return rates


def speed(name: str, rates: Sequence[float], unit: str, target: float | None = None, **details: Any) -> Figure:
    """A figure of items per second."""
    return Figure(name, f"{unit}/s", list(rates), target, details=details)


def ratio(name: str, fast: Sequence[float], slow: Sequence[float], target: float | None = None) -> Figure:
    """How many times faster, round by round."""
    return Figure(name, "times", [a / b for a, b in zip(fast, slow, strict=True)], target)


def _rate(work: Callable[[], int], seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while True:
        done += work()
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return done / elapsed
