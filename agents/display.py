"""Progress of a training on the terminal: done, rate, time left, and where the time goes."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Display", "progress_display"]


class Display(Protocol):
    """Is told how far a training has come."""

    def __call__(self, steps: int, rate: float, seconds: Mapping[str, float], reward: float | None) -> None:
        """Show `steps` done, `rate` in steps/s, `seconds` by stage and the last average `reward`."""


@contextmanager
def progress_display(total: int, shown: bool | None = None) -> Iterator[Display]:
    """A progress bar on standard error; silent where that is no terminal.

    Args:
        total: Steps of the whole training.
        shown: Whether to show it; None asks whether standard error is a terminal.
    """
    if not (sys.stderr.isatty() if shown is None else shown):
        yield lambda steps, rate, seconds, reward: None
        return
    columns = (
        TextColumn("train"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("train", total=total, facts="")

        def show(steps: int, rate: float, seconds: Mapping[str, float], reward: float | None) -> None:
            progress.update(task, completed=min(steps, total), facts=_facts(rate, seconds, reward))

        yield show


def _facts(rate: float, seconds: Mapping[str, float], reward: float | None) -> str:
    total = sum(seconds.values()) or 1.0
    shares = " ".join(f"{stage} {100.0 * value / total:.0f}%" for stage, value in seconds.items())
    return f"{rate:,.0f} steps/s  {shares}  reward {'-' if reward is None else f'{reward:.3f}'}"
