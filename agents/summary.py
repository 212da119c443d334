"""The table of an evaluation: averages, intervals, the gap to the optimal controller, the share of the way to it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anysense.agents.results import EpisodeResults
from anysense.common.statistics import RESAMPLES, Estimate, bootstrap_mean, paired_gap, share_of_optimal
from anysense.envs.pendulum.references import OPTIMAL, RANDOM

__all__ = ["Row", "summarise"]


@dataclass(frozen=True)
class Row:
    """One evaluation in numbers; intervals are 95% bootstrap intervals over episodes.

    Attributes:
        name: Who acted.
        modalities: The modalities that it had; none for controllers that read the true state.
        corruption: Corruptions, written ``modality:name:level``.
        missing: Dropout of modalities in words, ``""`` for none.
        episodes: Number of episodes.
        steps: Steps of each.
        average_reward: Mean over episodes of the average reward per step.
        deviation: Population standard deviation of the average reward over episodes.
        episode_return: Mean of the undiscounted return.
        gap: Mean of the optimal controller's average reward minus this one's over the same starts; 0 is optimal.
        share: Share of the way from random to optimal, 1 is optimal.
    """

    name: str
    modalities: tuple[str, ...]
    corruption: tuple[str, ...]
    missing: str
    episodes: int
    steps: int
    average_reward: Estimate
    deviation: float
    episode_return: Estimate
    gap: Estimate
    share: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON can hold it."""
        return asdict(self) | {"modalities": list(self.modalities), "corruption": list(self.corruption)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Row":
        """Return the row of ``to_json``.

        Raises:
            ValueError: An entry is missing or unknown.
        """
        try:
            estimates = {
                name: Estimate(**content[name]) for name in ("average_reward", "episode_return", "gap", "share")
            }
            names = {name: tuple(content[name]) for name in ("modalities", "corruption")}
            return cls(**{**content, **names, **estimates})
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"`content` is no row of a summary ({error!r}); expected the result of `to_json`."
            ) from error


def summarise(
    results: Sequence[EpisodeResults],
    references: Mapping[str, EpisodeResults],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Row]:
    """Summarise evaluations and then the reference rows.

    Args:
        results: Evaluations.
        references: ``reference_returns`` of the same start states and number of steps.
        resamples: Bootstrap resamples of each interval.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: A reference is missing, or start states or numbers of steps differ.
    """
    for name in (OPTIMAL, RANDOM):
        if name not in references:
            raise ValueError(f"`references` must hold {name!r}, got {sorted(references)}; use `reference_returns`.")
    rows = [*results, *references.values()]
    for result in rows:
        _check_same_episodes(result, references[OPTIMAL])
    return [_summarise_one(result, references[OPTIMAL], references[RANDOM], resamples, seed) for result in rows]


def _check_same_episodes(result: EpisodeResults, reference: EpisodeResults) -> None:
    if result.steps != reference.steps or not np.array_equal(result.starts, reference.starts):
        raise ValueError(
            f"`results` of {result.name!r} ({len(result.starts)} episodes of {result.steps} steps) and `references` "
            f"({len(reference.starts)} of {reference.steps}) must have the same start states in the same order and the "
            "same number of steps; run `reference_returns` on the start states of the evaluation."
        )


def _summarise_one(
    result: EpisodeResults, optimal: EpisodeResults, random: EpisodeResults, resamples: int, seed: int
) -> Row:
    average = bootstrap_mean(result.average_reward, resamples=resamples, seed=seed)
    gap = paired_gap(result.average_reward, optimal.average_reward, resamples=resamples, seed=seed)
    share = share_of_optimal(
        result.average_reward, random.average_reward, optimal.average_reward, resamples=resamples, seed=seed
    )
    return Row(
        name=result.name,
        modalities=result.modalities,
        corruption=result.corruption,
        missing=result.missing,
        episodes=len(result.returns),
        steps=result.steps,
        average_reward=average,
        deviation=float(result.average_reward.std()),
        episode_return=average.scaled(result.steps),
        gap=gap,
        share=share,
    )
