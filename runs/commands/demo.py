"""`anysense demo`: the whole way in one command, from an empty folder to an agent that acts on sound alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anysense.agents.exported import Agent
from anysense.agents.summary import Row
from anysense.agents.training import TrainResult
from anysense.common.progress import stage
from anysense.runs.commands.evaluate import EvaluationSettings, conditions_of, evaluate_agent
from anysense.runs.commands.pretrain import PretrainCommand, pretrain_run
from anysense.runs.commands.train import TrainCommand, train_run
from anysense.runs.curves import curve_of_agent
from anysense.runs.evaluation_report import print_rows, sentence
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import PRESETS, Preset, ResumableSettings, as_preset, parse, peek, resumed, use_machine

__all__ = ["DemoCommand", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoCommand(ResumableSettings):
    """Collect, pretrain, train with image and sound, evaluate with both, with image alone and with sound alone.

    The presets are those of the other commands with fewer samples and steps: minutes on two processor cores.
    """

    samples: int
    """Transitions to collect for pretraining."""
    epochs: int
    """Passes over them."""
    steps: int
    """Environment steps of the training of the agent (SAC)."""
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

    def pretraining(self) -> PretrainCommand:
        """Settings of the first stage."""
        usual = PretrainCommand.of(self.preset)
        return dataclasses.replace(
            usual,
            collection=dataclasses.replace(usual.collection, samples=self.samples),
            training=dataclasses.replace(usual.training, epochs=self.epochs),
            **self._common(),
        )

    def training(self) -> TrainCommand:
        """Settings of the second stage."""
        usual = TrainCommand.of(self.preset, "ddpg" if self.preset == "paper" else "sac")
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
    settings = read(arguments)
    if settings.resume:
        settings, run = resumed(settings, arguments, "demo", read)
    device = use_machine(settings)
    if not settings.resume:
        run = RunFolder.create(settings.out, "demo", settings.name, settings, settings.seed, arguments)
    with run.working():
        trained = _train(settings, run.path, device)
        rows, agent = _evaluate(settings, run, trained, device)
    print_rows(f"Trained with {' and '.join(agent.trained_with)}; {settings.episodes} episodes per row", rows)
    print(f"Chart: {run.figure('average_reward.png')}")
    print(f"Learning curve: {run.figure('learning_curve.png')}")
    print(f"Agent: {trained.agent}")
    print()
    print(sentence(rows, agent.trained_with))


def read(arguments: Sequence[str]) -> DemoCommand:
    """Settings from the command line."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    return parse(DemoCommand.of(preset), arguments, "demo")


def _train(settings: DemoCommand, folder: Path, device: str) -> TrainResult:
    pretraining = settings.pretraining()
    (folder / "pretrain").mkdir(exist_ok=True)
    pretrain_run(pretraining, folder / "pretrain", device)
    representation = folder / "pretrain" / "representation"
    training = settings.training().resolved(representation, pretraining.world)
    return train_run(training, folder / "train", settings.resume)


def _evaluate(settings: DemoCommand, run: RunFolder, trained: TrainResult, device: str) -> tuple[list[Row], Agent]:
    agent = Agent.load(trained.agent, device)
    evaluation = settings.evaluation()
    with stage(f"Evaluating {evaluation.episodes} episodes per row"):
        curve, conditions = curve_of_agent(trained.agent), conditions_of(agent, evaluation)
        rows = evaluate_agent(agent, conditions, evaluation, settings.seed, run, curve, [run.record])
    return rows, agent
