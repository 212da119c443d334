"""Evaluation of an agent in a world, with given modalities, corrupted or missing, over fixed episodes.

Letters: N episodes, K numbers of a state.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.agents.results import EpisodeResults
from anysense.common.machine import processors
from anysense.common.validation import check_names, check_positive_integer
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.sensors.corruption import Corruption, VectorCorrupt, parse_corruption
from anysense.envs.sensors.missing import VectorMissingModalities
from anysense.envs.world import Progress, World

__all__ = ["ActingAgent", "EvaluationEpisodes", "MissingLevel", "RandomAgent", "evaluate", "reference_results"]

BATCH_ENVS = 500
"""Episodes that run side by side; bounds the memory."""
LONGEST_EPISODE = 10_000
"""Steps after which an episode is cut where neither the world nor the caller says how long it may be."""

FloatArray = npt.NDArray[np.float64]


class ActingAgent(Protocol):
    """Acts on batches of raw observations, without a memory of earlier ones."""

    def act(self, observation: Mapping[str, npt.NDArray[Any]], /) -> npt.NDArray[Any]:
        """Actions (N, *shape of an action) from arrays (N, ...) by modality and, with dropout, ``present``."""
        ...


@dataclass(frozen=True)
class MissingLevel:
    """How often modalities drop out, see ``anysense.envs.VectorMissingModalities``.

    Attributes:
        probability: Chance in [0, 1] that a modality is missing: one number for all, or by modality.
        per: How long a draw lasts, ``"step"`` or ``"episode"``.
    """

    probability: float | Mapping[str, float]
    per: Literal["step", "episode"] = "step"

    def __str__(self) -> str:
        """The level in words, for instance ``0.3 per step``."""
        if isinstance(self.probability, Mapping):
            return f"{', '.join(f'{name} {value:g}' for name, value in self.probability.items())} per {self.per}"
        return f"{self.probability:g} per {self.per}"


@dataclass(frozen=True, eq=False)
class EvaluationEpisodes:
    """The episodes of an evaluation.

    Attributes:
        count: N.
        steps: Most steps of an episode.
        seed: Seed of what is random: episode i gets the stream ``seed + i``.
        starts: Start states (N, K), or None where the world cannot be put into states: then episode i is that of
            ``reset(seed=seed + i)``.
    """

    count: int
    steps: int
    seed: int
    starts: FloatArray | None

    @classmethod
    def of(cls, world: World, count: int, steps: int | None, seed: int) -> "EvaluationEpisodes":
        """The usual episodes of a world; the first ones of a larger count with the same seed are the same.

        ``steps`` None stands for the time limit of the world, which no episode exceeds where the environment itself
        draws the starts. Raises ValueError if ``count`` or ``steps`` is below 1.
        """
        check_positive_integer("episodes", count)
        usual = world.episode_steps or LONGEST_EPISODE
        length = check_positive_integer("steps", usual if steps is None else steps)
        starts = world.start_states(count, seed)
        if starts is None and world.episode_steps is not None:
            length = min(length, world.episode_steps)
        return cls(count, length, seed, starts)

    def part(self, first: int, most: int) -> "EvaluationEpisodes":
        """At most ``most`` of the episodes, from number ``first`` on."""
        rows = slice(first, min(first + most, self.count))
        starts = None if self.starts is None else self.starts[rows]
        return EvaluationEpisodes(rows.stop - first, self.steps, self.seed + first, starts)

    def results(
        self, name: str, returns: FloatArray, lengths: npt.NDArray[np.int64] | None = None, **more: Any
    ) -> EpisodeResults:
        """Results of these episodes; ``lengths`` None: each had all steps. ``more``: fields of `EpisodeResults`."""
        found = np.full(self.count, self.steps, dtype=np.int64) if lengths is None else lengths
        return EpisodeResults(name, returns, found, self.starts, seed=self.seed, steps=self.steps, **more)


class RandomAgent:
    """Draws actions uniformly from an action space, independently of the observation.

    Args:
        space: Space of one action.
        seed: Seed of the draws.
    """

    def __init__(self, space: gym.Space[Any], seed: int) -> None:
        self.space = copy.deepcopy(space)
        self.space.seed(seed)

    def act(self, observation: Mapping[str, npt.NDArray[Any]], /) -> npt.NDArray[Any]:
        """One action per row."""
        count = len(next(iter(observation.values())))
        return np.stack([np.asarray(self.space.sample()) for _ in range(count)])


def evaluate(
    agent: ActingAgent,
    world: World,
    modalities: Sequence[str],
    episodes: EvaluationEpisodes,
    corruption: Sequence[Corruption | str] = (),
    missing: MissingLevel | None = None,
    *,
    batch_envs: int = BATCH_ENVS,
    name: str = "agent",
    progress: Progress | None = None,
) -> EpisodeResults:
    """Let an agent act with given modalities.

    The world makes only the named modalities where it can, so sound alone renders no frame. Results do not depend on
    ``batch_envs``, as far as the agent acts on each row of a batch by itself.

    Args:
        agent: Who acts.
        world: Where.
        modalities: The modalities that it gets, a non-empty subset of those of the world.
        episodes: Which episodes.
        corruption: Corruptions of these modalities in the order to apply, or their text ``modality:name:level``.
        missing: Dropout of these modalities; it acts after corruption and adds the entry ``present``.
        batch_envs: Episodes that run side by side.
        name: Name of the agent in the results.
        progress: Told about each step.

    Raises:
        ValueError: A name is unknown, a shape or a level is wrong, or an action is NaN or of another shape.
        TypeError: ``modalities`` is no sequence of names.
    """
    names = check_names("modalities", modalities, world.modalities)
    check_positive_integer("batch_envs", batch_envs)
    check_positive_integer("episodes", episodes.count)
    corruptions = [parse_corruption(entry) if isinstance(entry, str) else entry for entry in corruption]
    most = min(batch_envs, processors()) if world.vector == "async" else batch_envs
    parts = [episodes.part(first, most) for first in range(0, episodes.count, most)]
    found, venv = [], None
    try:
        for number, part in enumerate(parts):
            if venv is None or venv.num_envs != part.count:
                _close(venv)
                venv = _build(world, names, part, corruptions, missing)
            found.append(_run(agent, venv, world, part, progress, number * part.steps, len(parts) * part.steps))
    finally:
        _close(venv)
    returns, lengths = (np.concatenate(column) for column in zip(*found, strict=True))
    dropped, corrupted = "" if missing is None else str(missing), tuple(map(str, corruptions))
    return episodes.results(name, returns, lengths, modalities=names, corruption=corrupted, missing=dropped)


def reference_results(
    world: World,
    episodes: EvaluationEpisodes,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, EpisodeResults]:
    """Results of the reference controllers of a world by name; of random actions where it has none of its own.

    Raises:
        ValueError: There are ``options`` but no references that they could be of.
    """
    if episodes.starts is not None:
        found = world.references(episodes.starts, episodes.steps, episodes.seed, options or {}, progress)
        if found:
            pairs = {name: one if isinstance(one, tuple) else (one, None) for name, one in found.items()}
            return {name: episodes.results(name, *pair) for name, pair in pairs.items()}
    elif options:
        raise ValueError(f"`reference_option` has no meaning for {world.id}; got {dict(options)}.")
    agent = RandomAgent(world.action_space, episodes.seed)
    random = evaluate(agent, world, world.modalities, episodes, name="random", progress=progress)
    return {"random": replace(random, modalities=())}


def _build(
    world: World,
    modalities: tuple[str, ...],
    episodes: EvaluationEpisodes,
    corruptions: Sequence[Corruption],
    missing: MissingLevel | None,
) -> VectorEnvironment:
    """One environment per episode, with the modalities as the agent gets them."""
    limit = None if episodes.starts is not None else episodes.steps
    venv = world.make_vec(episodes.count, modalities, episode_steps=limit)
    for entry in corruptions:
        venv = VectorCorrupt(venv, entry)
    return venv if missing is None else VectorMissingModalities(venv, missing.probability, missing.per)


def _run(
    agent: ActingAgent,
    venv: VectorEnvironment,
    world: World,
    episodes: EvaluationEpisodes,
    progress: Progress | None,
    steps_before: int,
    steps_in_all: int,
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Returns and lengths of the first episode of each environment; what follows it does not count."""
    options = None if episodes.starts is None else world.start_options(episodes.starts)
    observation, _ = venv.reset(seed=episodes.seed, options=options)
    returns, lengths = np.zeros(venv.num_envs), np.zeros(venv.num_envs, dtype=np.int64)
    running = np.ones(venv.num_envs, dtype=np.bool_)
    for step in range(episodes.steps):
        observation, rewards, terminated, truncated, _ = venv.step(agent.act(observation))
        returns += np.where(running, rewards, 0.0)
        lengths += running
        running &= ~(terminated | truncated)
        if progress is not None:
            progress(steps_before + step + 1, steps_in_all)
        if not running.any():
            break
    return returns, lengths


def _close(venv: VectorEnvironment | None) -> None:
    if venv is not None:
        venv.close()
