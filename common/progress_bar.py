"""A bar on the terminal that fits its width: numbers come first, then the bar itself, then other facts."""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

__all__ = ["Bar"]

SHORTEST, LONGEST = 8, 30
"""Characters of the bar itself; where fewer are left it is not drawn."""


class Bar:
    """One line on stderr.

    Args:
        keep: Whether it stays at the end.
    """

    def __init__(self, keep: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(_Line(console), console=console, transient=not keep)
        self._task = self._progress.add_task("", total=None, parts=(), share=None, facts="")

    def start(self) -> None:
        """Begin to draw."""
        self._progress.start()

    def stop(self) -> None:
        """Draw a last time."""
        self._progress.stop()

    def show(self, parts: Sequence[str], share: float | None, facts: str) -> None:
        """Show a title and numbers, the share that is done (None: unknown), and other facts."""
        self._progress.update(self._task, parts=tuple(parts), share=share, facts=facts)


class _Line(ProgressColumn):
    """The whole line; rich would cut columns wherever there is no room."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def render(self, task: Task) -> Text:
        """Title and bar, numbers, then what else there is room for."""
        (title, *numbers), share = (task.fields["parts"] or ("",)), task.fields["share"]
        width = self._console.width - 1
        shown = _fitting(title, numbers, width)
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(title if shown == numbers else title[: max(0, width - len("  ".join(shown)) - 2)])
        room, facts = width - len("  ".join([title, *shown])) - 2, task.fields["facts"]
        bar = min(LONGEST, room, max(SHORTEST, room - len(facts) - 2))
        if share is not None and bar >= SHORTEST:
            full = round(bar * min(1.0, max(0.0, share)))
            stroke = "-" if self._console.options.ascii_only else "\u2501"
            line.append("  ").append(stroke * full, "bar.complete").append(stroke * (bar - full), "bar.back")
        for number in shown:
            line.append("  ").append(number, "progress.data.speed")
        left = width - len(line) - 2
        if facts and left >= SHORTEST:
            line.append("  ").append(facts if len(facts) <= left else f"{facts[: left - 3].rstrip()}...")
        return line


def _fitting(title: str, numbers: Sequence[str], width: int) -> list[str]:
    """The numbers, in a shorter form where the line is too narrow for all of them."""
    found = list(numbers)
    if len("  ".join([title, *found])) > width:
        found = [number.removesuffix(" left").replace(" steps/", "/") for number in found]
    return found
