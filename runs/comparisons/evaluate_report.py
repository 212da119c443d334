"""The reports of evaluations of agents: of one agent, and of several that differ in their seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from anysense.agents.results import SavedResults
from anysense.agents.summary import columns_of
from anysense.envs.world import stored_world
from anysense.runs.charts import draw_learning_curves
from anysense.runs.comparisons.report import Report, Section, record_of
from anysense.runs.curves import LearningCurve, curve_label
from anysense.runs.evaluation_figures import evaluation_figures
from anysense.runs.evaluation_report import evaluation_table, training_in_words
from anysense.runs.figures import Draw, look_of

__all__ = ["evaluate_report", "figures_and_sections"]


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
        protocol=(
            f"Environment: {world.id}; options: {world.to_json()['options'] or 'none'}. Each row gives only the named "
            "modalities, the others are left out. In brackets 95% bootstrap intervals over episodes."
        ),
        main=evaluation_table(saved.records, world, tuple(details["modalities"])),
        sections=sections,
        figures=figures,
        records=saved.records,
        runs=[*map(record_of, lineage), record_of(record)],
    )


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
