"""Evaluation of an agent with given modalities, corrupted or dropped at will, over fixed start states."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from anysense.agents.results import EpisodeResults
from anysense.envs import MultimodalPendulumVectorEnv
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.pendulum import physics
from anysense.envs.pendulum.optimal import split_states
from anysense.envs.pendulum.physics import FloatArray
from anysense.envs.pendulum.simulation import MODALITIES
from anysense.envs.sensors.corruption import Corruption, corrupt_vector, parse_corruption
from anysense.envs.sensors.missing import VectorMissingModalities
from anysense.envs.validation import check_choice, check_names, check_positive_integer

__all__ = ["ActingAgent", "EpisodeResults", "MissingLevel", "evaluate", "every_subset", "start_states"]

BATCH_ENVS = 500
"""Episodes that run side by side; bounds the memory (7.2 kB of image and sound per episode)."""
_OWN_ARGUMENTS = ("modalities", "num_envs", "max_episode_steps", "autoreset_mode")

Progress = Callable[[int, int], None]
"""Called with the steps done and their total number, each counted for a whole batch of episodes."""


class ActingAgent(Protocol):
    """Acts on batches of raw observations, without a memory of earlier ones."""

    def act(self, observation: Mapping[str, npt.NDArray[Any]], /) -> npt.NDArray[Any]:
        """Return torques in N m, shape (N, 1), for arrays of shape (N, ...) by modality and, with dropout, ``present``."""
        ...


@dataclass(frozen=True)
class MissingLevel:
    """How often modalities drop out, see ``anysense.envs.sensors.missing.VectorMissingModalities``.

    Attributes:
        probability: Chance in [0, 1] that a modality is missing: one number for all, or by modality.
        per: How long a draw lasts, ``"step"`` or ``"episode"``.
    """

    probability: float | Mapping[str, float]
    per: Literal["step", "episode"] = "step"

    def __str__(self) -> str:
        """Return the level in words, for instance ``0.3 per step``."""
        if isinstance(self.probability, Mapping):
            return (
                f"{', '.join(f'{modality} {value:g}' for modality, value in self.probability.items())} per {self.per}"
            )
        return f"{self.probability:g} per {self.per}"


def start_states(count: int, seed: int) -> FloatArray:
    """Draw fixed start states: theta ~ U(-pi, pi) rad, omega ~ U(-1, 1) rad/s.

    The first states of a larger draw with the same seed are the same.

    Returns:
        float64 of shape (count, 2).

    Raises:
        ValueError: ``count`` is below 1.
    """
    return physics.sample_start_states(np.random.default_rng(seed), check_positive_integer("count", count))


def every_subset(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all non-empty subsets of modalities, the complete one first, then ever smaller ones in the given order.

    Raises:
        ValueError: There is none, or one twice.
        TypeError: ``modalities`` is no sequence of names.
    """
    names = check_names("modalities", modalities, tuple(modalities))
    return [subset for size in range(len(names), 0, -1) for subset in combinations(names, size)]


def evaluate(
    agent: ActingAgent,
    modalities: Sequence[str],
    starts: npt.ArrayLike,
    steps: int = 300,
    env_kwargs: Mapping[str, Any] | None = None,
    corruption: Sequence[Corruption | str] = (),
    missing: MissingLevel | None = None,
    *,
    seed: int = 0,
    batch_envs: int = BATCH_ENVS,
    name: str = "agent",
    progress: Progress | None = None,
) -> EpisodeResults:
    """Let an agent act with given modalities from given start states.

    The environment makes only what these modalities need, so sound alone renders no frame. Results do not depend on
    ``batch_envs``, as far as the agent acts on each row of a batch by itself.

    Args:
        agent: Who acts.
        modalities: The modalities that it gets, a non-empty subset of those of the environment.
        starts: Start states [theta, omega], shape (N, 2).
        steps: Steps of each episode.
        env_kwargs: Settings of the environment (``receivers``, ``physics`` and so on).
        corruption: Corruptions of these modalities in the order to apply, or their written form ``modality:name:level``.
        missing: Dropout of these modalities; it acts after corruption and adds the entry ``present`` to the observation.
        seed: Seed of corruption and dropout; episode i gets the stream ``seed + i``.
        batch_envs: Episodes that run side by side.
        name: Name of the agent in the results.
        progress: Told about each step.

    Raises:
        ValueError: A name is unknown, a shape or a level is wrong, or an action is NaN or of another shape.
        TypeError: ``modalities`` is no sequence of names.
    """
    names = check_names("modalities", modalities, MODALITIES)
    settings = _env_settings(env_kwargs)
    check_positive_integer("steps", steps)
    check_positive_integer("batch_envs", batch_envs)
    corruptions = [parse_corruption(entry) if isinstance(entry, str) else entry for entry in corruption]
    states = np.stack(split_states(starts), axis=1)
    firsts = range(0, len(states), batch_envs)
    returns = np.empty(len(states))
    for batch, first in enumerate(firsts):
        rows = slice(first, first + batch_envs)
        venv = _build(names, len(states[rows]), settings, corruptions, missing)
        report = None if progress is None else _part(progress, batch * steps, len(firsts) * steps)
        returns[rows] = _run(agent, venv, states[rows], steps, seed + first, report)
    return EpisodeResults(
        name=name,
        modalities=names,
        corruption=tuple(str(entry) for entry in corruptions),
        missing="" if missing is None else str(missing),
        seed=seed,
        steps=steps,
        starts=states,
        returns=returns,
    )


def _env_settings(env_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    settings = dict(env_kwargs or {})
    for own in _OWN_ARGUMENTS:
        if own in settings:
            raise ValueError(
                f"`env_kwargs` must not hold {own!r}, which `evaluate` sets itself; got {settings[own]!r}."
            )
    allowed = ("receivers", "frame_stack", "physics", "antialias", "initial_steps")
    for key in settings:
        check_choice("env_kwargs", key, allowed)
    return settings


def _build(
    modalities: tuple[str, ...],
    count: int,
    settings: Mapping[str, Any],
    corruptions: Sequence[Corruption],
    missing: MissingLevel | None,
) -> VectorEnvironment:
    """Make a vector environment without time limit and without resets of its own."""
    venv: VectorEnvironment = MultimodalPendulumVectorEnv(
        count, modalities=modalities, max_episode_steps=None, autoreset_mode=AutoresetMode.DISABLED, **settings
    )
    for entry in corruptions:
        venv = corrupt_vector(venv, entry.modality, entry.name, entry.level)
    return venv if missing is None else VectorMissingModalities(venv, missing.probability, missing.per)


def _run(
    agent: ActingAgent, venv: VectorEnvironment, states: FloatArray, steps: int, seed: int, report: Progress | None
) -> FloatArray:
    observation, _ = venv.reset(seed=seed, options={"state": states})
    returns = np.zeros(len(states))
    for step in range(steps):
        observation, rewards, _, _, _ = venv.step(agent.act(observation))
        returns += rewards
        if report is not None:
            report(step + 1, steps)
    venv.close()
    return returns


def _part(progress: Progress, done_before: int, total: int) -> Progress:
    """Make the progress of one batch part of the whole."""
    return lambda done, _: progress(done_before + done, total)
