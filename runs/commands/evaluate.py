"""`anysense evaluate`: a trained agent with every subset of its modalities, corrupted modalities and dropouts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from anysense.agents.evaluation import EvaluationEpisodes, MissingLevel, evaluate, reference_results
from anysense.agents.exported import Agent
from anysense.agents.results import EpisodeResults, save_results
from anysense.agents.summary import columns_of, summarise
from anysense.common.progress import counter, say, stage
from anysense.envs.sensors.corruption import CORRUPTIONS, parse_corruption
from anysense.envs.world import World, world
from anysense.representations.evaluation.records import Record
from anysense.representations.evaluation.subsets import every_subset
from anysense.runs.curves import LearningCurve, curve_label, curve_of_agent, write_curve
from anysense.runs.evaluation_report import draw_evaluation, evaluation_table, input_label
from anysense.runs.execute import execute
from anysense.runs.figures import draw_learning_curves, save_figure
from anysense.runs.locate import find_agent, lineage_of
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import CommonSettings, Flat, Preset, check_positive, parse, preset_in
from anysense.runs.tables import print_table
from anysense.runs.worlds import named_world, parsed

__all__ = [
    "Condition",
    "EvaluateCommand",
    "EvaluationSettings",
    "check_evaluation",
    "conditions_of",
    "evaluate_agent",
    "main",
    "print_evaluation",
]

CORRUPTION_METAVAR = f"[MODALITY:{{{','.join(CORRUPTIONS.names())}}}[:LEVEL] ...]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What to evaluate."""

    episodes: int | None = None
    """Episodes per row of the table, the same for every row; what suits the environment if not given."""
    steps: int | None = None
    """Most steps of an episode; the time limit of the environment if not given."""
    corruption: Annotated[tuple[str, ...], tyro.conf.arg(metavar=CORRUPTION_METAVAR)] = ()
    """Corrupted modalities, each a row of its own, for example image:gaussian_noise:0.1; dead_sensor has no level."""
    dropout: tuple[float, ...] = ()
    """Chances that a modality is missing, each a row of its own: at any time at least one modality is left."""
    dropout_per: Literal["step", "episode"] = "step"
    """How long a drawn dropout lasts."""
    reference_option: tuple[str, ...] = ()
    """Options of the reference controllers as key=value, for example max_torque=1."""

    @classmethod
    def of(cls, preset: Preset) -> EvaluationSettings:
        """The values of a preset."""
        if preset == "smoke":
            return cls(episodes=8, steps=100)
        return cls(episodes=100) if preset == "paper" else cls()

    def __post_init__(self) -> None:
        check_positive(self, "episodes", "steps")
        for entry in self.corruption:
            parse_corruption(entry)
        for chance in self.dropout:
            if not 0 <= chance <= 1:
                raise ValueError(f"`dropout` expected chances from 0 to 1, got {chance}.")
        parsed(self.reference_option, "reference-option")

    def of_world(self, known: World, seed: int) -> EvaluationEpisodes:
        """The episodes to evaluate."""
        return EvaluationEpisodes.of(known, self.episodes or known.evaluation_episodes, self.steps, seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateCommand(CommonSettings):
    """Evaluate a trained agent with every subset of its modalities, in the same episodes each time.

    Without RUN the newest finished run of `anysense train` is taken. The table also shows the reference controllers
    that the environment has, in the same episodes.
    """

    run: tyro.conf.Positional[Path | None] = None
    """Folder of a training run or of an exported agent."""
    env: str | None = None
    """Gymnasium id of the environment; that of the agent if not given."""
    env_option: tuple[str, ...] = ()
    """Options of the environment as key=value that differ from those the agent was trained with."""
    evaluation: Annotated[EvaluationSettings, Flat]


def main(arguments: Sequence[str]) -> None:
    """Evaluate an agent, print the table, write results and figures into a new run folder."""
    execute("evaluate", arguments, read, _work, _found)


def read(arguments: Sequence[str]) -> EvaluateCommand:
    """Settings from the command line."""
    preset = preset_in(arguments)
    default = EvaluateCommand(preset=preset, evaluation=EvaluationSettings.of(preset))
    return parse(default, arguments, "evaluate")


def _agent(settings: EvaluateCommand, device: str) -> Agent:
    """The agent, in the world that was asked for."""
    assert settings.run is not None
    named = None if settings.env is None else named_world(settings.env)  # Naming its module confirms it.
    agent = Agent.load(settings.run, device)
    changes = parsed(settings.env_option)
    if named is not None and named.id != agent.world.id:
        agent.world = named_world(named.id, changes)
    elif changes:
        agent.world = world(agent.world.id, {**agent.world.options, **changes})
    return agent


def _found(settings: EvaluateCommand) -> tuple[EvaluateCommand, Sequence[str]]:
    """Find the agent, and check all conditions before anything is written."""
    path = find_agent(settings.run, settings.out)
    found = dataclasses.replace(settings, run=path)
    check_evaluation(_agent(found, "cpu"), settings.evaluation)
    return found, () if settings.run is not None else (str(path),)


def check_evaluation(agent: Agent, settings: EvaluationSettings) -> None:
    """One step of each condition, so that what cannot be evaluated is told before anything is written.

    Raises:
        ValueError: A modality, corruption or option is unknown, or the agent does not fit the environment.
    """
    episode = EvaluationEpisodes.of(agent.world, 1, 1, 0)
    for condition in conditions_of(agent, settings):
        evaluate(agent, agent.world, condition.modalities, episode, condition.corruption, condition.missing)
    if settings.reference_option:
        reference_results(agent.world, episode, parsed(settings.reference_option, "reference-option"))


def _work(settings: EvaluateCommand, run: RunFolder, device: str) -> list[str]:
    agent, path = _agent(settings, device), settings.run
    assert path is not None
    curve, lineage = curve_of_agent(path), lineage_of(path)
    records = evaluate_agent(agent, settings.evaluation, settings.seed, run, curve, lineage)
    episodes = settings.evaluation.of_world(agent.world, settings.seed)
    print_evaluation(str(path), agent, records, episodes)
    return [f"Results: {run.path / 'results'}", f"Figures: {run.path / 'figures'}"]


def print_evaluation(what: str, agent: Agent, records: Sequence[Record], episodes: EvaluationEpisodes) -> None:
    """Print the table of one agent."""
    title = (
        f"{what}: trained with {' and '.join(agent.trained_with)}; {episodes.count} episodes of at most "
        f"{episodes.steps} steps per row"
    )
    print_table(title, evaluation_table(records, agent.world, tuple(agent.modalities)))
    gaps = "; gaps are taken episode by episode" if any(record.metric == "gap" for record in records) else ""
    print(f"In brackets: 95% bootstrap intervals over episodes{gaps}.")


@dataclasses.dataclass(frozen=True)
class Condition:
    """What the agent gets in one row of the table."""

    modalities: tuple[str, ...]
    corruption: tuple[str, ...] = ()
    missing: MissingLevel | None = None


def conditions_of(agent: Agent, settings: EvaluationSettings) -> list[Condition]:
    """Every subset; then each corruption on every subset that has its modality; then each dropout on all modalities.

    Raises:
        ValueError: A corruption names a modality that the agent does not have.
    """
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


def evaluate_agent(
    agent: Agent,
    settings: EvaluationSettings,
    seed: int,
    run: RunFolder,
    curve: LearningCurve | None,
    lineage: Sequence[dict[str, Any]],
) -> list[Record]:
    """Evaluate all conditions and the reference controllers; write `results/` and `figures/` of `run`.

    Args:
        agent: Who acts, in its world.
        settings: What to evaluate.
        seed: Seed of the episodes.
        run: Where to write.
        curve: Learning curve to draw as well.
        lineage: Records of the runs that the agent comes from.
    """
    episodes = settings.of_world(agent.world, seed)
    results = []
    for condition in conditions_of(agent, settings):
        results.append(_evaluate_one(agent, condition, episodes))
        score = results[-1].average_reward if agent.world.score == "average_reward" else results[-1].returns
        say(f"  {_label(results[-1], agent)}: {agent.world.score.replace('_', ' ')} {score.mean():.3f}")
    with stage("References in the same episodes"), counter("references") as progress:
        options = parsed(settings.reference_option, "reference-option")
        references = reference_results(agent.world, episodes, options, progress)
    records = summarise(results, references, agent.world, seed=seed)
    details: dict[str, Any] = {
        "algorithm": agent.algorithm,
        "trained_with": list(agent.trained_with),
        "modalities": list(agent.modalities),
        "facts": agent.facts,
        "world": agent.world.to_json(),
        "episodes_seed": seed,
        "lineage": list(lineage),
    }
    save_results(run.path / "results", [*results, *references.values()], records, details)
    figure = draw_evaluation(records, agent.world, tuple(agent.modalities))
    save_figure(figure, run.figure(f"{columns_of(agent.world)[0].key}.png"))
    if curve is not None:
        write_curve(run.results("learning_curve.csv"), curve)
        figure, _ = draw_learning_curves({"training": curve}, curve_label(agent.world))
        save_figure(figure, run.figure("learning_curve.png"))
    return records


def _label(result: EpisodeResults, agent: Agent) -> str:
    subset = "complete" if len(result.modalities) == len(agent.modalities) else " + ".join(result.modalities)
    return input_label(subset, result.condition)


def _evaluate_one(agent: Agent, condition: Condition, episodes: EvaluationEpisodes) -> EpisodeResults:
    with counter(" and ".join(condition.modalities)) as progress:
        return evaluate(
            agent,
            agent.world,
            condition.modalities,
            episodes,
            condition.corruption,
            condition.missing,
            progress=progress,
        )
