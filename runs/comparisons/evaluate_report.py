"""The reports of evaluations of agents: of one agent, and of several that differ in their seed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from anysense.agents.results import SavedResults
from anysense.agents.summary import columns_of
from anysense.envs.world import World, stored_world
from anysense.representations.evaluation.records import Record
from anysense.runs.charts import draw_learning_curves
from anysense.runs.comparisons.contents import Report, Section, record_of
from anysense.runs.comparisons.protocol import Protocol, filled, listed
from anysense.runs.curves import LearningCurve, curve_label
from anysense.runs.evaluation_figures import evaluation_figures
from anysense.runs.evaluation_report import evaluation_table, training_in_words
from anysense.runs.figures import Draw, look_of
from anysense.runs.run_folder import plain
from anysense.runs.tables import counted

__all__ = ["evaluate_report", "evaluation_protocol", "figures_and_sections", "options_in_words"]

NO_VALUE = object()
"""Differs from every value."""


def evaluate_report(what: str, saved: SavedResults, curve: LearningCurve | None, record: Mapping[str, Any]) -> Report:
    """The report of one agent.

    Args:
        what: How the agent is called.
        saved: What its evaluation found.
        curve: Learning curve of its training, if there is one.
        record: Record of the run that evaluates it.
    """
    details, world, first = saved.details, stored_world(saved.details["world"]), saved.results[0]
    figures, sections = figures_and_sections(saved.records, details, {} if curve is None else {"training": curve})
    lineage = [one for one in details["lineage"] if one != record]
    return Report(
        title=what,
        about=f"{training_in_words(details)}; {len(first.returns)} episodes of at most {first.steps} steps per row",
        protocol=evaluation_protocol(
            details,
            saved.records,
            lineage,
            f"training seed {details['facts'].get('seed', 'unknown')}; in brackets 95% bootstrap intervals over "
            "episodes.",
            (len(first.returns), first.steps),
        ),
        main=evaluation_table(saved.records, world, tuple(details["modalities"])),
        sections=sections,
        figures=figures,
        records=saved.records,
        runs=[*map(record_of, lineage), record_of(record)],
    )


def evaluation_protocol(
    details: Mapping[str, Any],
    records: Sequence[Record],
    lineage: Sequence[Mapping[str, Any]],
    seeds: str,
    episodes: tuple[int, int],
) -> Protocol:
    """How an agent was measured.

    Args:
        details: Of its evaluation.
        records: What the evaluation found.
        lineage: Records of the runs that it comes from.
        seeds: Which seeds it was trained with, and what the figures over them are.
        episodes: How many, and steps in each.
    """
    world, method = stored_world(details["world"]), details.get("representation")
    column, count = columns_of(world)[0], counted(episodes[0], "episode")
    chance = next((run["settings"].get("missing", 0.0) for run in lineage if run["command"] == "train"), 0.0)
    missing = f"each modality missing for a whole episode with the chance {chance:g}" if chance else "none missing"
    symmetric = next((run["settings"].get("symmetric", False) for run in lineage if run["command"] == "train"), False)
    changed = dict.fromkeys(record.condition for record in records if record.condition)
    gaps = "; gaps are taken episode by episode" if any(record.metric == "gap" for record in records) else ""
    return Protocol(
        measured=f"{column.heading}, {column.better} is better, in {world.id} ({options_in_words(world)}){gaps}.",
        training=f"{training_in_words(details)}; while it was trained, {missing} of {listed(details['trained_with'])}."
        f"{_symmetry(details, symmetric)}",
        test="each row gives only the named modalities, in every step of every episode.",
        filled=filled({} if method is None else {method: method}),
        rates=f"{'; '.join(changed)}: name of the modality, corruption and its level, or chance of a dropout."
        if changed
        else "none: a modality is missing in all steps, or in none; no corruptions.",
        seeds=seeds,
        splits=f"{count} of at most {episodes[1]} steps per row, from states drawn with the seed "
        f"{details['episodes_seed']}, the same for all rows and references; none of them was trained on.",
    )


def _symmetry(details: Mapping[str, Any], trained: bool) -> str:
    """How a symmetric agent acts, as a sentence; results of earlier releases do not say it, and their training does."""
    if not details.get("symmetric", trained):
        return ""
    if not details.get("mirrored", True):
        return (
            " It was trained to act by the mean with the mirror image (`--symmetric`), but here none is known: it acts "
            "on what it observes alone."
        )
    return (
        " It acts by the mean of two actions of its policy: that for what it observes, and the mirror image of that "
        "for the mirror image of what it observes (`--symmetric`); while it was trained, the policy acted by itself."
    )


def options_in_words(world: World) -> str:
    """The options of an environment that differ from the usual ones, as they are typed, for example ``sound=mel``."""
    usual: dict[str, Any] = {} if world.options_class is None else plain(world.options_class())
    shown = [f"{name}={_typed(value)}" for name, value in world.options.items() if value != usual.get(name, NO_VALUE)]
    return f"with {' '.join(shown)}, else the usual options" if shown else "with the usual options"


def _typed(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in value):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def figures_and_sections(
    records: Sequence[Any], details: Mapping[str, Any], curves: Mapping[str, LearningCurve]
) -> tuple[dict[str, Draw], list[Section]]:
    """The figures of evaluations, and the sections of a report that show them."""
    world, method = stored_world(details["world"]), details.get("representation")
    figures = evaluation_figures(records, world, method)
    sections = [Section(figure="score")]
    if "robustness" in figures:
        text = (
            f"{columns_of(world)[0].heading} over the level of a corruption, or the chance that a modality is missing."
        )
        sections.append(Section("Robustness", text, figure="robustness"))
    if curves:
        figures["learning-curves"] = lambda: draw_learning_curves(
            curves, curve_label(world), look_of(method or "agent")
        )
        sections.append(Section("Learning curves", figure="learning-curves"))
    return figures, sections
