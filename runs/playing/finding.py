"""Who acts in a game, and in which world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anysense.agents.pretrained import pretrained_agent, pretrained_names
from anysense.common.json_files import read_json
from anysense.common.progress import say
from anysense.runs.locate import find_agent
from anysense.runs.run_folder import newest_run

if TYPE_CHECKING:
    from anysense.agents.exported import Agent
    from anysense.envs.world import World

__all__ = ["check_agent", "find_player"]


def find_player(path: Path | None, named: str | None, out: Path, env: str | None, by_hand: bool = False) -> Path | None:
    """Folder of the agent that acts: ``path``, or ``named`` of the package, else the newest finished training's.

    Where neither was given and there is no training under ``out``, the first agent of the package; where an environment
    was given as well, or the training was in another one, None: then a person acts. A line says what was chosen,
    unless a person acts who asked for it (``by_hand``).

    Raises:
        FileNotFoundError: What was given holds no agent.
        ValueError: Both were given, or the package has none of that name.
    """
    chosen = path is not None or named is not None
    if not chosen and newest_run(out, ("train", "demo")) is None:
        usual = pretrained_names()[0]
        who = f"the agent {usual} that comes along acts" if env is None else f"in {env} you act by hand"
        if not by_hand:
            say(f"There is no finished training in `{out}`: {who}.")
        return pretrained_agent(usual) if env is None else None
    found = find_agent(path, out, named)
    trained_in = None if chosen or env is None else _world_id(found)
    if trained_in not in (None, env):
        if not by_hand:
            say(f"It was trained in {trained_in}: in {env} you act by hand.")
        return None
    return found


def _world_id(agent: Path) -> str | None:
    """Id of the world that a folder says its agent was trained in; None if it does not, which loading it will tell."""
    content = read_json(agent / "agent.json", "the agent")
    stored = content.get("world") if isinstance(content, dict) else None
    return str(stored["id"]) if isinstance(stored, dict) and "id" in stored else None


def check_agent(agent: Agent, known: World) -> None:
    """Check that an agent can act in a world.

    Raises:
        ValueError: Its observations or actions are others.
    """
    try:
        _check_spaces(agent, known)
    except ValueError as error:
        raise ValueError(f"the agent cannot act in {known.id}: {error} Or name another agent or `--env`.") from error


def _check_spaces(agent: Agent, known: World) -> None:
    agent.encoder.check_space(known.observation_space)
    missing = [name for name in agent.modalities if name not in known.observation_space.spaces]
    if missing:
        raise ValueError(f"it perceives {', '.join(agent.modalities)}, and {', '.join(missing)} is not there.")
    spec, space = agent.actor.spec, known.action_space
    discrete = getattr(space, "n", 0)
    if int(discrete) != spec.choices or (not discrete and space.shape != spec.action_shape):
        ours = f"one of {spec.choices} actions" if spec.choices else f"actions of shape {spec.action_shape}"
        raise ValueError(f"it gives {ours}, and {space} is taken.")
