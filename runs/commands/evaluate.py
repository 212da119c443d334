"""`anysense evaluate`: a trained agent with every subset of its modalities, corrupted modalities and dropouts."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import tyro

from anysense.agents.evaluation import EvaluationEpisodes, MissingLevel, evaluate, reference_results
from anysense.agents.pretrained import pretrained_names
from anysense.agents.results import SavedResults, save_results
from anysense.agents.summary import summarise
from anysense.common.hub.download import of_hub
from anysense.common.progress import counter, say, stage
from anysense.common.validation import check_names
from anysense.envs.sensors.corruption import CORRUPTIONS, parse_corruption
from anysense.envs.world import World
from anysense.representations.evaluation.records import subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.runs.agents import load_agent, say_if_lopsided
from anysense.runs.curves import LearningCurve, read_curve, write_curve
from anysense.runs.execute import execute
from anysense.runs.locate import find_agent, lineage_of, training_steps
from anysense.runs.next_steps import typed_next
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import CommonSettings, Flat, Preset, check_positive, parse, preset_in
from anysense.runs.worlds import VectorSettings, before_writing, environments, parsed

if TYPE_CHECKING:
    from anysense.agents.exported import Agent
    from anysense.runs.comparisons.contents import Report

ClipFormat = Literal["mp4", "gif", "wav"]

__all__ = [
    "EvaluateCommand",
    "EvaluationSettings",
    "add_clips",
    "conditions_of",
    "evaluate_agent",
    "main",
    "report_evaluation",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What to evaluate."""

    episodes: int | None = None
    """Episodes per row of the table, the same for every row; what suits the environment if not given."""
    steps: int | None = None
    """Most steps of an episode; the time limit of the environment if not given."""
    corruption: tuple[str, ...] = ()
    """Corrupted modalities, each a row of its own, for example image:gaussian_noise:0.1; dead_sensor has no level."""
    dropout: tuple[float, ...] = ()
    """Chances that a modality is missing, each a row of its own: at any time at least one modality is left."""
    dropout_per: Literal["step", "episode"] = "step"
    """How long a drawn dropout lasts."""
    reference_option: tuple[str, ...] = ()
    """Options of the reference controllers as key=value, for example max_torque=1."""

    @classmethod
    def of(cls, preset: Preset) -> "EvaluationSettings":
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
        assert self.reference_options is not None  # Checks them.

    @property
    def reference_options(self) -> dict[str, Any]:
        """Options of the reference controllers."""
        return parsed(self.reference_option, "reference-option")

    def of_world(self, known: World, seed: int) -> EvaluationEpisodes:
        """The episodes to evaluate."""
        return EvaluationEpisodes.of(known, self.episodes or known.evaluation_episodes, self.steps, seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateCommand(VectorSettings, CommonSettings):
    """Evaluate a trained agent with every subset of its modalities, in the same episodes each time.

    Without a path the newest finished run of `anysense train` is taken. The table also shows the reference controllers
    that the environment has, in the same episodes.
    """

    run: tyro.conf.Positional[Path | None] = None
    """Folder of a training run or of an exported agent."""
    agent: str | None = None
    """Instead of a folder: an agent that comes with the package, or hub:OWNER/NAME for one on a hub."""
    env: str | None = None
    """Gymnasium id of the environment; that of the agent if not given."""
    env_option: tuple[str, ...] = ()
    """Options of the environment as key=value that differ from those the agent was trained with."""
    video: bool = False
    """Also write clips with picture and sound: the first episode with every subset of the modalities."""
    video_formats: tuple[ClipFormat, ...] = ("mp4",)
    """Formats of the clips."""
    evaluation: Annotated[EvaluationSettings, Flat]

    def __post_init__(self) -> None:
        """Checks values."""
        super().__post_init__()
        check_names("video_formats", self.video_formats, get_args(ClipFormat))
        if not self.video and self.video_formats != ("mp4",):
            raise ValueError("`video-formats` has no effect without `--video`; give both, or neither.")


def main(arguments: Sequence[str]) -> None:
    """Evaluate an agent, print the table, write results and figures into a new run folder."""
    execute("evaluate", arguments, read, _work, _found)


def read(arguments: Sequence[str]) -> EvaluateCommand:
    """Settings from the command line."""
    preset = preset_in(arguments)
    default = EvaluateCommand(preset=preset, evaluation=EvaluationSettings.of(preset))
    corruptions = f"MODALITY:{{{','.join(CORRUPTIONS.names())}}}[:LEVEL]"
    names = {"run": "AGENT", "agent": pretrained_names(), "env": environments(), "corruption": corruptions}
    return parse(default, arguments, "evaluate", names)


def _agent(settings: EvaluateCommand, device: str) -> "Agent":
    """The agent, in the world that was asked for."""
    assert settings.run is not None
    agent = load_agent(settings.run, settings.env, settings.env_option, device)
    agent.world = settings.vectorised(agent.world)
    return agent


def _found(settings: EvaluateCommand) -> tuple[EvaluateCommand, Sequence[str]]:
    """Find the agent; one step of each condition tells what cannot be evaluated, before anything is written."""
    path = find_agent(settings.run, settings.out, settings.agent)
    found, evaluation = dataclasses.replace(settings, run=path), settings.evaluation
    agent = _agent(found, "cpu")
    known = dataclasses.replace(agent.world, vector="auto")  # A step is no work to start processes for.
    episode = EvaluationEpisodes.of(agent.world, 1, 1, 0)
    with before_writing():
        for condition in conditions_of(agent, evaluation):
            evaluate(agent, known, episodes=episode, **condition)
    if evaluation.reference_option:
        reference_results(agent.world, episode, evaluation.reference_options)
    named = settings.run is not None or settings.agent is not None
    return found, () if named else (str(path),)


def _work(settings: EvaluateCommand, run: RunFolder, device: str) -> list[str]:
    agent, path = _agent(settings, device), settings.run
    assert path is not None
    curve, lineage = read_curve(path.parent / "metrics.csv"), lineage_of(path)
    saved = evaluate_agent(agent, settings.evaluation, settings.seed, run.path, curve, lineage)
    what = (of_hub(path) or str(path)) if settings.agent is None else settings.agent
    report = report_evaluation(what, saved, curve, run)
    episodes = settings.evaluation.of_world(agent.world, settings.seed)
    clips = add_clips(agent, episodes, report, run, settings.video_formats) if settings.video else []
    shown = [f"Clips: {run.path / 'clips'}"] if clips else []
    page = f"Page: {run.results('report.html')}"
    who = [path] if settings.agent is None else ["--agent", settings.agent]
    where = ["--env", agent.world.id] if settings.env else []
    where += ["--env-option", *settings.env_option] if settings.env_option else []
    seen = typed_next("Switch its modalities on and off", "play", *who, *where)
    unseen = typed_next("See and hear it", "evaluate", *who, *where, "--video")
    lines = [f"Results: {run.path / 'results'}", f"Figures: {run.path / 'figures'}", *shown, page]
    return [*lines, seen if settings.video else unseen]


def report_evaluation(what: str, saved: SavedResults, curve: LearningCurve | None, run: RunFolder) -> "Report":
    """Write the report of one agent, called ``what``, with its figures into the run folder, and print its table.

    Gives the report, for `write_run_page` once there are clips.
    """
    from anysense.runs.comparisons.evaluate_report import evaluate_report
    from anysense.runs.comparisons.report import print_report, write_run_report

    report = evaluate_report(what, saved, curve, run.record).drawn_once()
    write_run_report(report, run)
    print_report(report)
    return report


def add_clips(
    agent: "Agent", episodes: EvaluationEpisodes, report: "Report", run: RunFolder, formats: Sequence[ClipFormat]
) -> list[Path]:
    """Record clips into the run folder and write its page again, with them; gives their paths."""
    from anysense.runs.clips import write_clips
    from anysense.runs.page.write import write_run_page

    clips = write_clips(agent, episodes, run.path / "clips", formats)
    write_run_page(report, run)
    return clips


def conditions_of(agent: "Agent", settings: EvaluationSettings) -> list[dict[str, Any]]:
    """Arguments of `evaluate` for each row of the table.

    Every subset; then each corruption on every subset that has its modality; then each dropout on all modalities.

    Raises:
        ValueError: A corruption names a modality that the agent does not have.
    """
    subsets = every_subset(tuple(agent.modalities))
    conditions: list[dict[str, Any]] = [{"modalities": modalities} for modalities in subsets]
    for entry in settings.corruption:
        modality = parse_corruption(entry).modality
        if modality not in agent.modalities:
            raise ValueError(f"`corruption` {entry!r} names {modality!r}; the agent has {', '.join(agent.modalities)}.")
        conditions += [{"modalities": found, "corruption": (entry,)} for found in subsets if modality in found]
    for chance in settings.dropout:
        conditions.append({"modalities": subsets[0], "missing": MissingLevel(chance, settings.dropout_per)})
    return conditions


def evaluate_agent(
    agent: "Agent",
    settings: EvaluationSettings,
    seed: int,
    folder: Path,
    curve: LearningCurve | None,
    lineage: Sequence[dict[str, Any]],
) -> SavedResults:
    """Evaluate all conditions and the reference controllers; write `results/` into ``folder``.

    Args:
        agent: Who acts, in its world.
        settings: What to evaluate.
        seed: Seed of the episodes.
        folder: Where to write.
        curve: Learning curve to keep as well.
        lineage: Records of the runs that the agent comes from.
    """
    from anysense.runs.evaluation_report import input_label

    say_if_lopsided(agent)
    known, modalities = agent.world, tuple(agent.modalities)
    episodes, results = settings.of_world(known, seed), []
    for condition in conditions_of(agent, settings):
        with counter(" and ".join(condition["modalities"])) as progress:
            result = evaluate(agent, known, episodes=episodes, progress=progress, **condition)
        results.append(result)
        label = input_label(subset_name(result.modalities, len(modalities)), result.condition)
        say(f"  {label}: {known.score.replace('_', ' ')} {result.score(known).mean():.3f}")
    with stage("References in the same episodes"), counter("references") as progress:
        references = reference_results(known, episodes, settings.reference_options, progress)
    records = summarise(results, references, known, seed=seed)
    details: dict[str, Any] = {
        "algorithm": agent.algorithm,
        "trained_with": list(agent.trained_with),
        "training_steps": training_steps(lineage),
        "representation": agent.encoder.representation.method,
        "standardised": agent.encoder.standardise,
        "symmetric": agent.symmetric,
        "mirrored": agent.mirror is not None,
        "modalities": list(modalities),
        "facts": agent.facts,
        "world": known.to_json(),
        "episodes_seed": seed,
        "lineage": list(lineage),
    }
    everything = [*results, *references.values()]
    save_results(folder / "results", everything, records, details)
    if curve is not None:
        write_curve(folder / "results" / "learning_curve.csv", curve)
    return SavedResults(everything, records, details)
