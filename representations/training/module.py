"""One optimisation step of pretraining, as Lightning wants it."""

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel

from anysense.representations.contract import Representation
from anysense.representations.maths.gathering import Gather
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.representations.training.checkpoints import MONITORED
from anysense.representations.training.loader import BatchLoader, TrainingBatch, mixed_seed

PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.1, 20
"""Published for CMU-MOSEI: a tenth of the learning rate after 20 epochs without improvement."""

Weights = list[Tensor] | tuple[Tensor, ...]


class PretrainingModule(pl.LightningModule):
    """Adam on a representation's loss, with schedule, clipping and weight average as the settings say.

    With several processes (``strategy="ddp"`` of Lightning's Trainer) the batches are those of one process, each reads
    its share of them, and contrastive methods contrast the rows of all. The loss is weighted by the size of the share:
    the mean over processes is then that of the joint batch, of losses per sample and of contrasts alike. Batch
    normalisation, such as the setting ``centre`` of GMC, takes its statistics from the share of each process, and each
    process draws its own noise.

    Args:
        representation: What to train, in place.
        loader: Training batches.
        settings: How.
        identity: What a checkpoint must agree on to be resumed; plain values.
    """

    def __init__(
        self,
        representation: Representation,
        loader: BatchLoader,
        settings: PretrainSettings,
        identity: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.representation = representation
        self.average = None if settings.ema_decay is None else weight_average(representation, settings.ema_decay)
        self.loader = loader
        self.settings = settings
        self.identity = identity or {}
        self._sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        self._batches = 0
        self._plateau: ReduceLROnPlateau | None = None
        self._stored_plateau: dict[str, Any] | None = None

    @property
    def result(self) -> Representation:
        """The representation to validate and keep: the weight average if there is one."""
        return self.representation if self.average is None else cast(Representation, self.average.module)

    def train_dataloader(self) -> BatchLoader:
        """Batches of the present epoch, or the share of this process."""
        self.loader.set_epoch(self.current_epoch)
        self.loader.share = (self.global_rank, self.trainer.world_size)
        return self.loader

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, and the learning rate of each step."""
        trained = [parameter for parameter in self.representation.parameters() if parameter.requires_grad]
        optimiser = torch.optim.Adam(trained, lr=self.settings.learning_rate, fused=True)
        if self.settings.schedule == "plateau":
            self._plateau = ReduceLROnPlateau(optimiser, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE)
        if self.settings.schedule != "cosine":
            return optimiser
        total, warmup = self.settings.epochs * len(self.loader), self.settings.warmup_steps
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: cosine_factor(step, total, warmup))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Seed what the method draws itself, so that an epoch does not depend on the ones before a restart."""
        torch.manual_seed(mixed_seed(self.settings.seed, self.current_epoch, self.global_rank))
        for representation in {self.representation, self.result}:
            representation.begin_epoch(self.current_epoch)
        self._sums.clear()
        self._batches = 0

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> Tensor:
        """Loss of a batch.

        Raises:
            FloatingPointError: The loss is not finite.
        """
        # Shapes and dtypes cannot change from batch to batch, and values that are no numbers show in the loss.
        with self._rows_of_all():
            losses = self.representation.loss(*batch, validate=batch_idx == 0)
        if self.loader.share[1] > 1:
            losses = {name: self.loader.weight(batch_idx) * value for name, value in losses.items()}
        total = losses["total"]
        if not torch.isfinite(total):
            raise FloatingPointError(
                f"The loss became {total.item()} in epoch {self.current_epoch}, step {self.global_step}. Try a lower "
                "`learning_rate`, `gradient_clip=1.0` or `precision='32'`; the last good epoch is in the checkpoints."
            )
        for name, value in losses.items():
            self._sums[name] += value.detach()
        self._batches += 1
        return total

    @contextmanager
    def _rows_of_all(self) -> Iterator[None]:
        """Contrasts see the rows of all processes."""
        if self.loader.share[1] > 1:
            self.representation.gather = cast(Gather, partial(self.all_gather, sync_grads=True))
        try:
            yield
        finally:
            self.representation.gather = None

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient (Lightning's own clipping refuses fused optimisers)."""
        if self.settings.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.representation.parameters(), self.settings.gradient_clip)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the weight average."""
        if self.average is not None:
            self.average.update_parameters(self.representation)

    def epoch_losses(self) -> dict[str, float]:
        """Mean of each term of the loss over the epoch so far; every process must ask."""
        sums = {name: self.trainer.strategy.reduce(value, reduce_op="mean") for name, value in self._sums.items()}
        return {f"train/{name}": float(value) / self._batches for name, value in sums.items()}

    def on_train_epoch_end(self) -> None:
        """Lower the learning rate if the validation loss has come to rest (before checkpoints are written)."""
        if self._plateau is not None:
            self._plateau.step(self.trainer.callback_metrics[MONITORED])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resumed run must agree on, and the state of the schedule."""
        checkpoint["anysense"] = self.identity
        if self._plateau is not None:
            checkpoint["plateau"] = self._plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the schedule."""
        self._stored_plateau = checkpoint.get("plateau")

    def on_train_start(self) -> None:
        """Restore the schedule; the optimiser, which exists only now, carries the learning rate itself."""
        if self._plateau is not None and self._stored_plateau is not None:
            self._plateau.load_state_dict(self._stored_plateau)


def cosine_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up over ``warmup`` steps times half a cosine from 1 at step 0 to 0 at step ``total``."""
    rising = min(1.0, (step + 1) / (warmup + 1))
    return rising * 0.5 * (1.0 + math.cos(math.pi * min(step / total, 1.0)))


def weight_average(representation: Representation, decay: float) -> AveragedModel:
    """Exponential average of weights; its decay grows from 0.1 to ``decay``, so that it forgets the initial weights."""

    def update(averages: Weights, weights: Weights, updates: Tensor | int) -> None:
        now = min(decay, (1.0 + int(updates)) / (10.0 + int(updates)))
        torch._foreach_lerp_(averages, weights, 1.0 - now)

    return AveragedModel(representation, multi_avg_fn=update)
