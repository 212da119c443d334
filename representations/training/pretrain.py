"""Pretrain a representation, from a fresh folder or from where a run was cut off."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from anysense.common.errors import reading
from anysense.common.files import explained
from anysense.common.loggers.catalogue import DEFAULT_LOGGER, steady
from anysense.common.machine import resolve_device, thread_limit, usual_torch
from anysense.common.progress import Display
from anysense.common.randomness import own_randomness
from anysense.representations.contract import Representation
from anysense.representations.data.recorded import Recorded, present_of
from anysense.representations.data.transitions import Transitions
from anysense.representations.evaluation.encode import encode_subsets
from anysense.representations.files import save_representation
from anysense.representations.latents import LatentStatistics
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.representations.training import machine
from anysense.representations.training.callbacks import TABLE, Measure, ShowProgress
from anysense.representations.training.checkpoints import (
    ADVICE,
    BEST,
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
from anysense.representations.training.shared import check_devices, strategy_of, threads_of, train_together

CHECKPOINTS, REPRESENTATION = "checkpoints", "representation"
_MAY_DIFFER = ("device", "threads")
MOST_ENCODED = 2_048
"""Samples that tell where the latents lie."""


@dataclass(frozen=True)
class PretrainResult:
    """What pretraining left behind.

    Attributes:
        representation: The trained representation, on the CPU, in eval mode; also saved in ``folder/representation``.
        folder: The run folder.
        history: One row of metrics per epoch, as in ``metrics.csv``.
        epoch: The epoch whose weights were kept, counted from 0.
        stopped_early: Whether patience ran out before the last epoch.
    """

    representation: Representation
    folder: Path
    history: list[dict[str, float]]
    epoch: int
    stopped_early: bool

    @property
    def metrics(self) -> dict[str, float]:
        """The row of the epoch that was kept."""
        return self.history[self.epoch]


@usual_torch()
def pretrain(
    representation: Representation,
    train: Recorded,
    validation: Recorded,
    settings: PretrainSettings,
    folder: str | Path,
    resume: bool = False,
    callbacks: Sequence[pl.Callback] = (),
    logger: str = DEFAULT_LOGGER,
    devices: int = 1,
) -> PretrainResult:
    """Train ``representation`` in place and save it into ``folder/representation``.

    The folder also gets ``metrics.csv`` (a row per epoch), ``checkpoints/`` (last and best) and what the logger keeps.
    Global random generators, thread counts and log levels are as before when it returns.

    Args:
        representation: What to train; its initial weights are the starting point.
        train: Training data; must have the modalities of the representation.
        validation: Held-out data, best from other trajectories (`Transitions.split`, `Samples.split`).
        settings: How to train.
        folder: Where everything is written; it may hold other files.
        resume: Continue a run that was cut off, with the same data and settings; the result equals that of an
            uninterrupted run.
        callbacks: More callbacks for Lightning; with several devices each process has a copy of them.
        logger: Where numbers go besides: ``tensorboard``, ``csv``, ``wandb``, ``mlflow``, or one that a package offers.
        devices: How many processes of this machine share every batch, each on a GPU of its own, or all on the CPU; they
            need a program that can be imported (``if __name__ == "__main__":``). The result is that of one process to
            rounding where a method draws nothing and normalises no batches.

    Raises:
        FileExistsError: The folder already holds a pretraining, and ``resume`` is off.
        FileNotFoundError: ``resume`` is on and the folder does not exist.
        ValueError: Data, settings or device do not fit the representation, the machine or the run to be resumed, or the
            checkpoint is damaged.
        FloatingPointError: The loss became infinite or no number.
        ModuleNotFoundError: The logger needs a package that is not installed.
        OSError: Something cannot be written.
    """
    folder = Path(folder)
    device = resolve_device(settings.device)
    resolve_device(representation.device)
    check_devices(devices, device, settings.batch_size)
    _check_data(representation, train, validation)
    checkpoint = _prepare_folder(folder, resume)
    identity = _identity(representation, train, validation, settings)
    if checkpoint is not None:
        _check_identity(folder, checkpoint, identity)
    fit = _Fit(representation.train(), train, validation, settings, folder, identity, device, tuple(callbacks), logger)
    table, best, stop = fit.measuring()
    if checkpoint is not None:
        _go_on(checkpoint, folder, fit.module(), (table, best, stop))
    if not stop.stopped_epoch and len(table.rows) < settings.epochs:
        if devices == 1:
            fit(machine.Place(), (table, best, stop), resume=checkpoint is not None)
        else:
            train_together(partial(fit, resume=checkpoint is not None), devices)
            _go_on(read_pretraining(folder / CHECKPOINTS / LAST), folder, fit.module(), (table, best, stop))
    epoch = best.best_epoch if settings.keep == "best" else len(table.rows) - 1
    kept = folder / CHECKPOINTS / (BEST if settings.keep == "best" else LAST)
    _restore(representation, kept, averaged=settings.ema_decay is not None)
    if representation.world is None and isinstance(train, Transitions) and train.world:
        representation.world = dict(train.world)
    representation.latents = _statistics(representation, train)
    save_representation(representation, folder / REPRESENTATION)
    return PretrainResult(representation, folder, table.rows, epoch, bool(stop.stopped_epoch))


def _go_on(
    checkpoint: dict[str, Any], folder: Path, module: PretrainingModule, callbacks: Sequence[pl.Callback]
) -> None:
    """Put callbacks into the state of a checkpoint that fits the module; FileFormatError if it does not."""
    steps = module.settings.epochs * len(module.loader)
    check_progress(folder / CHECKPOINTS / LAST, checkpoint, module, module.settings.epochs, steps)
    for callback in callbacks:
        callback.load_state_dict(checkpoint["callbacks"].get(callback.state_key, callback.state_dict()))


def _statistics(representation: Representation, train: Recorded) -> LatentStatistics:
    """Mean and spread of the latents of up to `MOST_ENCODED` training samples, evenly chosen."""
    everything, most = tuple(representation.modalities), min(len(train), MOST_ENCODED)
    chosen = torch.linspace(0, len(train) - 1, most).long().tolist()
    return LatentStatistics.of(encode_subsets(representation, train, [everything], indices=chosen)[everything])


def _stop(settings: PretrainSettings) -> EarlyStopping:
    return EarlyStopping(MONITORED, patience=settings.patience or 0, check_on_train_epoch_end=True, check_finite=False)


Measuring = tuple[Measure, KeepBest, EarlyStopping]


@dataclass(frozen=True)
class _Fit:
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
            _go_on(read_pretraining(last), self.folder, self.module(), (table, best, stop))
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


def _prepare_folder(folder: Path, resume: bool) -> dict[str, Any] | None:
    """Check and make the folder; the last checkpoint if there is one to resume."""
    last = folder / CHECKPOINTS / LAST
    if resume:
        if not folder.is_dir():
            raise FileNotFoundError(f"`{folder}` does not exist, so there is nothing to resume; leave out `--resume`.")
        # Killed before the first epoch was complete: nothing to continue, so it starts again.
        return read_pretraining(last) if last.exists() else None
    if any((folder / name).exists() for name in (CHECKPOINTS, TABLE, REPRESENTATION)):
        raise FileExistsError(
            f"`{folder}` already holds a pretraining; continue it with `--resume` (`resume=True`) or choose another "
            "folder with `--out` (`folder`)."
        )
    with explained(folder):
        (folder / CHECKPOINTS).mkdir(parents=True)
    return None


def _check_data(representation: Representation, train: Recorded, validation: Recorded) -> None:
    for name, data in (("train", train), ("validation", validation)):
        missing = set(representation.modalities) - set(data.modalities_recorded())
        if missing:
            raise ValueError(
                f"`{name}` lacks the modalities {sorted(missing)} of the representation, it has "
                f"{sorted(data.modalities_recorded())}; "
                "collect data with all modalities of the representation."
            )
        if len(data) < 2:
            raise ValueError(f"`{name}` must have at least 2 samples, got {len(data)}; collect more.")
        if representation.needs_target and data.target([0]) is None:
            raise ValueError(f"`{name}` has no targets, which the supervised method {representation.method!r} needs.")
        representation.check_lengths(data.steps([0]))
        present = present_of(data, range(len(data)), representation.modalities)
        empty = [] if present is None else (~present.any(dim=0)).nonzero().flatten().tolist()
        if empty:
            raise ValueError(
                f"`{name}` has {len(empty)} samples without any modality of the representation, the first at "
                f"{empty[:5]}; remove them."
            )
    if not any(parameter.requires_grad for parameter in representation.parameters()):
        raise ValueError(
            "`representation` is frozen, so nothing can be trained; call `representation.requires_grad_(True)` first."
        )


def _identity(
    representation: Representation, train: Recorded, validation: Recorded, settings: PretrainSettings
) -> dict[str, Any]:
    """What must be equal for a run to be continued; plain values only."""
    networks = representation.networks
    return {
        "settings": {name: value for name, value in asdict(settings).items() if name not in _MAY_DIFFER},
        "method": {"name": representation.method, **asdict(representation.settings)},
        "networks": {} if networks is None else {"name": networks.name, **asdict(networks.settings)},
        "data": {"train": train.fingerprint(), "validation": validation.fingerprint()},
    }


def _check_identity(folder: Path, checkpoint: dict[str, Any], identity: dict[str, Any]) -> None:
    differences = [
        f"{part} `{name}` was {before.get(name)!r}, is {now.get(name)!r}"
        for part in identity
        for before, now in [(checkpoint["anysense"].get(part, {}), identity[part])]
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise ValueError(
            f"`{folder}` cannot be resumed with other settings or data: {'; '.join(differences)}. "
            "Use the same ones, or start anew in another folder with `--out`."
        )


def _restore(representation: Representation, checkpoint: Path, averaged: bool) -> None:
    """Put the kept weights into the representation, ready for use."""
    prefix = "average.module." if averaged else "representation."
    state = read_pretraining(checkpoint)["state_dict"]
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    with reading(checkpoint, ADVICE, "does not fit the run"):
        representation.to("cpu").load_state_dict(weights)
    representation.eval()
