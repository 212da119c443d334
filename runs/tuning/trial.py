"""What a trial does as a job: trains and scores with its values; what makes it fail is its result."""

import math
import time
from pathlib import Path
from typing import Any

from anysense.common.machine import peak_memory, resolve_device
from anysense.runs.comparisons.grid import Cell
from anysense.runs.launching.job import Job
from anysense.runs.tuning.plan import folder_of, name_of
from anysense.runs.tuning.settings import Trial, TuneSettings, method_options

__all__ = ["do_trial", "job_of"]

SPARE = ("checkpoints", "pretrain/checkpoints")
"""Folders of a trial that only serve to go on with it."""


def job_of(settings: TuneSettings, run: Path, method: str, number: int, values: dict[str, Any]) -> Job:
    """The job of a trial."""
    trial = Trial(settings, method, number, values)
    return Job(name_of(method, number), folder_of(run, method, number), do_trial, trial, SPARE)


def do_trial(trial: Trial, folder: Path, device: str) -> dict[str, Any]:
    """Do a trial in ``folder``, or go on there. Gives plain values: score, records, times, or why it failed.

    Settings that do not go together, a loss that is no number, and networks that need more memory than there is are
    failures of the trial; other errors of the system (no space) are passed on, because the trial may be done again.
    """
    import torch

    settings = trial.settings
    cell = Cell(settings, trial.method, settings.seed, str(resolve_device(device)))
    torch.set_num_threads(settings.threads or 1)
    kept = {"method": trial.method, "number": trial.number, "values": dict(trial.values)}
    start = time.perf_counter()
    try:
        found = settings.measured(cell, method_options(trial.method, trial.values), folder)
    except (ArithmeticError, ValueError, TypeError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _wants_memory(error):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return {**kept, "value": None, "failed": reason, "records": [], "minutes": _minutes(start)}
    value = found.pop("value")
    failed = None if math.isfinite(value) else f"the score is {value}"
    return {
        **kept,
        "value": value if failed is None else None,
        "failed": failed,
        **found,
        "minutes": _minutes(start),
        "peak_memory": peak_memory(),
    }


def _wants_memory(error: RuntimeError) -> bool:
    """Whether torch has been asked for more memory than there is, for which it has no type of its own on processors."""
    text = str(error)
    return any(words in text for words in ("can't allocate memory", "out of memory", "Storage size calculation"))


def _minutes(start: float) -> float:
    return (time.perf_counter() - start) / 60
