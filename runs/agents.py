"""An exported agent in the world that was asked for on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.progress import say
from anysense.runs.worlds import changed_world, check_fits, named_world, parsed

if TYPE_CHECKING:
    from anysense.agents.exported import Agent

__all__ = ["load_agent", "say_if_lopsided"]


def load_agent(path: Path, env: str | None, env_option: Sequence[str], device: str) -> Agent:
    """The agent of a folder; its world is the one it was trained in, with what was given instead.

    Args:
        path: Folder of an exported agent.
        env: Id of another world, or of its own, which confirms its module; None for its own.
        env_option: Options as key=value that differ.
        device: Where it runs.

    Raises:
        ValueError: The agent is damaged, a world or an option unknown, or its modalities look different there.
    """
    from anysense.agents.exported import Agent

    named = None if env is None else named_world(env)  # Naming its module confirms it.
    agent = Agent.load(path, device)
    trained = agent.world
    if named is not None and named.id != agent.world.id:
        agent.world = named_world(named.id, parsed(env_option))
    elif env_option:
        agent.world = changed_world(agent.world, env_option)
    if agent.world != trained:
        shapes = {name: modality.shape for name, modality in agent.modalities.items()}
        check_fits(agent.world, trained, shapes, "agent")
    return agent


def say_if_lopsided(agent: Agent) -> None:
    """Say that an agent was trained to act alike on mirror images, and acts in a world that has none."""
    if agent.symmetric and agent.mirror is None:
        say(
            f"The agent is symmetric, but no mirror image of {agent.world.id} with the options "
            f"{dict(agent.world.options)} is known: it acts on what it observes alone, not by the mean with the mirror "
            "image"
        )
