"""Who acts in a game, and in which world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.json_files import read_json
from anysense.common.progress import say
from anysense.runs.locate import find_agent
from anysense.runs.run_folder import newest_run

if TYPE_CHECKING:
    from anysense.agents.exported import Agent
    from anysense.envs.world import World

__all__ = ["check_agent", "find_player"]


def find_player(named: Path | None, out: Path, env: str | None) -> Path | None:
    """Folder of the agent that acts: the named one, else that of the newest finished training under ``out``.

    None, with a line that says so, where nothing was named and there is none, or where it was trained in another
    environment than ``env``: then a person acts.

    Raises:
        FileNotFoundError: What was named holds no agent.
    """
    if named is None and newest_run(out, ("train", "demo")) is None:
        say(f"There is no finished training in `{out}`: you act by hand.")
        return None
    path = find_agent(named, out)
    if named is None and env is not None:
        trained_in = read_json(path / "agent.json").get("world", {}).get("id")
        if trained_in != env:
            say(f"It was trained in {trained_in}: in {env} you act by hand.")
            return None
    return path


def check_agent(agent: Agent, known: World) -> None:
    """Check that an agent can act in a world.

    Raises:
        ValueError: Its observations or actions are others.
    """
    agent.encoder.check_space(known.observation_space)
    missing = [name for name in agent.modalities if name not in known.observation_space.spaces]
    if missing:
        raise ValueError(
            f"the agent perceives {', '.join(agent.modalities)}; {known.id} lacks {', '.join(missing)}. Name another "
            "environment with `--env`, or another agent."
        )
    spec, space = agent.actor.spec, known.action_space
    discrete = getattr(space, "n", 0)
    if int(discrete) != spec.choices or (not discrete and space.shape != spec.action_shape):
        ours = f"one of {spec.choices} actions" if spec.choices else f"actions of shape {spec.action_shape}"
        raise ValueError(f"the agent gives {ours}; {known.id} takes {space}. Name another agent, or environment.")
