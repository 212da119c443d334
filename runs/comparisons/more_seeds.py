"""The last line of a comparison that should have more seeds."""

from anysense.runs.comparisons.cells import FEWEST_SEEDS
from anysense.runs.comparisons.grid import GridSettings
from anysense.runs.next_steps import typed_next
from anysense.runs.resume import going_on
from anysense.runs.run_folder import RunFolder

__all__ = ["more_seeds", "too_few_seeds"]


def too_few_seeds(settings: GridSettings) -> bool:
    """Whether a comparison has no intervals over seeds."""
    return settings.seeds < FEWEST_SEEDS


def more_seeds(settings: GridSettings, run: RunFolder) -> str:
    """The line that names how a comparison gets more seeds; what is finished stays."""
    wanted, why = (
        (FEWEST_SEEDS, "Intervals over seeds") if too_few_seeds(settings) else (settings.seeds + 2, "More seeds")
    )
    return typed_next(why, *going_on(run, run.record["arguments"])[1:], "--seeds", str(wanted))
