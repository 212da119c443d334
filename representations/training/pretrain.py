"""Pretrain a representation, from a fresh folder or from where a run was cut off."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from anysense.common.errors import reading
from anysense.common.files import explained
from anysense.common.loggers.catalogue import DEFAULT_LOGGER
from anysense.common.machine import resolve_device, usual_torch
from anysense.representations.contract import Representation
from anysense.representations.data.recorded import Recorded, present_of
from anysense.representations.data.transitions import Transitions
from anysense.representations.evaluation.encode import encode_subsets
from anysense.representations.files import save_representation
from anysense.representations.latents import LatentStatistics
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.representations.training import machine
from anysense.representations.training.callbacks import TABLE
from anysense.representations.training.checkpoints import (
    ADVICE,
    BEST,
    LAST,
    read_pretraining,
)
from anysense.representations.training.fitting import CHECKPOINTS, Fit, Measuring, go_on
from anysense.representations.training.shared import check_devices, train_together

REPRESENTATION = "representation"
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
    fit = Fit(representation.train(), train, validation, settings, folder, identity, device, tuple(callbacks), logger)
    if checkpoint is not None:
        _check_identity(folder, checkpoint, identity)
    table, best, stop = _trained(fit, checkpoint, devices)
    epoch = best.best_epoch if settings.keep == "best" else len(table.rows) - 1
    kept = folder / CHECKPOINTS / (BEST if settings.keep == "best" else LAST)
    _restore(representation, kept, averaged=settings.ema_decay is not None)
    _describe(representation, train)
    save_representation(representation, folder / REPRESENTATION)
    return PretrainResult(representation, folder, table.rows, epoch, bool(stop.stopped_epoch))


def _trained(fit: Fit, checkpoint: dict[str, Any] | None, devices: int) -> Measuring:
    """Train to the end, from the checkpoint if there is one; what was found."""
    measuring = table, _, stop = fit.measuring()
    if checkpoint is not None:
        go_on(checkpoint, fit.folder, fit.module(), measuring)
    if not stop.stopped_epoch and len(table.rows) < fit.settings.epochs:
        work = partial(fit, resume=checkpoint is not None)
        if devices == 1:
            work(machine.Place(), measuring)
        else:
            train_together(work, devices)
            go_on(read_pretraining(fit.folder / CHECKPOINTS / LAST), fit.folder, fit.module(), measuring)
    return measuring


def _describe(representation: Representation, train: Recorded) -> None:
    """Note the world, and mean and spread of the latents of up to `MOST_ENCODED` training samples, evenly chosen."""
    if representation.world is None and isinstance(train, Transitions) and train.world:
        representation.world = dict(train.world)
    everything, most = tuple(representation.modalities), min(len(train), MOST_ENCODED)
    chosen = torch.linspace(0, len(train) - 1, most).long().tolist()
    latents = encode_subsets(representation, train, [everything], indices=chosen)[everything]
    representation.latents = LatentStatistics.of(latents)


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
