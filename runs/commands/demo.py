"""`anysense demo`: the whole way in one command, from an empty folder to an agent that acts on one modality alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from anysense.agents.algorithms.catalogue import check_actions
from anysense.agents.exported import Agent
from anysense.agents.training import TrainResult
from anysense.common.progress import stage
from anysense.envs.world import DEFAULT_WORLD, World
from anysense.runs.commands.evaluate import EvaluationSettings, evaluate_agent, print_evaluation
from anysense.runs.commands.pretrain import PretrainCommand, check_pretraining, pretrain_run
from anysense.runs.commands.train import TrainCommand, train_run
from anysense.runs.curves import curve_of_agent
from anysense.runs.evaluation_report import sentence
from anysense.runs.execute import execute
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import PRESETS, Preset, ResumableSettings, as_preset, parse, peek
from anysense.runs.worlds import named_world

__all__ = ["DemoCommand", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoCommand(ResumableSettings):
    """Collect, pretrain, train with all modalities, evaluate with all of them and with every subset.

    The presets are those of the other commands with fewer samples and steps: minutes on two processor cores.
    """

    env: str = DEFAULT_WORLD
    """Gymnasium id of the environment; `module:Name-v0` imports the module first."""
    env_option: tuple[str, ...] = ()
    """Options of the environment as key=value."""
    samples: int
    """Transitions to collect for pretraining."""
    epochs: int
    """Passes over them."""
    steps: int
    """Environment steps of the training of the agent."""
    episodes: int
    """Episodes per row of the table."""

    @classmethod
    def of(cls, preset: Preset) -> DemoCommand:
        """The values of a preset."""
        if preset == "smoke":
            return cls(preset=preset, samples=300, epochs=2, steps=600, episodes=4)
        if preset == "paper":
            return cls(preset=preset, samples=20_000, epochs=500, steps=150_000, episodes=100)
        return cls(preset=preset, samples=20_000, epochs=20, steps=40_000, episodes=250)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("samples", "epochs", "steps", "episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1; got {getattr(self, name)}.")

    def pretraining(self) -> PretrainCommand:
        """Settings of the first stage."""
        usual = PretrainCommand.of(self.preset, "gmc", named_world(self.env))
        return dataclasses.replace(
            usual,
            env_option=self.env_option,
            collection=dataclasses.replace(usual.collection, samples=self.samples),
            training=dataclasses.replace(usual.training, epochs=self.epochs),
            **self._common(),
        )

    def training(self, known: World) -> TrainCommand:
        """Settings of the second stage."""
        usual = TrainCommand.of(self.preset, "ddpg" if self.preset == "paper" else "sac", known)
        return dataclasses.replace(
            usual, agent=dataclasses.replace(usual.agent, total_steps=self.steps), **self._common()
        )

    def evaluation(self) -> EvaluationSettings:
        """Settings of the last stage."""
        return dataclasses.replace(EvaluationSettings.of(self.preset), episodes=self.episodes)

    def _common(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("seed", "resume", "device", "threads")}


def main(arguments: Sequence[str]) -> None:
    """Do everything in one run folder and say what came out."""
    execute("demo", arguments, read, _work, _checked)


def read(arguments: Sequence[str]) -> DemoCommand:
    """Settings from the command line."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    return parse(DemoCommand.of(preset), arguments, "demo")


def _checked(settings: DemoCommand) -> tuple[DemoCommand, Sequence[str]]:
    """Make the environment and the settings of all stages before anything is written."""
    pretraining = settings.pretraining()
    check_pretraining(pretraining)
    known = pretraining.made_world()
    check_actions(settings.training(known).algorithm, known.action_space)
    return settings, ()


def _work(settings: DemoCommand, run: RunFolder, device: str) -> list[str]:
    trained = _train(settings, run, device)
    agent, evaluation = Agent.load(trained.agent, device), settings.evaluation()
    with stage(f"Evaluating {settings.episodes} episodes per row"):
        curve = curve_of_agent(trained.agent)
        records = evaluate_agent(agent, evaluation, settings.seed, run, curve, [run.record])
    print_evaluation("The agent", agent, records, evaluation.of_world(agent.world, settings.seed))
    return [
        f"Charts: {run.path / 'figures'}",
        f"Representation: {run.path / 'pretrain' / 'representation'}",
        f"Agent: {trained.agent}",
        "",
        sentence(records, agent.world, agent.trained_with, tuple(agent.modalities)),
    ]


def _train(settings: DemoCommand, run: RunFolder, device: str) -> TrainResult:
    pretraining = settings.pretraining()
    known = pretraining.made_world()
    (run.path / "pretrain").mkdir(exist_ok=True)
    pretrain_run(pretraining, run.path / "pretrain", device)
    training = settings.training(known).resolved(run.path / "pretrain" / "representation", known)
    return train_run(training, run.path / "train", settings.resume)
