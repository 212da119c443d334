"""`anysense train`: train an agent on a frozen representation, with any of its modalities."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from anysense.agents.algorithms.catalogue import ALGORITHMS, make_agent_settings
from anysense.agents.algorithms.settings import AgentSettings
from anysense.agents.callbacks import CurvePoint
from anysense.agents.training import TrainResult, TrainSettings, train
from anysense.common.progress import say, stage
from anysense.runs.curves import CURVE_LABEL
from anysense.runs.figures import draw_learning_curves, save_figure
from anysense.runs.locate import find_representation
from anysense.runs.run_folder import RunFolder
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
)
from anysense.runs.worlds import World, WorldChanges, world_of

__all__ = ["TrainCommand", "main", "train_run"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainCommand(ResumableSettings):
    """Train an agent on a frozen representation, with any of its modalities.

    The result is the folder `agent/` in the run folder, which `anysense evaluate` takes. Observations are encoded once,
    and latents are what the agent and its replay memory see. The options of the algorithm change with --algorithm.
    """

    representation: Path | None = None
    """Folder of a representation or of the run that made it; the newest one if not given."""
    algorithm: str = "sac"
    """ppo, a2c, sac, td3, ddpg or tqc; ddpg with the preset paper is the published controller."""
    modalities: tuple[str, ...] = ()
    """Modalities to train with, for example --modalities sound; all of the representation if not given."""
    missing: float = 0.0
    """Chance that a modality is missing for a whole episode of training; at least one is always left."""
    encode: Literal["once", "in-policy"] = "once"
    """Encode each observation once, or in the policy whenever it is used (slow, the same agent)."""
    time_limit: Literal["truncated", "terminal"] = "truncated"
    """Whether the agent looks beyond the time limit; published: terminal."""
    action_scaling: bool = True
    """Whether ddpg scales its output to the torque limits; published: not."""
    action_doubling: bool = False
    """Whether ddpg explores with its output counted twice; as published."""
    eval_every: int = 5_000
    """Environment steps between evaluations; each also writes a checkpoint."""
    eval_episodes: int = 200
    """Episodes of each of these evaluations, from starts of their own."""
    agent: Annotated[AgentSettings, Flat]
    world: Annotated[WorldChanges, Flat] = dataclasses.field(default_factory=WorldChanges)

    @classmethod
    def of(cls, preset: Preset, algorithm: str) -> TrainCommand:
        """The values of a preset."""
        values: dict[str, Any] = {}
        if preset == "smoke":
            values = {"eval_every": 600, "eval_episodes": 4}
        if preset == "paper" and algorithm == "ddpg":
            values = {"time_limit": "terminal", "action_scaling": False, "action_doubling": True}
        return cls(preset=preset, algorithm=algorithm, agent=make_agent_settings(algorithm, preset), **values)

    def resolved(self, representation: Path, world: World) -> TrainSettings:
        """Settings of the training itself."""
        options = world.env_kwargs()
        return TrainSettings(
            representation=representation,
            algorithm=self.algorithm,
            preset=self.preset,
            overrides=self._overrides(),
            modalities=self.modalities or None,
            missing=self.missing,
            seed=self.seed,
            encode=self.encode,
            physics=options.pop("physics"),
            environment=options,
            action_scaling=self.action_scaling,
            action_doubling=self.action_doubling,
            time_limit=self.time_limit,
            eval_every=self.eval_every,
            eval_episodes=self.eval_episodes,
            device=self.device,
            threads=self.threads or 1,
        )

    def _overrides(self) -> dict[str, Any]:
        preset = make_agent_settings(self.algorithm, self.preset)
        values = {field.name: getattr(self.agent, field.name) for field in dataclasses.fields(self.agent)}
        return {name: value for name, value in values.items() if value != getattr(preset, name)}


def main(arguments: Sequence[str]) -> None:
    """Train an agent in a new run folder, or go on with one."""
    settings = read(arguments)
    if settings.resume:
        settings, run = resumed(settings, arguments, "train", read)
    use_machine(settings)
    representation = find_representation(settings.representation, settings.out)
    world = settings.world.apply(world_of(representation, settings.preset))
    training = settings.resolved(representation, world)
    if not settings.resume:
        chosen = [] if settings.representation else ["--representation", str(representation)]
        record = dataclasses.replace(settings, representation=representation)
        run = RunFolder.create(settings.out, "train", settings.name, record, settings.seed, arguments, chosen)
    with run.working():
        result = train_run(training, run.path, settings.resume)
    best = result.best
    print(f"Best evaluation: average reward per step {best.average_reward:.3f} after {best.steps} steps.")
    print(f"Agent: {result.agent}")
    print(f"Learning curve: {run.figure('learning_curve.png')}")
    print(f"Evaluate it: anysense evaluate {run.path}")


def read(arguments: Sequence[str]) -> TrainCommand:
    """Settings from the command line."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    usual = "ddpg" if preset == "paper" else "sac"
    algorithm = peek(arguments, "--algorithm", usual, list(ALGORITHMS))
    return parse(TrainCommand.of(preset, algorithm), arguments, "train")


def _say_point(point: CurvePoint) -> None:
    """One line per evaluation where there is no terminal to draw a bar on."""
    if not sys.stderr.isatty():
        say(f"  {point.steps} steps: average reward per step {point.average_reward:.3f}")


def train_run(settings: TrainSettings, folder: Path, resume: bool) -> TrainResult:
    """Train in `folder` and draw the learning curve; used by the demo as well."""
    steps = settings.agent_settings().total_steps
    with stage(f"Training {settings.algorithm} for {steps} steps"):
        result = train(settings, folder, resume, on_evaluation=_say_point)
    curve = ([float(point.steps) for point in result.curve], [point.average_reward for point in result.curve])
    figure, _ = draw_learning_curves({settings.algorithm: curve}, CURVE_LABEL)
    save_figure(figure, folder / "figures" / "learning_curve.png")
    return result
