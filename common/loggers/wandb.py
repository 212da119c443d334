"""Weights & Biases."""

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from anysense.common.loggers.logger import Logger, run_id, title_of
from anysense.common.progress import say

__all__ = ["Wandb"]

SECONDS = {"init_timeout": 30.0, "finish_timeout": 60.0}
"""How long a training waits for the service, unless the environment says so; by itself it waits without end."""


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
        self._files = shlex.quote(str(place))
        limits = {name: seconds for name, seconds in SECONDS.items() if f"WANDB_{name.upper()}" not in os.environ}
        options: dict[str, Any] = {
            "dir": str(folder),
            "id": run_id(place, lambda: uuid4().hex[:8]),
            "name": title_of(folder),
            "project": os.environ.get("WANDB_PROJECT") or "anysense",
            "resume": "allow",
            "settings": wandb.Settings(silent=True, console="off", symlink=False, finish_timeout_raises=True, **limits),
        }
        try:
            self._run = self._begun(wandb, options)
        finally:
            _remove_links(place)
        self._run.define_metric("*", step_metric="step")

    def settings(self, values: Mapping[str, Any]) -> None:
        """The configuration of the run."""
        self._run.config.update(dict(values), allow_val_change=True)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One entry of the history; the step is a number of its own, because those of a service never go back."""
        self._run.log({**values, "step": step})

    def close(self, failed: bool) -> None:
        """Finish the run.

        Raises:
            TimeoutError: Not all could be sent; the message says how to send it.
        """
        try:
            self._run.finish(exit_code=int(failed))
        except TimeoutError as error:
            raise TimeoutError(
                f"not all was sent in time; to send the rest later: wandb sync {self._files}/run-*"
            ) from error

    def _begun(self, wandb: Any, options: Mapping[str, Any]) -> Any:
        """The run: offline where that is not to be had otherwise, and the environment does not say how it shall be."""
        try:
            return _begun(wandb, options)
        except Exception as error:
            if os.environ.get("WANDB_MODE"):
                raise
            with suppress(Exception):
                wandb.teardown()  # else the id stays in use
            run = _begun(wandb, {**options, "mode": "offline"})
            how = f"written offline, to be sent later: wandb sync {self._files}/offline-run-*"
            say(f"Weights & Biases: {how} ({' '.join(str(error).split())[:200].removesuffix('.')}).")
            return run


def _begun(wandb: Any, options: Mapping[str, Any]) -> Any:
    """The run, of which nothing is asked at a terminal: a question would stop the training behind its progress bar."""
    wandb.setup(wandb.Settings(show_info=False))
    return wandb.init(**options)


def _remove_links(place: Path) -> None:
    """Remove links to logs of wandb elsewhere: a run is not gone on with where links lead out of its folder."""
    for path in place.rglob("*"):
        if path.is_symlink():
            path.unlink()
