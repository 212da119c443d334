"""The records of an evaluation as a table, a chart and plain words."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anysense.agents.summary import columns_of
from anysense.common.statistics import Estimate
from anysense.envs.world import World
from anysense.representations.evaluation.records import COMPLETE, Column, Record
from anysense.runs.comparisons.cells import estimate
from anysense.runs.figures import Bar, draw_bars
from anysense.runs.tables import Table, with_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_evaluation", "evaluation_table", "input_label", "inputs_of", "references_of", "sentence"]

AGENT = "agent"


def input_label(subset: str, condition: str) -> str:
    """For example ``sound`` or ``complete, image:gaussian_noise:0.1``."""
    return f"{subset}, {condition}" if condition else subset


def inputs_of(records: Sequence[Record]) -> list[tuple[str, str]]:
    """(subset, condition) of the rows of agents, in order."""
    return list(dict.fromkeys((record.subset, record.condition) for record in records if record.subset))


def references_of(records: Sequence[Record]) -> list[str]:
    """Names of the references, in order."""
    return list(dict.fromkeys(record.method for record in records if not record.subset))


def evaluation_table(
    records: Sequence[Record], world: World, modalities: Sequence[str], columns: Sequence[Column] | None = None
) -> Table:
    """One row per input of the agent and per reference; over seeds where the records have several."""
    chosen = tuple(columns or columns_of(world))
    rows, labels = [], world.reference_labels()
    for subset, condition in inputs_of(records):
        name = input_label(subset, condition)
        name = f"{name} ({' and '.join(modalities)})" if name == COMPLETE else name
        rows.append((name, *(_text(records, _agent_in(records), subset, condition, column) for column in chosen)))
    rule = len(rows) - 1
    for name in references_of(records):
        rows.append((labels.get(name, name), *(_text(records, name, "", "", column) for column in chosen)))
    return Table(("input", *(column.title for column in chosen)), rows, rules=[rule])


def _agent_in(records: Sequence[Record]) -> str:
    return next((record.method for record in records if record.subset), AGENT)


def _text(records: Sequence[Record], method: str, subset: str, condition: str, column: Column) -> str:
    found = estimate(_distinct(records), method, subset, column.key, condition)
    if math.isnan(found.value):
        return "-"
    factor, digits = (100.0, 1) if column.percent else (1.0, column.digits)
    scaled = Estimate(factor * found.value, factor * found.low, factor * found.high)
    if column.percent:
        return f"{scaled.value:z.{digits}f}%"
    return with_interval(scaled.value, scaled.low, scaled.high, digits)


def _distinct(records: Sequence[Record]) -> list[Record]:
    """References are the same for every seed: one record of each, with its interval over episodes."""
    agents = [record for record in records if record.subset]
    references = {(record.method, record.metric, record.condition): record for record in records if not record.subset}
    return [*agents, *references.values()]


def draw_evaluation(records: Sequence[Record], world: World, modalities: Sequence[str]) -> "Figure":
    """Bar chart of the score of the world: a bar per input, a dashed line per reference."""
    column, method = columns_of(world)[0], _agent_in(records)
    bars = []
    for subset, condition in inputs_of(records):
        found = estimate(_distinct(records), method, subset, column.key, condition)
        bars.append(Bar(input_label(subset, condition), found.value, found.low, found.high))
    labels = world.reference_labels()
    references = {
        labels.get(name, name): estimate(_distinct(records), name, "", column.key).value
        for name in references_of(records)
    }
    figure, _ = draw_bars(bars, references, f"{column.title}, {column.better} is better", digits=column.digits)
    return figure


def sentence(records: Sequence[Record], world: World, trained_with: Sequence[str], modalities: Sequence[str]) -> str:
    """What happened, in one sentence."""
    column, method = columns_of(world)[0], _agent_in(records)
    own = COMPLETE if len(trained_with) == len(modalities) else " + ".join(trained_with)
    text = f"Trained with {' and '.join(trained_with)}, the agent reaches an {column.title} of "
    text = text.replace("an return", "a return")
    others = ""
    for subset, condition in inputs_of(records):
        if condition:
            continue
        found = estimate(records, method, subset, column.key)
        share = estimate(records, method, subset, "share").value
        reached = f"{found.value:z.{min(column.digits, 2)}f}"
        reached += f" ({share:z.1%} of the way from random to optimal)" if not math.isnan(share) else ""
        if subset == own:
            text += reached
        else:
            others += f", on {subset}{' alone' if '+' not in subset else ''} without further training {reached}"
    if world.optimum is None:
        return f"{text}{others}."
    optimum = estimate(_distinct(records), world.optimum, "", column.key).value
    return f"{text}{others}; optimal control reaches {optimum:z.2f}."
