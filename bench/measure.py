"""Measuring speed: the sides of a comparison take turns, and medians over the rounds are reported."""

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from anysense.common.machine import resolve_device
from anysense.common.validation import check_positive_integer

__all__ = ["Bench", "Figure", "alternate", "drained", "ratio", "speed"]

SMOKE = {"repeats": 1, "seconds": 0.01}


@dataclass(frozen=True, kw_only=True)
class Bench(ABC):
    """Options of every measurement; a part adds its own and says how it measures.

    Attributes:
        smoke: Values of the preset smoke.
    """

    smoke: ClassVar[Mapping[str, Any]] = SMOKE

    preset: Literal["smoke", "default", "paper"] = "default"
    """Where the other values come from: smoke (seconds, to try things), or default; which networks are encoded with."""
    repeats: int = 5
    """How often each side is measured; the medians are reported."""
    seconds: float = 2.0
    """Shortest time of one measurement."""
    seed: int = 0
    """Seed of data and weights."""
    device: str = "auto"
    """Where networks run: cpu, cuda, cuda:1, ..., or auto: a GPU if there is one."""
    threads: int | None = None
    """Processor threads of torch; what torch uses by default if not given."""
    out: Path = Path("out/bench")
    """Folder for the figures, a JSON file per part."""

    def __post_init__(self) -> None:
        """Checks values; raises ValueError."""
        check_positive_integer("repeats", self.repeats)
        if not self.seconds > 0:
            raise ValueError(f"`seconds` must be more than 0, got {self.seconds}.")
        object.__setattr__(self, "device", str(resolve_device(self.device)))

    @abstractmethod
    def measure(self) -> list["Figure"]:
        """Do the measurement."""


@dataclass(frozen=True)
class Figure:
    """One measured figure: the value of each repeat and, where one was promised, the bound to reach."""

    name: str
    unit: str
    repeats: list[float]
    target: float | None = None
    """The value to reach (`at_least`) or not to exceed."""
    at_least: bool = True

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


def speed(name: str, rates: Sequence[float], unit: str, target: float | None = None) -> Figure:
    """A figure of items per second."""
    return Figure(name, f"{unit}/s", list(rates), target)


def ratio(name: str, fast: Sequence[float], slow: Sequence[float], target: float | None = None) -> Figure:
    """How many times faster, round by round."""
    return Figure(name, "times", [a / b for a, b in zip(fast, slow, strict=True)], target)


def drained(steps: Iterator[int], samples: int, seconds: float) -> float:
    """Samples per second of a training that yields their number after each step: at least `samples` and `seconds`."""
    done, start = 0, time.perf_counter()
    while done < samples or time.perf_counter() - start < seconds:
        done += next(steps)
    return done / (time.perf_counter() - start)


def _rate(work: Callable[[], int], seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while True:
        done += work()
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return done / elapsed
