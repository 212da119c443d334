"""Progress on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["counter", "say", "stage"]


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
def counter(title: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """A callback `(done, total)` that draws a bar on a terminal and is silent elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:02.0f} s"
