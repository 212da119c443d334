"""The records of an evaluation as a table, and in plain words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from anysense.agents.summary import columns_of
from anysense.common.statistics import Estimate
from anysense.envs.world import World
from anysense.representations.evaluation.records import COMPLETE, Column, Record
from anysense.runs.comparisons.cells import estimate
from anysense.runs.tables import Table, with_interval

__all__ = [
    "distinct",
    "evaluation_table",
    "input_label",
    "inputs_of",
    "name_of_agent",
    "references_of",
    "sentence",
    "training_in_words",
]

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
        rows.append((name, *(_text(records, name_of_agent(records), subset, condition, column) for column in chosen)))
    rule = len(rows) - 1
    for name in references_of(records):
        rows.append((labels.get(name, name), *(_text(records, name, "", "", column) for column in chosen)))
    return Table(("input", *(column.title for column in chosen)), rows, rules=[rule])


def name_of_agent(records: Sequence[Record]) -> str:
    """Who acts in the rows that are no references."""
    return next((record.method for record in records if record.subset), AGENT)


def _text(records: Sequence[Record], method: str, subset: str, condition: str, column: Column) -> str:
    found = estimate(distinct(records), method, subset, column.key, condition)
    if math.isnan(found.value):
        return "-"
    factor, digits = column.factor, 1 if column.percent else column.digits
    scaled = Estimate(factor * found.value, factor * found.low, factor * found.high)
    if column.percent:
        return f"{scaled.value:z.{digits}f}%"
    return with_interval(scaled.value, scaled.low, scaled.high, digits)


def distinct(records: Sequence[Record]) -> list[Record]:
    """All records; of references, which are the same for every seed, one each, with its interval over episodes."""
    agents = [record for record in records if record.subset]
    references = {(record.method, record.metric, record.condition): record for record in records if not record.subset}
    return [*agents, *references.values()]


def training_in_words(details: Mapping[str, Any], seeds: Sequence[int] = ()) -> str:
    """What an agent was trained with, from the details that its results keep; over several seeds if they are given.

    For example "trained with image and sound by sac for 40000 steps (seed 0, kept after 35000), on a frozen gmc".
    """
    facts, steps = details["facts"], details.get("training_steps")
    length = "" if steps is None else f" for {steps} steps"
    method = details.get("representation")
    notes = [f"seed {facts['seed']}"] if "seed" in facts else []
    kept = facts.get("steps")
    notes += [] if kept is None else [f"kept after {kept}{_beyond(kept, steps)}"]
    if len(seeds) > 1:
        notes = [f"seeds {', '.join(map(str, seeds))}"]
    noted = f" ({', '.join(notes)})" if notes else ""
    return (
        f"trained with {' and '.join(details['trained_with'])} by {details['algorithm']}{length}"
        f"{noted} on a frozen {f'{method} ' if method else ''}representation"
        f"{' with standardised latents' if details.get('standardised') else ''}"
    )


def _beyond(kept: int, asked: int | None) -> str:
    return f": several environments step at a time, so that it ended beyond {asked}" if asked and kept > asked else ""


def sentence(records: Sequence[Record], world: World, trained_with: Sequence[str], modalities: Sequence[str]) -> str:
    """What happened, in one sentence."""
    column, method = columns_of(world)[0], name_of_agent(records)
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
    optimum = estimate(distinct(records), world.optimum, "", column.key).value
    return f"{text}{others}; optimal control reaches {optimum:z.2f}."
