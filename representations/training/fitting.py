"""The training itself: what one process does, alone or with others."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from anysense.common.loggers.catalogue import steady
from anysense.common.machine import thread_limit, usual_torch
from anysense.common.progress import Display
from anysense.common.randomness import own_randomness
from anysense.representations.contract import Representation
from anysense.representations.data.recorded import Recorded
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.representations.training import machine
from anysense.representations.training.callbacks import TABLE, Measure, ShowProgress
from anysense.representations.training.checkpoints import (
    LAST,
    MONITORED,
    CheckpointFiles,
    KeepBest,
    check_progress,
    read_pretraining,
)
from anysense.representations.training.loader import BatchLoader
from anysense.representations.training.logging import LightningLogger
from anysense.representations.training.module import PretrainingModule
from anysense.representations.training.shared import strategy_of, threads_of

__all__ = ["CHECKPOINTS", "Fit", "Measuring", "go_on"]

CHECKPOINTS = "checkpoints"
Measuring = tuple[Measure, KeepBest, EarlyStopping]


@dataclass(frozen=True)
class Fit:
    """All that training needs; sent to the processes that do it together."""

    representation: Representation
    train: Recorded
    validation: Recorded
    settings: PretrainSettings
    folder: Path
    identity: dict[str, Any]
    device: torch.device
    callbacks: tuple[pl.Callback, ...]
    logger: str

    def module(self) -> PretrainingModule:
        """What is trained."""
        modalities = tuple(self.representation.modalities)
        loader = BatchLoader(self.train, self.settings.batch_size, self.settings.seed, modalities)
        return PretrainingModule(self.representation, loader, self.settings, self.identity)

    def measuring(self) -> Measuring:
        """The callbacks that hold what was found."""
        table = Measure(self.folder / TABLE, self.train, self.validation)
        return table, KeepBest(self.folder / CHECKPOINTS), _stop(self.settings)

    def __call__(self, place: machine.Place, measuring: Measuring | None = None, resume: bool = False) -> None:
        """Train in this process, which may be one of several."""
        table, best, stop = measuring or self.measuring()
        module = self.module()
        module.loader.share = (place.rank, place.processes)
        last = self.folder / CHECKPOINTS / LAST
        if resume and measuring is None:
            go_on(read_pretraining(last), self.folder, self.module(), (table, best, stop))
        given = [table, *self.callbacks, *([stop] if self.settings.patience else []), best]
        with usual_torch():
            _fit(module, given, self.folder, self.device, last if resume else None, self.logger, place)


def _fit(
    module: PretrainingModule,
    callbacks: list[pl.Callback],
    folder: Path,
    device: torch.device,
    resumed: Path | None,
    logger: str,
    place: machine.Place,
) -> None:
    settings = module.settings
    precision = machine.resolve_precision(settings.precision, device)
    steps = settings.epochs * len(module.loader)
    several = place.processes > 1
    with (
        machine.quiet_lightning(place.rank),
        thread_limit(threads_of(settings.threads, place.processes) if several else settings.threads),
        own_randomness(device),
        Display("pretrain", steps, unit="steps", keep=True) if place.first else nullcontext() as display,
        steady(logger, folder) if place.first else nullcontext() as log,
    ):
        if log is not None:
            log.settings(json.loads(json.dumps(module.identity, default=str)))
        trainer = pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=place.processes if several or device.type == "cpu" else [device.index],
            strategy=strategy_of(place),
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            max_epochs=settings.epochs,
            callbacks=[*callbacks, *([] if display is None else [ShowProgress(display)])],
            plugins=[CheckpointFiles(), machine.OwnProcesses(place)],
            logger=False if log is None else LightningLogger(log),
            default_root_dir=folder,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(module, ckpt_path=resumed, weights_only=True)
        except SystemExit as leaving:
            if isinstance(leaving.__context__, KeyboardInterrupt):  # What Lightning makes of Ctrl+C.
                raise leaving.__context__ from None
            raise


def go_on(
    checkpoint: dict[str, Any], folder: Path, module: PretrainingModule, callbacks: Sequence[pl.Callback]
) -> None:
    """Put callbacks into the state of a checkpoint that fits the module; FileFormatError if it does not."""
    steps = module.settings.epochs * len(module.loader)
    check_progress(folder / CHECKPOINTS / LAST, checkpoint, module, module.settings.epochs, steps)
    for callback in callbacks:
        callback.load_state_dict(checkpoint["callbacks"].get(callback.state_key, callback.state_dict()))


def _stop(settings: PretrainSettings) -> EarlyStopping:
    return EarlyStopping(MONITORED, patience=settings.patience or 0, check_on_train_epoch_end=True, check_finite=False)
