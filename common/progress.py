"""Progress on stderr: a bar on a terminal, elsewhere a plain line at most once a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["Display", "Progress", "TrainingDisplay", "counter", "say", "stage", "training_display"]

SECONDS_BETWEEN_LINES = 60.0

Progress = Callable[[int, int], None]
"""Called with what is done and the whole, in the same unit; the whole may be 0 while it is unknown."""


def say(text: str) -> None:
    """Print one line about the run on stderr, so that stdout keeps the results."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Announce a stage of a run, and how long it took once it is done."""
    say(f"{title} ...")
    start = time.perf_counter()
    yield
    say(f"{title}: done in {_duration(time.perf_counter() - start)}")


@contextmanager
def counter(title: str, total: int | None = None) -> Iterator[Progress]:
    """A callback `(done, total)` that shows how far a piece of work has come."""
    with Display(title, total) as display:
        yield display.update


class TrainingDisplay(Protocol):
    """Is told how far a training has come."""

    def __call__(self, steps: int, rate: float, seconds: Mapping[str, float], reward: float | None) -> None:
        """Show `steps` done, `rate` in steps/s, `seconds` by stage and the last average `reward`."""


@contextmanager
def training_display(total: int, shown: bool | None = None) -> Iterator[TrainingDisplay]:
    """Progress of the training of an agent.

    Args:
        total: Steps of the whole training.
        shown: True: a bar; False: nothing; None: a bar on a terminal, elsewhere plain lines.
    """
    with Display("train", total, unit="steps", shown=shown, keep=True) as display:

        def show(steps: int, rate: float, seconds: Mapping[str, float], reward: float | None) -> None:
            whole = sum(seconds.values()) or 1.0
            shares = " ".join(f"{stage} {100.0 * value / whole:.0f}%" for stage, value in seconds.items())
            facts = f"{shares}  reward {'-' if reward is None else f'{reward:.3f}'}"
            display.update(min(steps, total), total, facts, rate)

        yield show


class Display:
    """How far one piece of work has come: done, whole, rate, time left; to be used as a context.

    Args:
        title: What is being done.
        total: The whole; None where it is not known yet.
        unit: What is counted.
        shown: True: a bar; False: nothing; None: a bar on a terminal, elsewhere plain lines.
        keep: Whether the bar stays on the terminal at the end.
    """

    def __init__(
        self, title: str, total: int | None = None, unit: str = "", shown: bool | None = None, keep: bool = False
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self._bar = _bar(keep) if (sys.stderr.isatty() if shown is None else shown) else None
        self._lines = self._bar is None and shown is None
        self._since: tuple[float, int] | None = None
        self._last_line = time.perf_counter()

    def __enter__(self) -> Display:
        if self._bar is not None:
            self._task = self._bar.add_task(self.title, total=self.total, facts="")
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int | None = None, facts: str = "", rate: float | None = None) -> None:
        """Show how much is done.

        Args:
            done: What is done.
            total: The whole, where it has changed.
            facts: Anything else to show.
            rate: What is done per second; measured since the first call by default.
        """
        self.total = total or self.total
        now = time.perf_counter()
        start, before = self._since = self._since or (now, done)
        if rate is None and now > start:
            rate = (done - before) / (now - start)
        if self._bar is not None:
            facts = f"{self._rate(rate)}  {facts}" if self.unit and rate else facts
            self._bar.update(self._task, completed=done, total=self.total, facts=facts)
        elif self._lines and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            say(self._line(done, rate, facts))

    def _line(self, done: int, rate: float | None, facts: str) -> str:
        parts = [f"{self.title}: {done:,}{f'/{self.total:,}' if self.total else ''}"]
        if rate:
            parts.append(self._rate(rate))
            parts += [f"{_duration((self.total - done) / rate)} left"] if self.total else []
        return ", ".join([*parts, facts] if facts else parts)

    def _rate(self, rate: float | None) -> str:
        return f"{rate or 0:,.{0 if (rate or 0) >= 10 else 1}f}{f' {self.unit}' if self.unit else ''}/s"


def _bar(keep: bool) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeRemainingColumn(),
    )
    return Bar(*columns, console=Console(stderr=True), transient=not keep)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:02.0f} s"
