"""`anysense demo`: the whole way in one command, from an empty folder to an agent that acts on one modality alone."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from anysense.common.loggers.catalogue import LOGGERS
from anysense.envs.world import World
from anysense.runs.commands.evaluate import add_clips, report_evaluation
from anysense.runs.commands.stages import StageSettings, check_stages, run_stages
from anysense.runs.curves import read_curve
from anysense.runs.evaluation_report import sentence
from anysense.runs.execute import execute
from anysense.runs.next_steps import typed_next
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import Preset, parse, preset_in
from anysense.runs.tables import wrapped
from anysense.runs.worlds import chosen_world, environments

__all__ = ["DemoCommand", "main"]

METHOD = "gmc"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoCommand(StageSettings):
    """Collect, pretrain, train with all modalities, evaluate with all of them and with every subset.

    The presets are those of the other commands with fewer samples and steps: minutes on two processor cores. At the end
    stand a table, charts, clips of the agent with every subset of its modalities, and one page with all of it.
    """

    video: bool = True
    """Write clips with picture and sound, as `anysense evaluate --video` does."""

    @classmethod
    def of(cls, preset: Preset, known: World) -> "DemoCommand":
        """The values of a preset in a world."""
        values: dict[str, Any] = {
            "smoke": {"samples": 300, "epochs": 2, "steps": 600, "episodes": 4},
            "default": {"samples": 20_000, "epochs": 20, "steps": 40_000, "episodes": 250},
            "paper": {"samples": 20_000, "epochs": 500, "steps": 150_000, "episodes": 100},
        }[preset]
        return cls(preset=preset, env=known.id, **{**values, **known.demo_settings(preset)})


def main(arguments: Sequence[str]) -> None:
    """Do everything in one run folder and say what came out."""
    execute("demo", arguments, read, _work, _checked)


def read(arguments: Sequence[str]) -> DemoCommand:
    """Settings from the command line."""
    names = {"env": environments(), "logger": LOGGERS.names()}
    return parse(DemoCommand.of(preset_in(arguments), chosen_world(arguments)), arguments, "demo", names)


def _checked(settings: DemoCommand) -> tuple[DemoCommand, Sequence[str]]:
    check_stages(settings, [METHOD])
    return settings, ()


def _work(settings: DemoCommand, run: RunFolder, device: str) -> list[str]:
    stages = settings.stages(METHOD, settings.seed, device, settings.threads)
    _, agent, saved = run_stages(stages, run.path, [run.record])
    report = report_evaluation("The agent", saved, read_curve(run.results("learning_curve.csv")), run)
    episodes = stages.evaluation.of_world(agent.world, settings.seed)
    clips = add_clips(agent, episodes, report, run, ("mp4",)) if settings.video else []
    return [
        f"Page: {run.results('report.html')}",
        f"Charts: {run.path / 'figures'}",
        *(f"Clip: {clip}" for clip in clips),
        f"Representation: {run.path / 'pretrain' / 'representation'}",
        f"Agent: {run.path / 'train' / 'agent'}",
        "",
        wrapped(sentence(saved.records, agent.world, agent.trained_with, tuple(agent.modalities))),
        "",
        typed_next("Switch its modalities on and off", "play", run.path / "train" / "agent", env=agent.world.id),
    ]
