"""The last lines of a command: what it has made, and what to type next."""

import shlex
from pathlib import Path

from anysense.runs.run_folder import RunFolder

__all__ = ["page_line", "typed_next"]


def typed_next(why: str, *words: str | Path, env: str = "") -> str:
    """A line that names a command, for example `Evaluate it: anysense evaluate out/train/001`.

    ``env`` is the id of the world of what a path holds; where it names a module, the command must confirm it.
    """
    return f"{why}: {shlex.join(['anysense', *map(str, words), *(['--env', env] if ':' in env else [])])}"


def page_line(run: RunFolder) -> list[str]:
    """The line at the end of a command that names the page of its run; none where it was not written."""
    path = run.results("report.html")
    return [f"Page: {path}"] if path.is_file() else []
