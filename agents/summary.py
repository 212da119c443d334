"""The summary of an evaluation: means with intervals, the gap to the best known control, the share of the way to it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from anysense.agents.results import EpisodeResults
from anysense.common.statistics import RESAMPLES, Estimate, bootstrap_mean, paired_gap, share_of_optimal
from anysense.envs.world import World
from anysense.representations.evaluation.records import Column, Record, subset_name

__all__ = ["COLUMNS", "columns_of", "summarise"]

RANDOM = "random"
COLUMNS = {
    "average_reward": Column("average_reward", "average reward per step"),
    "return": Column("return", "return", digits=1),
    "length": Column("length", "steps", digits=0),
    "gap": Column("gap", "gap to the optimum", better="lower"),
    "share": Column("share", "random to optimum", percent=True),
}


def columns_of(world: World) -> tuple[Column, ...]:
    """What an evaluation in this world reports, with the limits that its rewards give; the score first."""
    low, high = world.rewards
    ends = {"average_reward": (low, high), "return": (0.0 if low >= 0 else -math.inf, 0.0 if high <= 0 else math.inf)}
    keys = ["average_reward", "return"] if world.score == "average_reward" else ["return", "average_reward", "length"]
    columns = tuple(COLUMNS[key] for key in (*keys, *(("gap", "share") if world.optimum is not None else ())))
    return tuple(replace(column, limits=ends.get(column.key, column.limits)) for column in columns)


def summarise(
    results: Sequence[EpisodeResults],
    references: Mapping[str, EpisodeResults],
    world: World,
    *,
    method: str = "agent",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Record]:
    """Records of evaluations and then of the references; intervals are 95% bootstrap intervals over episodes.

    ``gap`` is the mean of the optimum's score minus this one's, episode by episode; ``share`` is the share of the way
    from random to the optimum, and left out where the optimum is not better than random.

    ``results`` are evaluations of one agent, which the records call ``method``, ``references`` the
    `reference_results` of the same episodes (otherwise ValueError). ``seed`` is that of the bootstrap.
    """
    optimum, random = references.get(world.optimum or ""), references.get(RANDOM)
    records: list[Record] = []
    for result in (*results, *references.values()):
        estimates = _estimates(result, world, resamples=resamples, seed=seed)
        if optimum is not None:
            _check_same_episodes(result, optimum)
            own, best = result.score(world), optimum.score(world)
            estimates["gap"] = paired_gap(own, best, resamples=resamples, seed=seed)
            if random is not None and random.score(world).mean() < best.mean():
                share = share_of_optimal(own, random.score(world), best, resamples=resamples, seed=seed)
                estimates["share"] = share
        name = method if result in results else result.name
        subset = subset_name(result.modalities, len(world.modalities)) if result.modalities else ""
        for metric, one in estimates.items():
            records.append(Record(subset, metric, one.value, result.condition, one.low, one.high, name))
    return records


def _estimates(result: EpisodeResults, world: World, **bootstrap: int) -> dict[str, Estimate]:
    """Averages over the episodes of one evaluation."""
    average = bootstrap_mean(result.average_reward, **bootstrap)
    same_length = bool((result.lengths == result.lengths[0]).all())
    total = average.scaled(int(result.lengths[0])) if same_length else bootstrap_mean(result.returns, **bootstrap)
    found = {"average_reward": average, "return": total}
    return found if world.score != "return" else {**found, "length": bootstrap_mean(result.lengths, **bootstrap)}


def _check_same_episodes(result: EpisodeResults, reference: EpisodeResults) -> None:
    same = result.steps == reference.steps and len(result.returns) == len(reference.returns)
    if same and result.starts is not None and reference.starts is not None:
        same = np.array_equal(result.starts, reference.starts)
    if not same:
        raise ValueError(
            f"`results` of {result.name!r} ({len(result.returns)} episodes, {result.steps} steps) and `references` "
            f"({len(reference.returns)}, {reference.steps}) must be of the same episodes; see `reference_results`."
        )
