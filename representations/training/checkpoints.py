"""Checkpoints that a kill cannot spoil, and the choice of the best epoch."""

import math
import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO

from anysense.common.checkpoints import read_checkpoint, write_checkpoint
from anysense.common.errors import reading
from anysense.common.json_files import check_entries
from anysense.common.tensors import check_forms, forms_of

MONITORED = "validation/total"
LAST, BEST = "last.ckpt", "best.ckpt"
ADVICE = "Remove it to start from the beginning, or restore it from a copy."
_SCHEMA: dict[Any, Any] = {
    "anysense": dict,
    "state_dict": dict,
    "callbacks": {
        "measure": {"rows": [dict]},
        "keep_best": {"best_value": (math.inf, float), "best_epoch": range(-1, 2**31)},
        str: dict,
    },
    "epoch": range(2**31),
    "loops": dict,
    str: object,
}


class CheckpointFiles(CheckpointIO):
    """Lets Lightning write and read checkpoints that are whole or refused."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint``; OSError where that is impossible."""
        write_checkpoint(os.fspath(path), checkpoint)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """What was written, on the CPU."""
        content: dict[str, Any] = read_checkpoint(os.fspath(path))
        return content

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Nothing: files are replaced."""


class KeepBest(Checkpoint):
    """Saves every epoch as ``last.ckpt``, and the one with the lowest validation loss also as ``best.ckpt``.

    Lightning's `ModelCheckpoint` forgets the best epoch of a run whose folder was moved before it is resumed.

    Args:
        folder: Where the checkpoints go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best_value, self.best_epoch = math.inf, -1

    @property
    def state_key(self) -> str:
        """Key of the state in a checkpoint."""
        return "keep_best"

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"best_value": self.best_value, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.best_value, self.best_epoch = state_dict["best_value"], state_dict["best_epoch"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare and save, after all other callbacks, so that their state is that of this epoch."""
        value = float(trainer.callback_metrics[MONITORED])
        if value < self.best_value:  # Before `last`: a kill between the two repeats the epoch and writes both again.
            self.best_value, self.best_epoch = value, trainer.current_epoch
            trainer.save_checkpoint(self.folder / BEST)
        trainer.save_checkpoint(self.folder / LAST)


def read_pretraining(path: Path) -> dict[str, Any]:
    """The content of a checkpoint of pretraining; raises FileFormatError where it is damaged or something else."""
    content: dict[str, Any] = read_checkpoint(path)
    with reading(path, ADVICE, "is not a checkpoint of pretraining"):
        check_entries(content, _SCHEMA)
    return content


def check_progress(path: Path, content: dict[str, Any], module: pl.LightningModule, epochs: int, steps: int) -> None:
    """Raise FileFormatError unless a checkpoint fits what is trained, for so many epochs and steps in all."""
    with reading(path, ADVICE, "does not fit the run"):
        check_forms(forms_of(content["state_dict"]), forms_of(module.state_dict()))
        reached = {"epoch": content["epoch"] + 1, "rows": len(content["callbacks"]["measure"]["rows"])}
        check_entries(reached, dict.fromkeys(reached, range(1, epochs + 1)))
        _check_counters(content["loops"], range(steps + 1))


def _check_counters(value: Any, limits: range) -> None:
    for name, entry in value.items():
        if isinstance(entry, dict):
            _check_counters(entry, limits)
        elif not isinstance(entry, bool):
            check_entries(entry, limits, f"{name}")
