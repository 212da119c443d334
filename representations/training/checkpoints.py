"""Checkpoints that a kill cannot spoil, and the choice of the best epoch."""

import io
import math
import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from anysense.common.files import write_bytes

MONITORED = "validation/total"
LAST, BEST = "last.ckpt", "best.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints completely or not at all."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint``; OSError where that is impossible."""
        buffer = io.BytesIO()  # torch.save itself reports a full disk as RuntimeError, without the reason.
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), buffer.getbuffer())


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


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Raises:
        ValueError: It is damaged, or not a checkpoint of pretraining.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises a dozen unrelated types for damaged files.
        raise ValueError(
            f"`{path}` is damaged or not a checkpoint ({type(error).__name__}); "
            f"remove it to start from the beginning, or restore it from a copy."
        ) from error
    if not isinstance(content, dict) or not {"anysense", "state_dict", "callbacks"} <= content.keys():
        raise ValueError(f"`{path}` is not a checkpoint of pretraining; remove it to start from the beginning.")
    return content
