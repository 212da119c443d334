"""The last line of a command: what to type next, with the paths of what it has made."""

import shlex
from pathlib import Path

from anysense.runs.comparisons.cells import FEWEST_SEEDS
from anysense.runs.comparisons.grid import GridSettings
from anysense.runs.resume import going_on
from anysense.runs.run_folder import RunFolder

__all__ = ["more_seeds", "too_few_seeds", "typed_next"]


def typed_next(why: str, *words: str | Path, env: str = "") -> str:
    """A line that names a command, for example `Evaluate it: anysense evaluate out/train/001`.

    ``env`` is the id of the world of what a path holds; where it names a module, the command must confirm it.
    """
    return f"{why}: {shlex.join(['anysense', *map(str, words), *(['--env', env] if ':' in env else [])])}"


def too_few_seeds(settings: GridSettings) -> bool:
    """Whether a comparison has no intervals over seeds."""
    return settings.seeds < FEWEST_SEEDS


def more_seeds(settings: GridSettings, run: RunFolder) -> str:
    """The line that names how a comparison gets more seeds; what is finished stays."""
    wanted, why = (
        (FEWEST_SEEDS, "Intervals over seeds") if too_few_seeds(settings) else (settings.seeds + 2, "More seeds")
    )
    return typed_next(why, *going_on(run, run.record["arguments"])[1:], "--seeds", str(wanted))
