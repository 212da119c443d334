"""How Stable-Baselines3 reaches attributes and methods of the environments in a ``gymnasium.vector.VectorEnv``."""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from anysense.envs.autoreset import VectorEnvironment

__all__ = ["AttributeAccess"]

Indices = int | Iterable[int] | None


class AttributeAccess(VecEnv):
    """The part of a ``VecEnv`` around a vector environment ``venv`` that asks for attributes and methods."""

    venv: VectorEnvironment
    _record_episodes: bool

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Returns an attribute of the environments (AttributeError if there is none).

        Environments of a ``SyncVectorEnv`` are asked one by one; otherwise the vector environment and its wrappers are
        asked first, and their one value counts for all.
        """
        values = self._attribute_values(attr_name)
        return [values[index] for index in self._get_indices(indices)]

    def _attribute_values(self, name: str) -> Sequence[Any]:
        base: Any = self.venv.unwrapped
        if isinstance(base, SyncVectorEnv) and all(env.has_wrapper_attr(name) for env in base.envs):
            return base.get_attr(name)
        owner = self._owner(name)
        if owner is not None:
            return [getattr(owner, name)] * self.num_envs
        if hasattr(base, "get_attr"):
            return base.get_attr(name)  # type: ignore[no-any-return]
        raise AttributeError(f"{self.venv} has no attribute {name!r}.")

    def _owner(self, name: str) -> Any:
        """Returns the outermost wrapper or the vector environment that has the attribute, ``None`` if none has."""
        env: Any = self.venv
        while env is not None and not hasattr(env, name):
            env = getattr(env, "env", None)
        return env

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Sets an attribute; choosing some is a ValueError unless they are environments of a ``SyncVectorEnv``."""
        base: Any = self.venv.unwrapped
        if isinstance(base, SyncVectorEnv):
            for index in self._get_indices(indices):
                base.envs[index].set_wrapper_attr(attr_name, value)
            return
        self._refuse_some("set_attr", indices)
        if hasattr(base, "set_attr"):
            base.set_attr(attr_name, [value] * self.num_envs)
        else:
            setattr(self._owner(attr_name) or base, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls a method of the environments.

        Environments of a ``SyncVectorEnv`` are called one by one. A method of the vector environment or of its wrappers
        is called once; an answer with ``num_envs`` elements is shared out, any other is given to all. Errors are those
        of `get_attr` and `set_attr`.
        """
        base: Any = self.venv.unwrapped
        if isinstance(base, SyncVectorEnv) and all(env.has_wrapper_attr(method_name) for env in base.envs):
            chosen = [base.envs[index] for index in self._get_indices(indices)]
            return [env.get_wrapper_attr(method_name)(*method_args, **method_kwargs) for env in chosen]
        self._refuse_some("env_method", indices)
        owner = self._owner(method_name)
        if owner is not None:
            answer = getattr(owner, method_name)(*method_args, **method_kwargs)
        elif hasattr(base, "call"):
            answer = base.call(method_name, *method_args, **method_kwargs)
        else:
            raise AttributeError(f"{self.venv} has no method {method_name!r}.")
        shared_out = isinstance(answer, list | tuple | np.ndarray) and len(answer) == self.num_envs
        return list(answer) if shared_out else [answer] * self.num_envs

    def _refuse_some(self, method: str, indices: Indices) -> None:
        if indices is not None and sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(
                f"`indices` of `{method}` must choose all {self.num_envs} environments, got {indices!r}: "
                "they are not separate objects in this vector environment."
            )

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: Indices = None) -> list[bool]:
        """Says whether the environments are wrapped; ``True`` for ``Monitor`` while the adapter records episodes."""
        chosen = list(self._get_indices(indices))
        if wrapper_class is Monitor and self._record_episodes:
            return [True] * len(chosen)
        env: Any = self.venv
        while env is not None:
            if isinstance(env, wrapper_class):
                return [True] * len(chosen)
            env = getattr(env, "env", None)
        base: Any = self.venv.unwrapped
        if isinstance(base, SyncVectorEnv):
            return [is_wrapped(base.envs[index], wrapper_class) for index in chosen]
        return [False] * len(chosen)
