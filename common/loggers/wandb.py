"""Weights & Biases."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from anysense.common.loggers.logger import Logger, run_id, title_of
from anysense.common.progress import say

__all__ = ["Wandb"]


class Wandb(Logger):
    """A run of Weights & Biases, whose files are in ``wandb/``.

    Variables such as WANDB_MODE, WANDB_PROJECT and WANDB_ENTITY hold. Where the service cannot be reached, or there is
    no account, the run is written offline, to be sent with ``wandb sync``.
    """

    name = "wandb"
    package = "wandb"

    def __init__(self, folder: Path) -> None:
        wandb = self.needed()
        place = folder / self.name
        options: dict[str, Any] = {
            "dir": str(folder),
            "id": run_id(place, lambda: uuid4().hex[:8]),
            "name": title_of(folder),
            "project": os.environ.get("WANDB_PROJECT", "anysense"),
            "resume": "allow",
            "settings": wandb.Settings(silent=True, console="off"),
        }
        try:
            self._run = wandb.init(**options)
        except Exception as error:
            if os.environ.get("WANDB_MODE"):
                raise
            reason = " ".join(str(error).split())[:200].removesuffix(".")
            say(f"Weights & Biases: written offline, to be sent later: wandb sync {place}/offline-run-* ({reason}).")
            self._run = wandb.init(**options, mode="offline")
        self._run.define_metric("*", step_metric="step")

    def settings(self, values: Mapping[str, Any]) -> None:
        """The configuration of the run."""
        self._run.config.update(dict(values), allow_val_change=True)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One entry of the history; the step is a number of its own, because those of a service never go back."""
        self._run.log({**values, "step": step})

    def close(self, failed: bool) -> None:
        """Finish the run."""
        self._run.finish(exit_code=int(failed))
