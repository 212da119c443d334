"""Pretrain, train, evaluate: what the demo does once and a comparison for each method and seed."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from anysense.agents.algorithms.catalogue import check_actions
from anysense.common.progress import stage
from anysense.envs.world import DEFAULT_WORLD, World
from anysense.runs.commands.evaluate import EvaluationSettings, evaluate_agent
from anysense.runs.commands.pretrain import PretrainCommand, check_pretraining, pretrain_run
from anysense.runs.commands.train import TrainCommand, train_run
from anysense.runs.curves import read_curve
from anysense.runs.logging_options import LoggingSettings, check_logger
from anysense.runs.method_options import AGENT, Parts, changed
from anysense.runs.reading import ReadingSettings
from anysense.runs.settings import Flat, check_positive
from anysense.runs.worlds import VectorSettings, named_world

if TYPE_CHECKING:
    from anysense.agents.exported import Agent
    from anysense.agents.results import SavedResults
    from anysense.representations.training.pretrain import PretrainResult

__all__ = ["StageSettings", "Stages", "check_stages", "pretrain_stage", "run_stages", "train_stage"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageSettings(VectorSettings, LoggingSettings):
    """Options of commands that pretrain, train and evaluate."""

    env: str = DEFAULT_WORLD
    """Gymnasium id of the environment; `module:Name-v0` imports the module first."""
    env_option: tuple[str, ...] = ()
    """Options of the environment as key=value."""
    reading: Annotated[ReadingSettings, Flat] = dataclasses.field(default_factory=ReadingSettings)
    samples: int
    """Transitions to collect for pretraining."""
    epochs: int
    """Passes over them."""
    steps: int
    """Environment steps of the training of an agent."""
    episodes: int
    """Episodes per row of the table, the same for all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "samples", "epochs", "steps", "episodes")

    def stages(self, method: str, seed: int, device: str, threads: int | None, **pretraining: Any) -> "Stages":
        """Settings of all stages for one method and seed; ``pretraining``: more settings of the first one."""
        common: dict[str, Any] = {"seed": seed, "resume": True, "device": device, "threads": threads}
        common["logger"] = self.logger
        first = PretrainCommand.of(self.preset, method, named_world(self.env))
        first = dataclasses.replace(
            first,
            env_option=self.env_option,
            reading=self.reading,
            vector=self.vector,
            collection=dataclasses.replace(first.collection, samples=self.samples),
            training=dataclasses.replace(first.training, epochs=self.epochs, **pretraining),
            **common,
        )
        known = first.made_world()
        second = TrainCommand.of(self.preset, known.usual_algorithm(self.preset), known)
        second = dataclasses.replace(second, agent=dataclasses.replace(second.agent, total_steps=self.steps), **common)
        third = dataclasses.replace(EvaluationSettings.of(self.preset), episodes=self.episodes)
        return Stages(first, second, third, self.seed, device)


@dataclasses.dataclass(frozen=True)
class Stages:
    """Settings of all stages; can be sent to another process."""

    pretraining: PretrainCommand
    training: TrainCommand
    evaluation: EvaluationSettings
    episodes_seed: int
    device: str

    @property
    def world(self) -> World:
        """Where the agent acts."""
        return self.pretraining.made_world()

    def parts(self) -> Parts:
        """Settings of the method, its networks, its training and the agent."""
        first, networks = self.pretraining, self.pretraining.architecture
        own = {} if networks == type(networks)() and not dataclasses.fields(networks) else {"networks": networks}
        return {"method": first.representation, **own, "training": first.training, AGENT: self.training.agent}

    def changed(self, changes: Mapping[str, Any]) -> "Stages":
        """The same with other values of some settings, by name; ValueError or TypeError for an impossible one."""
        parts = changed(self.parts(), changes, self.pretraining.method)
        first = dataclasses.replace(
            self.pretraining,
            representation=parts["method"],
            architecture=parts.get("networks", self.pretraining.architecture),
            training=parts["training"],
        )
        return dataclasses.replace(
            self, pretraining=first, training=dataclasses.replace(self.training, agent=parts[AGENT])
        )


def check_stages(settings: StageSettings, methods: Iterable[str]) -> None:
    """Make the environment, and the networks of all methods, before anything is written."""
    check_logger(settings)
    for method in methods:
        stages = settings.stages(method, settings.seed, "cpu", None)
        check_pretraining(stages.pretraining)
        check_actions(stages.training.algorithm, stages.world.action_space)


def pretrain_stage(stages: Stages, folder: Path) -> "PretrainResult":
    """Pretrain in ``folder/pretrain``, or go on there."""
    (folder / "pretrain").mkdir(exist_ok=True)
    return pretrain_run(stages.pretraining, folder / "pretrain", stages.device)


def train_stage(stages: Stages, folder: Path) -> "Agent":
    """Train an agent on that in ``folder/train``, or go on there; gives the best one."""
    from anysense.agents.exported import Agent

    training = stages.training.resolved(folder / "pretrain" / "representation", stages.world)
    agent = Agent.load(
        train_run(training, folder / "train", resume=True, logger=stages.training.logger).agent, stages.device
    )
    agent.world = stages.world
    return agent


def run_stages(
    stages: Stages, folder: Path, lineage: Sequence[dict[str, Any]]
) -> "tuple[PretrainResult, Agent, SavedResults]":
    """Do all stages in ``folder``, each from where it was cut off.

    Args:
        stages: Settings.
        folder: Gets ``pretrain/``, ``train/`` and ``results/``.
        lineage: Records of runs, to be kept with the results.
    """
    pretrained = pretrain_stage(stages, folder)
    agent, curve = train_stage(stages, folder), read_curve(folder / "train" / "metrics.csv")
    with stage(f"Evaluating {stages.evaluation.episodes} episodes per row"):
        saved = evaluate_agent(agent, stages.evaluation, stages.episodes_seed, folder, curve, lineage)
    return pretrained, agent, saved
