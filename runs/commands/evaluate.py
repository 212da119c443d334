"""`anysense evaluate`: a trained agent with every subset of its modalities, corrupted modalities and dropouts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from anysense.agents.evaluation import EpisodeResults, MissingLevel, evaluate, every_subset, start_states
from anysense.agents.exported import Agent
from anysense.agents.results import save_results
from anysense.agents.summary import Row, summarise
from anysense.common.progress import counter, say, stage
from anysense.envs.pendulum.references import reference_returns
from anysense.envs.sensors.corruption import parse_corruption
from anysense.runs.curves import CURVE_LABEL, LearningCurve, curve_of_agent, write_curve
from anysense.runs.evaluation_report import draw_rows, label, print_rows
from anysense.runs.figures import draw_learning_curves, save_figure
from anysense.runs.locate import find_agent, lineage_of
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import PRESETS, CommonSettings, Preset, as_preset, parse, peek, use_machine

__all__ = ["EvaluateCommand", "EvaluationSettings", "conditions_of", "evaluate_agent", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What to evaluate."""

    episodes: int = 1000
    """Episodes per row of the table, each from its own start state; every row has the same start states."""
    steps: int = 300
    """Steps of an episode."""
    corruption: tuple[str, ...] = ()
    """Corrupted modalities, each a row of its own: MODALITY:NAME:LEVEL, for example image:gaussian_noise:0.1. Names:
    gaussian_noise, salt_and_pepper, dead_sensor (no level), frozen_sensor, delay."""
    dropout: tuple[float, ...] = ()
    """Chances that a modality is missing, each a row of its own: at any time at least one modality is left."""
    dropout_per: Literal["step", "episode"] = "step"
    """How long a drawn dropout lasts."""
    max_torque: float = 2.0
    """Torque limit of the optimal and the random controller, in N m; 1 is what the published agents in effect had."""

    @classmethod
    def of(cls, preset: Preset) -> EvaluationSettings:
        """The values of a preset."""
        sizes = {"smoke": (8, 100), "default": (1000, 300), "paper": (100, 300)}
        episodes, steps = sizes[preset]
        return cls(episodes=episodes, steps=steps)

    def __post_init__(self) -> None:
        for entry in self.corruption:
            parse_corruption(entry)
        for chance in self.dropout:
            if not 0 <= chance <= 1:
                raise ValueError(f"`dropout` expected chances from 0 to 1, got {chance}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateCommand(CommonSettings):
    """Evaluate a trained agent with every subset of its modalities, from the same start states each time.

    Without RUN the newest finished run of `anysense train` is taken. The table also shows the optimal controller (which
    knows the true state), no torque and random torque from the same starts.
    """

    run: tyro.conf.Positional[Path | None] = None
    """Folder of a training run or of an exported agent."""
    evaluation: Annotated[EvaluationSettings, tyro.conf.arg(name="")]


def main(arguments: Sequence[str]) -> None:
    """Evaluate an agent, print the table, write results and figures into a new run folder."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    default = EvaluateCommand(preset=preset, evaluation=EvaluationSettings.of(preset))
    settings = parse(default, arguments, "evaluate")
    device = use_machine(settings)
    path = find_agent(settings.run, settings.out)
    agent = Agent.load(path, device)
    conditions = conditions_of(agent, settings.evaluation)
    run = RunFolder.create(settings.out, "evaluate", settings.name, settings, settings.seed, arguments)
    with run.working():
        curve, lineage = curve_of_agent(path), lineage_of(path)
        rows = evaluate_agent(agent, conditions, settings.evaluation, settings.seed, run, curve, lineage)
        print_rows(f"{path}: {settings.evaluation.episodes} episodes of {settings.evaluation.steps} steps", rows)
    print(f"Results: {run.path / 'results'}")
    print(f"Figures: {run.path / 'figures'}")


@dataclasses.dataclass(frozen=True)
class Condition:
    """What the agent gets in one row of the table."""

    modalities: tuple[str, ...]
    corruption: tuple[str, ...] = ()
    missing: MissingLevel | None = None


def evaluate_agent(
    agent: Agent,
    conditions: Sequence[Condition],
    settings: EvaluationSettings,
    seed: int,
    run: RunFolder,
    curve: LearningCurve | None,
    lineage: Sequence[dict[str, Any]],
) -> list[Row]:
    """Evaluate all conditions and the reference controllers; write `results/` and `figures/` of `run`."""
    starts = start_states(settings.episodes, seed)
    results = []
    for condition in conditions:
        results.append(_evaluate_one(agent, condition, settings, seed, starts))
        say(f"  {label(results[-1])}: average reward per step {results[-1].average_reward.mean():.3f}")
    with stage("Reference controllers on the same starts"):
        physics = agent.environment.get("physics", "gymnasium")
        references = reference_returns(starts, settings.steps, settings.max_torque, seed, physics=physics)
    rows = summarise(results, references, seed=seed)
    details: dict[str, Any] = {
        "algorithm": agent.algorithm,
        "trained_with": list(agent.trained_with),
        "facts": agent.facts,
    }
    details |= {"environment": agent.environment, "starts_seed": seed, "lineage": list(lineage)}
    save_results(
        run.path / "results",
        [*results, *references.values()],
        [row.to_json() for row in rows],
        details,
    )
    _draw(run, rows, curve)
    return rows


def conditions_of(agent: Agent, settings: EvaluationSettings) -> list[Condition]:
    """Every subset; then each corruption on every subset that has its modality; then each dropout on all modalities."""
    subsets = every_subset(tuple(agent.modalities))
    conditions = [Condition(modalities) for modalities in subsets]
    for entry in settings.corruption:
        modality = parse_corruption(entry).modality
        if modality not in agent.modalities:
            raise ValueError(f"`corruption` {entry!r} names {modality!r}; the agent has {', '.join(agent.modalities)}.")
        conditions += [Condition(modalities, (entry,)) for modalities in subsets if modality in modalities]
    for chance in settings.dropout:
        conditions.append(Condition(subsets[0], missing=MissingLevel(chance, settings.dropout_per)))
    return conditions


def _evaluate_one(
    agent: Agent, condition: Condition, settings: EvaluationSettings, seed: int, starts: Any
) -> EpisodeResults:
    with counter(" and ".join(condition.modalities)) as progress:
        return evaluate(
            agent,
            condition.modalities,
            starts,
            settings.steps,
            agent.environment,
            condition.corruption,
            condition.missing,
            seed=seed,
            progress=progress,
        )


def _draw(run: RunFolder, rows: Sequence[Row], curve: LearningCurve | None) -> None:
    figure, _ = draw_rows(rows)
    save_figure(figure, run.figure("average_reward.png"))
    if curve is None:
        return
    write_curve(run.results("learning_curve.csv"), curve)
    figure, _ = draw_learning_curves({"training": curve}, CURVE_LABEL)
    save_figure(figure, run.figure("learning_curve.png"))
