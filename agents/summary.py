"""The summary of an evaluation: means with intervals, the gap to the best known control, the share of the way to it."""

from collections.abc import Iterable, Mapping, Sequence

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
    """What an evaluation in this world reports; the score first."""
    keys = ["average_reward", "return"] if world.score == "average_reward" else ["return", "average_reward", "length"]
    return tuple(COLUMNS[key] for key in (*keys, *(("gap", "share") if world.optimum is not None else ())))


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

    Args:
        results: Evaluations of one agent.
        references: ``reference_results`` of the same episodes.
        world: The world.
        method: What the records call the agent.
        resamples: Bootstrap resamples of each interval.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: Results and references are not of the same episodes.
    """
    optimum = references.get(world.optimum) if world.optimum is not None else None
    records: list[Record] = []
    for result in (*results, *references.values()):
        if optimum is not None:
            _check_same_episodes(result, optimum)
        values = _estimates(result, optimum, references.get(RANDOM), world, resamples, seed)
        name = method if result in results else result.name
        subset = subset_name(result.modalities, len(world.modalities)) if result.modalities else ""
        records += [
            Record(subset, metric, one.value, result.condition, one.low, one.high, name) for metric, one in values
        ]
    return records


def _estimates(
    result: EpisodeResults,
    optimum: EpisodeResults | None,
    random: EpisodeResults | None,
    world: World,
    resamples: int,
    seed: int,
) -> Iterable[tuple[str, Estimate]]:
    average = bootstrap_mean(result.average_reward, resamples=resamples, seed=seed)
    yield "average_reward", average
    same_length = bool((result.lengths == result.lengths[0]).all())
    if same_length:
        yield "return", average.scaled(int(result.lengths[0]))
    else:
        yield "return", bootstrap_mean(result.returns, resamples=resamples, seed=seed)
    if world.score == "return":
        yield "length", bootstrap_mean(result.lengths, resamples=resamples, seed=seed)
    if optimum is None:
        return
    own, best = result.score(world), optimum.score(world)
    yield "gap", paired_gap(own, best, resamples=resamples, seed=seed)
    if random is not None and random.score(world).mean() < best.mean():
        yield "share", share_of_optimal(own, random.score(world), best, resamples=resamples, seed=seed)


def _check_same_episodes(result: EpisodeResults, reference: EpisodeResults) -> None:
    same = result.steps == reference.steps and len(result.returns) == len(reference.returns)
    if same and result.starts is not None and reference.starts is not None:
        same = np.array_equal(result.starts, reference.starts)
    if not same:
        raise ValueError(
            f"`results` of {result.name!r} ({len(result.returns)} episodes of {result.steps} steps) and `references` "
            f"({len(reference.returns)} of {reference.steps}) must be of the same episodes; use `reference_results` "
            "with the episodes of the evaluation."
        )
