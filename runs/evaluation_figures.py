"""The records of an evaluation as charts: a bar per input, and curves over levels of corruption and dropout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from anysense.agents.summary import columns_of
from anysense.envs.world import World
from anysense.representations.evaluation.records import Record
from anysense.runs.charts import Bar, Line, draw_bars, draw_lines, legend_below
from anysense.runs.comparisons.cells import estimate
from anysense.runs.comparisons.limits import within_limits
from anysense.runs.evaluation_report import distinct, input_label, inputs_of, name_of_agent, references_of
from anysense.runs.figures import LINE, Draw, Look, axis_label, look_of, modality_colours, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_evaluation", "draw_robustness", "evaluation_figures", "levels_in"]

PANELS_PER_ROW = 3
FEWEST_LEVELS = 2
"""Levels beside that of no corruption from which they make a curve; fewer are bars."""

Levels = dict[str, dict[str, list[tuple[float, str]]]]
"""By kind of corruption or dropout, and by subset: (level, condition of the records), the level 0 included."""


def evaluation_figures(records: Sequence[Record], world: World, method: str | None) -> dict[str, Draw]:
    """How to draw each figure, by name.

    Args:
        records: Of an evaluation, of one or several seeds.
        world: Where the agent acted.
        method: Method of its representation, which gives the colour; None if unknown.
    """
    drawn: dict[str, Draw] = {"score": lambda: draw_evaluation(records, world, method)}
    if levels_in(records):
        drawn["robustness"] = lambda: draw_robustness(records, world)
    return drawn


def levels_in(records: Sequence[Record]) -> Levels:
    """The kinds of corruption and dropout that were evaluated at several levels."""
    inputs = inputs_of(records)
    found: Levels = {}
    for subset, condition in inputs:
        kind, level = _level(condition)
        if level is not None:
            found.setdefault(kind, {}).setdefault(subset, []).append((level, condition))
    enough: Levels = {}
    for kind, subsets in found.items():
        if len({level for points in subsets.values() for level, _ in points if level > 0}) >= FEWEST_LEVELS:
            enough[kind] = {
                subset: sorted(_from_zero(points, (subset, "") in inputs)) for subset, points in subsets.items()
            }
    return enough


def _level(condition: str) -> tuple[str, float | None]:
    """Kind and level of a condition such as ``image:gaussian_noise:0.1`` or ``dropout 0.3 per step``."""
    words = condition.split(" ")
    kind, number = condition.rpartition(":")[::2]
    if words[0] == "dropout" and len(words) == 4:
        kind, number = f"dropout {words[2]} {words[3]}", words[1]
    try:
        return kind, float(number) if ", " not in condition else None
    except ValueError:
        return condition, None


def _from_zero(points: list[tuple[float, str]], clean: bool) -> Iterator[tuple[float, str]]:
    if clean and all(level > 0 for level, _ in points):
        yield 0.0, ""
    yield from points


def draw_evaluation(records: Sequence[Record], world: World, method: str | None = None) -> Figure:
    """Bar chart of the score of the world: a bar per input that is no point of a curve, a line per reference."""
    column, name, known = columns_of(world)[0], name_of_agent(records), distinct(records)
    curves = {point for kinds in levels_in(records).values() for one in kinds.values() for _, point in one if point}
    bars = []
    for subset, condition in inputs_of(records):
        if condition not in curves:
            found = within_limits(estimate(known, name, subset, column.key, condition), column)
            bars.append(Bar(input_label(subset, condition), found.value, found.low, found.high))
    labels = world.reference_labels()
    references = {labels.get(one, one): estimate(known, one, "", column.key).value for one in references_of(records)}
    figure, _ = draw_bars(bars, references, axis_label(column), column.digits, look_of(method or name).colour)
    return figure


def draw_robustness(records: Sequence[Record], world: World) -> Figure:
    """Score against the level of each corruption and the chance of dropout, with intervals; a line per subset."""
    kinds = levels_in(records)
    columns = min(len(kinds), PANELS_PER_ROW)
    rows = -(-len(kinds) // columns)
    figure = new_figure(max(6.0, 4.0 * columns), 0.8 + 3.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    colours = modality_colours(list(dict.fromkeys(subset for subset, _ in inputs_of(records))))
    for ax, (kind, subsets) in zip(axes, kinds.items(), strict=False):
        _draw_kind(ax, records, world, subsets, colours)
        ax.set_title(kind, fontsize=10)
        ax.set_xlabel("chance that a modality is missing" if kind.startswith("dropout ") else "level")
    for place, ax in enumerate(axes):
        ax.set_axis_off() if place >= len(kinds) else None
        if place % columns:
            ax.set_ylabel("")
    found = {name: line for ax in axes for line, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    legend_below(figure, list(found.values()), list(found))
    return figure


def _draw_kind(
    ax: Axes,
    records: Sequence[Record],
    world: World,
    subsets: dict[str, list[tuple[float, str]]],
    colours: dict[str, str],
) -> None:
    column, name, known = columns_of(world)[0], name_of_agent(records), distinct(records)
    if world.optimum is not None:
        label = world.reference_labels().get(world.optimum, world.optimum)
        ax.axhline(estimate(known, world.optimum, "", column.key).value, ls="--", color=LINE, lw=1.2, label=label)
    lines = []
    for subset, points in subsets.items():
        found = [estimate(known, name, subset, column.key, condition) for _, condition in points]
        drawn = [within_limits(one, column) for one in found]
        values = [(level, one.value, one.low, one.high) for (level, _), one in zip(points, drawn, strict=True)]
        marker = "os^Dv<>Pp"[list(colours).index(subset) % 9]
        lines.append(Line(subset, values, Look(colours[subset], marker)))
    draw_lines(ax, lines, axis_label(column), turned=column.better == "lower")
