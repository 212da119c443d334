"""Clips of an agent that acts: one for each subset of its modalities, with what it perceives beside the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anysense.common.progress import Progress, counter, say
from anysense.envs.audio.recording import SAMPLE_RATE, RecordVideoWithSound, audio_of
from anysense.representations.evaluation.records import subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.runs.panel import WithPanel

if TYPE_CHECKING:
    from anysense.agents.evaluation import EvaluationEpisodes
    from anysense.agents.exported import Agent

__all__ = ["write_clips"]

SILENT_RATE = 16_000
"""Samples per second of silence."""


def write_clips(agent: Agent, episodes: EvaluationEpisodes, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Record the first of the episodes with every subset of the modalities: ``FOLDER/SUBSET.mp4`` and the like.

    What a clip lets hear is what the receivers of the environment hear, whatever the agent has; an environment without
    sound gives silent clips. A clip that fails is left out, with one warning for all of them.

    Args:
        agent: Who acts, in its world.
        episodes: Of which the first is played.
        folder: Where the clips go.
        formats: Some of ``mp4``, ``gif``, ``wav``.

    Returns:
        The files that were written.
    """
    paths: list[Path] = []
    for given in every_subset(tuple(agent.modalities)):
        name = subset_name(given, len(agent.modalities)).replace(" + ", "+")
        try:
            paths += _clip(agent, given, name, episodes, folder, formats)
        except Exception as error:  # Whatever it is, it must not end the evaluation.
            cause = str(error) if isinstance(error, ModuleNotFoundError) else f"{type(error).__name__}: {error}"
            say(f"Warning: no clips from {name!r} on ({cause}). All numbers are there.")
            break
    return paths


def _clip(
    agent: Agent, given: Sequence[str], name: str, episodes: EvaluationEpisodes, folder: Path, formats: Sequence[str]
) -> list[Path]:
    with closing(agent.world.make(render_mode="rgb_array")) as env:
        fps = env.metadata.get("render_fps") or 30
        title = f"{agent.algorithm}, {' and '.join(given)}"
        shown = WithPanel(env, agent.modalities, given, title, agent.world.guide.labels)
        sound = partial(_sound, env, fps)
        recorded = RecordVideoWithSound(shown, folder, name=name, formats=formats, fps=fps, sound=sound)
        try:
            with counter(f"clip of {name}") as progress:
                _play(agent, given, recorded, episodes, progress)
            recorded.finish()
        finally:
            recorded.discard()
    return recorded.paths


def _play(agent: Agent, given: Sequence[str], env: Any, episodes: EvaluationEpisodes, progress: Progress) -> None:
    """The first of the episodes, or what the seed gives where the world cannot be put into states."""
    start = episodes.starts
    options = None if start is None else {key: it[0] for key, it in agent.world.start_options(start[:1]).items()}
    observation, _ = env.reset(seed=episodes.seed, options=options)
    for step in range(episodes.steps):
        action = agent.act({modality: observation[modality] for modality in given})
        observation, _, terminated, truncated, _ = env.step(action)
        progress(step + 1, episodes.steps)
        if terminated or truncated:
            return


def _sound(env: Any, fps: float, observation: Any, info: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """The sound of the environment, or silence."""
    found = audio_of(env, observation, info)
    rate = env.metadata.get(SAMPLE_RATE) or SILENT_RATE
    return np.zeros((1, round(rate / fps)), np.float32) if found is None else found
