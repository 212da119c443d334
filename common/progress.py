"""Progress on stderr: a bar on a terminal, elsewhere a plain line at most once a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anysense.common.progress_bar import Bar

__all__ = ["Display", "Progress", "TrainingDisplay", "counter", "duration", "say", "stage", "training_display"]

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
    say(f"{title}: done in {duration(time.perf_counter() - start)}")


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
            facts = f"reward {'-' if reward is None else f'{reward:.3f}'}  {shares}"
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
        self._bar: Bar | None = None
        if sys.stderr.isatty() if shown is None else shown:
            from anysense.common.progress_bar import Bar

            self._bar = Bar(keep)
        self._lines = self._bar is None and shown is None
        self._since: tuple[float, int] | None = None
        self._last_line = time.perf_counter()

    def __enter__(self) -> Display:
        if self._bar is not None:
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
            share = done / self.total if self.total else None
            self._bar.show(self._parts(done, rate), share, facts)
        elif self._lines and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            title, *parts = self._parts(done, rate)
            say(", ".join([f"{title}: {parts[0]}", *parts[1:], *([facts] if facts else [])]))

    def _parts(self, done: int, rate: float | None) -> list[str]:
        """Title; done and whole; rate; time left."""
        parts = [self.title, f"{done:,}{f'/{self.total:,}' if self.total else ''}"]
        if rate:
            parts.append(_rate(rate, self.unit))
            parts += [f"{duration((self.total - done) / rate)} left"] if self.total else []
        return parts


def _rate(rate: float, unit: str) -> str:
    """Per second, or where that is next to nothing per minute or hour."""
    per, rate = ("s", rate) if rate >= 0.1 else ("min", 60 * rate) if rate >= 1 / 60 else ("h", 3600 * rate)
    return f"{rate:,.{0 if rate >= 10 else 1}f}{f' {unit}' if unit else ''}/{per}"


def duration(seconds: float) -> str:
    """A time in words, as exact as it matters."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    if round(seconds) < 3600:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    return f"{round(seconds) // 3600} h {round(seconds) % 3600 // 60:02d} min"
