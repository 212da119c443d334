"""Who acts while observations are collected: random actions, a function of the user's, or an exported agent."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anysense.common.errors import unknown_name
from anysense.common.hub.reference import reference_in
from anysense.envs.sensors.model import PRESENT, present_modalities
from anysense.envs.world import World
from anysense.runs.agents import say_if_lopsided
from anysense.runs.locate import find_agent
from anysense.runs.option_types import expanded

if TYPE_CHECKING:
    from anysense.agents.exported import Agent
    from anysense.representations.data.collect import Actor

__all__ = ["OTHER_POLICIES", "actor_of"]

OTHER_POLICIES = ("MODULE:FUNCTION", "AGENT_FOLDER", "hub:OWNER/NAME")
"""What the option takes besides the names of a world."""


def actor_of(policy: str | None, known: World) -> "Actor | None":
    """Who acts under a policy of collection; None for random actions in the episodes that the world plans for it.

    Args:
        policy: A policy of the world, ``module:function``, the folder of an exported agent or of its run, or an agent
            on a hub.
        known: The world.

    Raises:
        ValueError: It is none of these, the module or the function cannot be imported, or the agent does not fit.
        FileNotFoundError: The folder holds no agent.
    """
    if policy is None or policy in known.policies:
        return None
    if expanded(policy).is_dir() or reference_in(policy) is not None:
        return _agent(expanded(policy), known)
    module, colon, function = policy.rpartition(":")
    if not colon:
        problem = unknown_name("policy", policy, (*known.policies, *OTHER_POLICIES))
        raise ValueError(f"{problem} There is no folder {policy!r} either.")
    return _function(policy, module, function)


def _function(policy: str, module: str, function: str) -> "Actor":
    """The function ``module:function``; the module may lie in this folder."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        found: Any = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise ValueError(f"`policy` {policy!r} cannot be imported: {type(error).__name__}: {error}.") from error
    if not callable(found):
        raise ValueError(
            f"`policy` {policy!r} must be a function of the observation and a random generator that returns actions; "
            f"got {type(found).__name__}."
        )
    actor: Actor = found
    return actor


def _agent(folder: Path, known: World) -> "Actor":
    from anysense.agents.exported import Agent

    agent = Agent.load(find_agent(folder, folder))
    offered = present_modalities(known.observation_space)
    columns = [column for column, name in enumerate(offered) if name in agent.modalities]
    if [offered[column] for column in columns] != sorted(
        agent.modalities
    ) or agent.world.action_space != known.action_space:
        raise ValueError(
            f"`policy` {folder} is an agent for {agent.world.id} with {', '.join(agent.modalities)}; {known.id} has "
            f"{', '.join(offered)} and actions {known.action_space}. Give an agent of this environment."
        )
    agent.world = known
    say_if_lopsided(agent)
    return _Acting(agent, columns)


class _Acting:
    """An agent that gets those entries of an observation that it knows."""

    def __init__(self, agent: "Agent", columns: list[int]) -> None:
        self.agent, self.columns = agent, columns

    def __call__(self, observation: Mapping[str, Any], rng: np.random.Generator) -> Any:
        known = {name: observation[name] for name in self.agent.modalities}
        if PRESENT in observation:
            known[PRESENT] = observation[PRESENT][:, self.columns]
        return self.agent.act(known)
