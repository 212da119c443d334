"""Making environments of any Gymnasium id: single or vectorised, with chosen modalities, errors that name the cause."""

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from anysense.common.errors import unknown_name
from anysense.common.validation import check_integer
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.faults import CheckedEnv, Workers
from anysense.envs.selection import SelectModalities, VectorSelectModalities, check_observation_space

__all__ = ["RESERVED_OPTIONS", "Vector", "find_spec", "imported", "make_single", "make_vector"]

MAX_ENVS = 100_000
Vector = Literal["auto", "sync", "async"]
Made = TypeVar("Made", gym.Env[Any, Any], VectorEnvironment)

RESERVED_OPTIONS = {
    "senses": "it is called `modalities` now; choose them where the environment is made",
    "modalities": "choose modalities where the environment is made",
    **dict.fromkeys(
        ("render_mode", "num_envs", "max_episode_steps", "autoreset_mode"), "it is set where the environment is made"
    ),
    **dict.fromkeys(
        ("id", "vectorization_mode", "vector_kwargs", "wrappers", "disable_env_checker"), "Gymnasium takes it"
    ),
}
"""Keyword arguments that are no options of an environment, and why."""


def make_single(
    env_id: str, options: Mapping[str, Any], modalities: Sequence[str] | None, render_mode: str | None = None
) -> gym.Env[Any, Any]:
    """One environment with the chosen modalities, all if None; errors as in `World.make`."""
    spec = find_spec(env_id)
    arguments = dict(options) if render_mode is None else {**options, "render_mode": render_mode}
    env = _made(env_id, spec.entry_point, partial(gym.make, spec, **arguments))
    with _closed_on_error(env):
        check_observation_space(env_id, env.observation_space)
        return env if modalities is None else SelectModalities(env, modalities)


def make_vector(
    env_id: str,
    options: Mapping[str, Any],
    num_envs: int,
    modalities: Sequence[str] | None,
    episode_steps: int | None,
    autoreset_mode: AutoresetMode,
    vector: Vector = "auto",
) -> VectorEnvironment:
    """``num_envs`` environments as one; arguments and errors as in `World.make_vec`, ``vector`` as in `World`."""
    check_integer("num_envs", num_envs, 1, MAX_ENVS)
    if episode_steps is not None:
        check_integer("episode_steps", episode_steps, 1)
    spec = find_spec(env_id)
    native = {**options, "max_episode_steps": episode_steps, "autoreset_mode": autoreset_mode}
    if vector == "auto" and {"max_episode_steps", "autoreset_mode"} <= _parameters(spec.vector_entry_point).keys():
        venv = _made(env_id, spec.vector_entry_point, partial(gym.make_vec, spec, num_envs, **native))
    else:
        limit = -1 if episode_steps is None else episode_steps  # -1: not even the registered limit
        make_one = partial(_checked_single, env_id, spec, {**options, "max_episode_steps": limit})
        several = partial(Workers, env_id=env_id) if vector == "async" else SyncVectorEnv
        made = partial(several, [make_one] * num_envs, autoreset_mode=autoreset_mode)
        venv = _made(env_id, spec.entry_point, made)
    with _closed_on_error(venv):
        check_observation_space(env_id, venv.single_observation_space)
        return venv if modalities is None else VectorSelectModalities(venv, modalities)


def _checked_single(env_id: str, spec: EnvSpec, arguments: Mapping[str, Any]) -> gym.Env[Any, Any]:
    """One environment of a vector form, in a process of its own, perhaps."""
    env = gym.make(spec, **arguments)
    check_observation_space(env_id, env.observation_space)
    return CheckedEnv(env, env_id)


def find_spec(env_id: str, others: Iterable[str] = ()) -> EnvSpec:
    """The registration of an id; a misspelled one may also mean one of ``others``.

    Raises:
        ValueError: There is none, or the module cannot be imported.
        TypeError: The id is no text.
    """
    if not isinstance(env_id, str):
        raise TypeError(f"`env` must be a Gymnasium id such as CartPole-v1, got {env_id!r}.")
    module, _, name = env_id.rpartition(":")
    if module:
        imported(module)
    spec: EnvSpec | None = gym.registry.get(name)
    if spec is None:
        near = difflib.get_close_matches(name, [*gym.registry, *others], n=1)
        raise ValueError(
            f"`env` {env_id!r} is not registered with Gymnasium.{f' Did you mean {near[0]!r}?' if near else ''} "
            "Write module:Name-v0 if a module registers it when it is imported, with the version of the environment."
        )
    return spec


def imported(module: str) -> None:
    """Import the module of an id (ValueError if that fails, which says what is missing)."""
    if module in sys.modules:
        return
    try:
        importlib.import_module(module)
    except Exception as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        cause = f"{type(error).__name__}: {error}"
        if missing and f"{module}.".startswith(f"{missing}."):
            cause = f"there is no module {missing!r}; install its package, or correct the id"
        raise ValueError(f"`env`: the module {module!r} cannot be imported: {cause}.") from error


def _made(env_id: str, entry_point: Any, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except TypeError as error:
        unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unexpected is None:
            raise
        options = [name for name in _parameters(entry_point) if name not in RESERVED_OPTIONS]
        raise ValueError(unknown_name(f"option of {env_id}", unexpected.group(1), options)) from error
    except (ImportError, AttributeError, AssertionError, gym.error.Error) as error:  # assertions: Gymnasium's checks
        raise ValueError(
            f"`env` {env_id!r} cannot be made: {error} Install what it needs, or choose another environment."
        ) from error


def _parameters(entry_point: Any) -> Mapping[str, inspect.Parameter]:
    """Named parameters of what an entry point makes."""
    try:
        creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        parameters = inspect.signature(creator).parameters
    except (ImportError, AttributeError, TypeError, ValueError):  # making it says what is wrong
        return {}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: parameter for name, parameter in parameters.items() if parameter.kind in named}


@contextmanager
def _closed_on_error(env: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        env.close()
        raise
