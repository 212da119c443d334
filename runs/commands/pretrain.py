"""`anysense pretrain`: collect observations, train a representation on them, save it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import lightning.pytorch as pl
import tyro

from anysense.common.progress import counter, say, stage
from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.representations.contract import Settings, modalities_from_space
from anysense.representations.data import COLLECT_PRESETS, CollectSettings, Transitions, collect
from anysense.representations.registry import build, make_settings, method_names
from anysense.representations.training import PRESETS as TRAINING_PRESETS
from anysense.representations.training import PretrainResult, PretrainSettings, pretrain
from anysense.runs.run_folder import RunFolder, plain
from anysense.runs.settings import (
    PRESETS,
    Flat,
    Preset,
    ResumableSettings,
    as_preset,
    parse,
    peek,
    resumed,
    use_machine,
    widened,
)
from anysense.runs.worlds import World

__all__ = ["PretrainCommand", "Training", "main", "pretrain_run"]


@dataclasses.dataclass(frozen=True)
class Training(PretrainSettings):
    """Settings of pretraining, without those that every command has: they are filled in from there."""

    device: tyro.conf.Suppress[tyro.conf.Fixed[str]] = "auto"
    threads: tyro.conf.Suppress[tyro.conf.Fixed[int | None]] = None
    seed: tyro.conf.Suppress[tyro.conf.Fixed[int]] = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainCommand(ResumableSettings):
    """Collect observations of the pendulum and pretrain a representation of image and sound on them.

    The result is the folder `representation/` in the run folder, which `anysense train` takes.
    """

    method: str = "gmc"
    """Method of the representation."""
    data: Path | None = None
    """Transitions to train on (.npz), instead of collecting them."""
    save_data: bool = False
    """Keep the collected transitions in the run folder, as `transitions.npz`."""
    world: Annotated[World, Flat]
    collection: Annotated[CollectSettings, Flat]
    representation: Annotated[Settings, Flat]
    training: Annotated[Training, Flat]

    @classmethod
    def of(cls, preset: Preset, method: str = "gmc") -> PretrainCommand:
        """The values of a preset."""
        return cls(
            preset=preset,
            method=method,
            world=World.of(preset),
            collection=COLLECT_PRESETS[preset],
            representation=make_settings(method, preset),
            training=widened(Training, TRAINING_PRESETS[preset]),
        )


def main(arguments: Sequence[str]) -> None:
    """Pretrain a representation in a new run folder, or go on with one."""
    settings = read(arguments)
    if settings.resume:
        settings, run = resumed(settings, arguments, "pretrain", read)
    device = use_machine(settings)
    if not settings.resume:
        run = RunFolder.create(settings.out, "pretrain", settings.name, settings, settings.seed, arguments)
    with run.working():
        result = pretrain_run(settings, run.path, device)
    path = run.path / "representation"
    print(_summary(result))
    print(f"Representation: {path}")
    print(f"Train an agent on it: anysense train --representation {path}")


def read(arguments: Sequence[str]) -> PretrainCommand:
    """Settings from the command line."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    method = peek(arguments, "--method", "gmc", method_names("pendulum"))
    return parse(PretrainCommand.of(preset, method), arguments, "pretrain")


def pretrain_run(settings: PretrainCommand, folder: Path, device: str) -> PretrainResult:
    """Do the work of the command in `folder`; used by the demo as well."""
    transitions = _transitions(settings, folder)
    train, validation = transitions.split(settings.collection.validation_fraction, settings.seed)
    say(f"{len(train)} samples to train on, {len(validation)} to validate on")
    space = MultimodalPendulumEnv(**settings.world.env_kwargs()).observation_space
    representation = build(settings.method, modalities_from_space(space), settings.representation, settings.seed)
    training = dataclasses.replace(settings.training, device=device, threads=settings.threads, seed=settings.seed)
    with stage(f"Pretraining {settings.method} for {training.epochs} epochs on {device}"):
        return pretrain(
            representation, train, validation, training, folder, settings.resume, callbacks=[EpochLine(training.epochs)]
        )


class EpochLine(pl.Callback):
    """One line per epoch where there is no terminal to draw a bar on."""

    def __init__(self, epochs: int):
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say where the validation loss stands."""
        if not sys.stderr.isatty():
            loss = float(trainer.callback_metrics["validation/total"])
            say(f"  epoch {trainer.current_epoch + 1} of {self.epochs}: validation loss {loss:.4f}")


def _summary(result: PretrainResult) -> str:
    metrics = result.metrics
    modalities = [name.split("/")[1] for name in metrics if name.startswith("retrieval/")]
    found = ", ".join(f"{metrics[f'retrieval/{modality}']:.0%} by {modality}" for modality in sorted(modalities))
    return (
        f"Best epoch {result.epoch + 1} of {len(result.history)}: validation loss {metrics['validation/total']:.4f}; "
        f"of 256 joint latents, the right one is found {found}."
    )


def _transitions(settings: PretrainCommand, folder: Path) -> Transitions:
    if settings.data is not None:
        return _of_this_world(Transitions.load(settings.data), settings)
    wanted = settings.collection
    with stage(f"Collecting {wanted.samples} samples ({wanted.policy})"), counter("collecting") as progress:
        transitions = collect(wanted.samples, wanted.policy, settings.seed, settings.world.env_kwargs(), progress)
    if settings.save_data:
        transitions.save(folder / "transitions.npz")
    return transitions


def _of_this_world(transitions: Transitions, settings: PretrainCommand) -> Transitions:
    """The given transitions, if they come from the world that the settings describe."""
    wanted, found = plain(settings.world.env_kwargs()), plain(dict(transitions.env))
    different = [name for name, value in wanted.items() if found.get(name, value) != value]
    if different:
        listed = ", ".join(f"{name} {found[name]!r} (asked for {wanted[name]!r})" for name in different)
        raise ValueError(f"`data` {settings.data} was collected with {listed}. Give the same options, or other data.")
    return transitions
