"""`anysense train`: train an agent on a frozen representation, with any of its modalities."""

import dataclasses
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from anysense.agents.algorithms.catalogue import ALGORITHMS, agent_presets, make_agent_settings
from anysense.agents.algorithms.settings import AgentSettings
from anysense.common.loggers.catalogue import DEFAULT_LOGGER, LOGGERS
from anysense.common.progress import say, stage
from anysense.envs.world import World, world
from anysense.representations.description import read_representation_description
from anysense.runs.charts import draw_learning_curves
from anysense.runs.curves import curve_label
from anysense.runs.execute import execute
from anysense.runs.figures import look_of, write_figure
from anysense.runs.locate import find_representation, world_of
from anysense.runs.logging_options import LoggingSettings, check_logger
from anysense.runs.next_steps import typed_next
from anysense.runs.option_types import expanded
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import Flat, Preset, parse, peek, preset_in, smoke_caution, value_of, values_of
from anysense.runs.worlds import (
    VectorSettings,
    before_writing,
    changed_world,
    check_fits,
    environments,
    named_world,
    parsed,
)

if TYPE_CHECKING:
    from anysense.agents.callbacks import CurvePoint
    from anysense.agents.training import TrainResult, TrainSettings

__all__ = ["TrainCommand", "main", "train_run"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainCommand(VectorSettings, LoggingSettings):
    """Train an agent on a frozen representation, with any of its modalities.

    The result is the folder `agent/` in the run folder, which `anysense evaluate` takes. Observations are encoded once,
    and latents are what the agent and its replay memory see. The options of the algorithm change with --algorithm; the
    preset paper of ddpg is the published controller.
    """

    env: str | None = None
    """Gymnasium id of the environment; that of the representation if not given."""
    env_option: tuple[str, ...] = ()
    """Options of the environment as key=value that differ from those of the representation."""
    representation: Path | None = None
    """Folder of a representation or of the run that made it, or hub:OWNER/NAME for one on a hub; the newest one if not
    given."""
    algorithm: str = "sac"
    """Algorithm of Stable-Baselines3 or sb3-contrib."""
    modalities: tuple[str, ...] = ()
    """Modalities to train with, for example --modalities sound; all of the representation if not given."""
    missing: float = 0.0
    """Chance that a modality is missing for a whole episode of training; at least one is always left."""
    standardise: Literal["auto", "on", "off"] = "auto"
    """Give the agent latents with mean 0 and deviation 1 in each dimension, by the statistics of the data that the
    representation was trained on; auto: unless its latents have unit length, as those of GMC and GRAM."""
    symmetric: bool = False
    """Let the evaluated and exported agent act alike on an observation and its mirror image, where the environment has
    one: the mean of both actions. Takes twice the time to act."""
    encode: Literal["once", "in-policy"] = "once"
    """Encode each observation once, or in the policy whenever it is used (slow, the same agent)."""
    eval_every: int = 5_000
    """Environment steps between evaluations; each also writes a checkpoint."""
    eval_episodes: int = 200
    """Episodes of each of these evaluations, apart from those of `anysense evaluate`."""
    eval_steps: int | None = None
    """Most steps of these episodes; the time limit of the environment if not given."""
    agent: Annotated[AgentSettings, Flat]

    @classmethod
    def of(cls, preset: Preset, algorithm: str, known: World) -> "TrainCommand":
        """The values of a preset in a world."""
        values: dict[str, Any] = {"eval_every": known.eval_every}
        if preset == "smoke":
            values = {"eval_every": 600, "eval_episodes": 4}
        return cls(preset=preset, algorithm=algorithm, agent=make_agent_settings(algorithm, preset, known), **values)

    def in_world(self, stored: World) -> World:
        """The world of the representation with what shall differ.

        Raises:
            ValueError: An option is not written key=value.
        """
        if self.env is not None and self.env != stored.id:
            return self.vectorised(named_world(self.env, parsed(self.env_option)))
        return self.vectorised(changed_world(stored, self.env_option))

    def resolved(self, representation: Path, known: World) -> "TrainSettings":
        """Settings of the training itself."""
        from anysense.agents.training import TrainSettings

        return TrainSettings(
            representation=representation,
            world=known,
            algorithm=self.algorithm,
            preset=self.preset,
            overrides=self._overrides(known),
            modalities=self.modalities or None,
            missing=self.missing,
            seed=self.seed,
            standardise=self.standardise,
            symmetric=self.symmetric,
            encode=self.encode,
            eval_every=self.eval_every,
            eval_episodes=self.eval_episodes,
            eval_steps=self.eval_steps,
            device=self.device,
            threads=self.threads or 1,
        )

    def _overrides(self, known: World) -> dict[str, Any]:
        preset = make_agent_settings(self.algorithm, self.preset, known)
        values = {field.name: getattr(self.agent, field.name) for field in dataclasses.fields(self.agent)}
        return {name: value for name, value in values.items() if value != getattr(preset, name)}


def main(arguments: Sequence[str]) -> None:
    """Train an agent in a new run folder, or go on with one."""
    execute("train", arguments, read, _work, _found)


def read(arguments: Sequence[str]) -> TrainCommand:
    """Settings from the command line; those of the algorithm depend on the world of the representation."""
    preset = preset_in(arguments)
    known, modalities = _known(arguments)
    offered = [name for name in ALGORITHMS.names() if preset in agent_presets(name, known)]
    algorithm = peek(arguments, "--algorithm", known.usual_algorithm(preset), offered)
    able = [name for name in offered if isinstance(known.action_space, ALGORITHMS.get(name).actions)]
    names = {"env": environments(), "algorithm": able, "modalities": modalities, "logger": LOGGERS.names()}

    def others() -> dict[str, Any]:
        return {f"--algorithm {name}": make_agent_settings(name, preset, known) for name in able}

    return parse(TrainCommand.of(preset, algorithm, known), arguments, "train", names, others)


def _known(arguments: Sequence[str]) -> tuple[World, Sequence[str]]:
    """The world whose settings are the defaults: named, or that of the representation, or the usual one; modalities."""
    named, given = value_of(arguments, "--env"), value_of(arguments, "--representation")
    options = values_of(arguments, "--env-option")
    chosen = None if named is None else named_world(named, parsed(options))
    try:
        out = expanded(value_of(arguments, "--out") or "out")
        found = find_representation(expanded(given) if given else None, out, False)
        described = read_representation_description(found)["modalities"]
        names, stored = [modality["name"] for modality in described], world_of(found)
        if chosen is not None and chosen.id != stored.id:
            return chosen, names
        return changed_world(stored, options), names
    except (OSError, ValueError, ModuleNotFoundError):  # Told later, where it can be told apart from a call for help.
        return chosen or world(), ["NAME"]


def _found(settings: TrainCommand) -> tuple[TrainCommand, Sequence[str]]:
    """Find the representation, and check everything before anything is written."""
    from anysense.agents.environments import TrainingEnvironment

    check_logger(settings)
    representation = find_representation(settings.representation, settings.out)
    trained = world_of(representation)
    resolved = settings.resolved(representation, settings.in_world(trained))
    encoder = resolved.encoder()
    modalities = encoder.modalities or tuple(encoder.representation.modalities)
    shapes = {name: encoder.representation.modalities[name].shape for name in modalities}
    with before_writing():
        check_fits(resolved.world, trained, shapes, "representation")
        venv = TrainingEnvironment.make(resolved.world, 1, modalities, encoder=encoder, missing=resolved.missing).venv
        venv.reset()
        venv.step(np.array([resolved.world.action_space.sample()]))
        venv.close()
    chosen = () if settings.representation else ("--representation", str(representation))
    return dataclasses.replace(settings, representation=representation), chosen


def _work(settings: TrainCommand, run: RunFolder, device: str) -> list[str]:
    assert settings.representation is not None
    known = settings.in_world(world_of(settings.representation))
    result = train_run(settings.resolved(settings.representation, known), run.path, settings.resume, settings.logger)
    best = result.best
    return [
        f"Best evaluation: {known.score.replace('_', ' ')} {best.score:.3f} after {best.steps} steps.",
        *([smoke_caution(["train"])] if settings.preset == "smoke" else []),
        f"Agent: {result.agent}",
        f"Learning curve: {run.figure('learning_curve.png')}",
        typed_next("Evaluate it", "evaluate", run.path, env=known.id),
    ]


def train_run(settings: "TrainSettings", folder: Path, resume: bool, logger: str = DEFAULT_LOGGER) -> "TrainResult":
    """Train in `folder` and draw the learning curve; used by the demo and comparisons as well."""
    from anysense.agents.training import train

    label = curve_label(settings.world)

    def say_point(point: "CurvePoint") -> None:
        """One line per evaluation where there is no terminal to draw a bar on."""
        if not sys.stderr.isatty():
            say(f"  {point.steps} steps: {label} {point.score:.3f}")

    asked = settings.agent_settings()
    with stage(f"Training {settings.algorithm} for {asked.total_steps} steps"):
        result = train(settings, folder, resume, on_evaluation=say_point, logger=logger)
    done = result.curve[-1].steps
    if done > asked.total_steps:
        say(
            f"{asked.total_steps} steps were asked for, {done} done: {asked.n_envs} environments step at a time, in "
            "whole rounds."
        )
    curve = ([float(point.steps) for point in result.curve], [point.score for point in result.curve])
    method = read_representation_description(settings.representation)["method"]
    draw = partial(draw_learning_curves, {settings.algorithm: curve}, label, look_of(method))
    write_figure(draw, folder / "figures" / "learning_curve.png")
    return result
