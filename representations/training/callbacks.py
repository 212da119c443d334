"""What happens around the epochs: measuring, the table of metrics, progress on a terminal."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from anysense.common.files import write_csv
from anysense.common.progress import Display
from anysense.representations.data.recorded import Recorded
from anysense.representations.evaluation.validation import measure
from anysense.representations.training.checkpoints import MONITORED
from anysense.representations.training.module import PretrainingModule

TABLE = "metrics.csv"


class Measure(pl.Callback):
    """Measures after every epoch; keeps the values as rows, in ``metrics.csv`` and in Lightning's loggers.

    Args:
        path: The table.
        train: Training data.
        validation: Held-out data.
    """

    def __init__(self, path: Path, train: Recorded, validation: Recorded) -> None:
        self.path, self.train, self.validation = path, train, validation
        self.rows: list[dict[str, float]] = []
        self._started = 0.0

    @property
    def state_key(self) -> str:
        """Key of the state in a checkpoint."""
        return "measure"

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint: rows of epochs that will be repeated are forgotten."""
        self.rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure, log, and write the table anew."""
        assert isinstance(pl_module, PretrainingModule)
        losses = pl_module.epoch_losses()  # Waits for the device, so it comes before the clock is read.
        trained = time.perf_counter()
        values = losses | self._measured(trainer, pl_module)
        seconds = trained - self._started
        values["learning_rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        values["samples_per_second"] = len(self.train) / seconds
        values["train_seconds"] = seconds
        values["measure_seconds"] = time.perf_counter() - trained
        pl_module.log_dict(values)
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, **values})
        if trainer.is_global_zero:
            write_csv(self.path, list(self.rows[0]), self.rows)

    def _measured(self, trainer: pl.Trainer, module: PretrainingModule) -> dict[str, float]:
        """What the first of several processes measures, and tells the others."""
        settings, values = module.settings, dict[str, float]()
        if trainer.is_global_zero:
            values = measure(module.result, self.validation, self.train, settings.batch_size, settings.seed)
        told: dict[str, float] = trainer.strategy.broadcast(values)
        return told


class ShowProgress(pl.Callback):
    """Tells a display the steps done and the latest validation loss."""

    def __init__(self, display: Display) -> None:
        self.display, self.facts = display, ""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Advance."""
        self.display.update(trainer.global_step, facts=self.facts)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the validation loss."""
        value = float(trainer.callback_metrics[MONITORED])
        self.facts = f"epoch {trainer.current_epoch}: validation loss {value:.3f}"
        self.display.update(trainer.global_step, facts=self.facts)
