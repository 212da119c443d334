"""What happens around the epochs: measuring, the table of metrics, progress on a terminal."""

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from anysense.representations.data.samples import Recorded
from anysense.representations.evaluation.validation import measure
from anysense.representations.training.checkpoints import MONITORED, write_whole
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
        settings = pl_module.settings
        values = losses | measure(pl_module.result, self.validation, self.train, settings.batch_size, settings.seed)
        seconds = trained - self._started
        values["learning_rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        values["samples_per_second"] = len(self.train) / seconds
        values["train_seconds"] = seconds
        values["measure_seconds"] = time.perf_counter() - trained
        pl_module.log_dict(values)
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, **values})
        write_whole(self.path, table(self.rows).encode())


def table(rows: list[dict[str, float]]) -> str:
    """CSV text: one line of names, one line per row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class ProgressBar(pl.Callback):
    """One bar for the whole training: rate, time left, latest validation loss. Silent unless stderr is a terminal."""

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        console = Console(stderr=True)
        if not console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("pretrain"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            console=console,
        )
        total = int(trainer.max_epochs or 0) * int(trainer.num_training_batches)
        self._task = self._bar.add_task("pretrain", total=total, completed=trainer.global_step, rate="", loss="")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance."""
        if self._bar is not None:
            size = len(next(iter(batch.observation.values())))
            speed = self._bar.tasks[0].speed
            rate = f"{speed * size:,.0f} samples/s" if speed else ""
            self._bar.update(self._task, completed=trainer.global_step, rate=rate)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the validation loss."""
        if self._bar is not None and MONITORED in trainer.callback_metrics:
            value = float(trainer.callback_metrics[MONITORED])
            self._bar.update(self._task, loss=f"epoch {trainer.current_epoch}: validation loss {value:.3f}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the terminal tidy."""
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the terminal tidy."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
