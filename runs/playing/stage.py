"""A world that is ready to be shown: it renders, and one episode has started."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np

from anysense.envs.faults import CheckedEnv
from anysense.envs.world import World

__all__ = ["action_names", "shown_world"]


def shown_world(known: World) -> gym.Env[Any, Any]:
    """One environment of a world that renders frames.

    Raises:
        ValueError: It cannot be made, or renders none.
    """
    assert known.observation_space is not None  # What else is wrong with it is said before.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium warns of what is refused below.
        env = CheckedEnv(_rendering(known), known.id)
        try:
            env.reset(seed=0)
            check_picture(known, env.render())
        except BaseException:
            env.close()
            raise
    return env


def _rendering(known: World) -> gym.Env[Any, Any]:
    """One environment, told to render frames; or as it is, where it always does and does not let itself be told."""
    try:
        return known.make(render_mode="rgb_array")
    except (ValueError, TypeError) as error:
        env = known.make()
        if env.render_mode == "rgb_array":
            return env
        env.close()
        raise ValueError(_unseen(known, " ".join(str(error).split()))) from error


def check_picture(known: World, picture: Any) -> None:
    """ValueError unless it is a picture: uint8 (H, W, 3)."""
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint8:
        what = "nothing" if picture is None else f"{array.dtype} {array.shape}"
        raise ValueError(_unseen(known, f"`render()` gave {what} instead of uint8 (H, W, 3)"))


def action_names(known: World, env: gym.Env[Any, Any]) -> tuple[str, ...]:
    """What the actions are called: as the world says, else as the environment does (``get_action_meanings``)."""
    if known.guide.actions or not env.has_wrapper_attr("get_action_meanings"):
        return known.guide.actions
    return tuple(map(str, env.get_wrapper_attr("get_action_meanings")()))


def _unseen(known: World, reason: str) -> str:
    return (
        f"`env` {known.id!r} renders no frames that a window could show: {reason}. Give the environment a `render()` "
        'for `render_mode="rgb_array"`, and name it in `metadata["render_modes"]`, or choose another one.'
    )
