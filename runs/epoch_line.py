"""What pretraining says after each epoch where there is no terminal to draw a bar on."""

from __future__ import annotations

import sys

import lightning.pytorch as pl

from anysense.common.progress import say

__all__ = ["EpochLine"]


class EpochLine(pl.Callback):
    """One line per epoch, with the validation loss.

    Args:
        epochs: Number of epochs of the whole pretraining.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line."""
        if not sys.stderr.isatty():
            loss = float(trainer.callback_metrics["validation/total"])
            say(f"  epoch {trainer.current_epoch + 1} of {self.epochs}: validation loss {loss:.4f}")
