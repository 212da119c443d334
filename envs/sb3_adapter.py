"""Any ``gymnasium.vector.VectorEnv`` as a ``VecEnv`` of Stable-Baselines3."""

import time
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from anysense.envs.autoreset import VectorEnvironment, autoreset_mode, final_observation
from anysense.envs.sensors.wrapper import inner_state_method

Indices = int | Iterable[int] | None


class GymnasiumVecEnv(VecEnv):
    """Lets Stable-Baselines3 learn on a Gymnasium vector environment.

    Stable-Baselines3 wants ended environments reset within the step and the last observation of the episode in
    ``infos[i]["terminal_observation"]``. Environments with autoreset_mode=SAME_STEP do that themselves; those with
    DISABLED are reset here through ``reset_mask``. NEXT_STEP is refused: its extra step after each episode would enter
    the replay data.

    ``infos[i]`` is empty except at the end of an episode, where it holds ``terminal_observation``,
    ``TimeLimit.truncated`` (truncated and not terminated) and, as from ``Monitor``, ``episode`` with return ``r``,
    length ``l`` and the seconds ``t`` since the adapter was made.
    """

    def __init__(self, venv: VectorEnvironment, record_episodes: bool = True, info_keys: Sequence[str] = ()) -> None:
        """Adapts ``venv``.

        Args:
            venv: Vector environment with autoreset_mode SAME_STEP or DISABLED.
            record_episodes: Whether ``infos`` report return and length of episodes, which Stable-Baselines3 logs.
            info_keys: Entries of the vector environment's info that are handed on in ``infos[i]`` at every step.

        Raises:
            TypeError: If ``venv`` is no vector environment.
            ValueError: If the autoreset mode is NEXT_STEP or not declared.
        """
        if not isinstance(venv, gymnasium.vector.VectorEnv):
            raise TypeError(f"`venv` must be a `gymnasium.vector.VectorEnv`, got {type(venv).__name__}.")
        self._mode = autoreset_mode(venv)
        if self._mode is AutoresetMode.NEXT_STEP:
            raise ValueError(_NEXT_STEP_MESSAGE)
        self.venv = venv
        super().__init__(venv.num_envs, venv.single_observation_space, venv.single_action_space)
        self._record_episodes = record_episodes
        self._info_keys = tuple(info_keys)
        self._actions: Any = None
        self._reset_options_once: dict[str, Any] = {}
        self._returns = np.zeros(self.num_envs, np.float64)
        self._lengths = np.zeros(self.num_envs, np.int64)
        self._start_time = time.perf_counter()

    def reset(self) -> Any:
        """Resets all environments; seeds and options given before are used for this reset only."""
        options = self._reset_options_once or None
        observation, _ = self.venv.reset(seed=self._joint_seed(), options=options)
        self._reset_seeds()
        self._reset_options_once = {}
        self._returns[:] = 0
        self._lengths[:] = 0
        return observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Takes the actions of the next :meth:`step_wait`: ``(num_envs, *action_shape)``."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Steps all environments and resets those whose episode ended.

        Returns:
            Observations (of the new episode where one ended), rewards float32 ``(num_envs,)``, ends of episodes
            bool ``(num_envs,)``, and one info per environment.
        """
        observation, rewards, terminated, truncated, info = self.venv.step(self._actions)
        dones = np.logical_or(terminated, truncated)
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if self._info_keys:
            self._hand_on_info(infos, info, dones)
        if dones.any():
            for index in np.flatnonzero(dones):
                last = self._last_observation(observation, info, int(index))
                infos[index]["terminal_observation"] = last
                infos[index]["TimeLimit.truncated"] = bool(truncated[index] and not terminated[index])
            self._finish_episodes(infos, dones)
            if self._mode is AutoresetMode.DISABLED:
                fresh, _ = self.venv.reset(options={"reset_mask": dones.copy()})
                observation = _select(dones, fresh, observation)
        return observation, np.asarray(rewards, np.float32), dones, infos

    def _last_observation(self, observation: Any, info: Mapping[str, Any], index: int) -> Any:
        if self._mode is AutoresetMode.SAME_STEP:
            return final_observation(info, index)
        return _copy_row(observation, index)

    def _finish_episodes(self, infos: list[dict[str, Any]], dones: NDArray[np.bool_]) -> None:
        if self._record_episodes:
            seconds = round(time.perf_counter() - self._start_time, 6)
            for index in np.flatnonzero(dones):
                episode = {"r": round(float(self._returns[index]), 6), "l": int(self._lengths[index]), "t": seconds}
                infos[index]["episode"] = episode
        self._returns[dones] = 0
        self._lengths[dones] = 0

    def _hand_on_info(self, infos: list[dict[str, Any]], info: Mapping[str, Any], dones: NDArray[np.bool_]) -> None:
        """Copies chosen entries; at the end of an episode those of its last step (``final_info``), not of the reset."""
        for index in range(self.num_envs):
            ended_within = dones[index] and self._mode is AutoresetMode.SAME_STEP
            source = info.get("final_info", {}) if ended_within else info
            for key in self._info_keys:
                mask = source.get(f"_{key}")
                if key in source and (mask is None or mask[index]):
                    infos[index][key] = deepcopy(source[key][index])

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Sets the seeds of the next reset: environment ``i`` gets ``seed + i``; without a seed, entropy of the system.

        Returns:
            The seeds, one per environment.
        """
        first = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
        self._seeds = [first + index for index in range(self.num_envs)]
        return self._seeds

    def _joint_seed(self) -> Any:
        first = self._seeds[0]
        if first is None or self._seeds == [first + index for index in range(self.num_envs)]:
            return first
        return list(self._seeds)

    def set_options(self, options: list[dict[str, Any]] | dict[str, Any] | None = None) -> None:
        """Sets the options of the next reset: one dictionary for the whole vector environment.

        Raises:
            TypeError: If a list with one dictionary per environment comes, which vector environments do not take.
        """
        if options is not None and not isinstance(options, dict):
            raise TypeError(
                f"`options` must be one dict for the whole vector environment, got {type(options).__name__}; "
                'give per-environment values as batched arrays, for instance {"state": array of shape (num_envs, 2)}.'
            )
        self._reset_options_once = deepcopy(options) if options else {}

    def close(self) -> None:
        """Closes the vector environment."""
        self.venv.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Returns one rendered frame per environment; ``None`` each where nothing is rendered."""
        frames = self.venv.render()
        return [None] * self.num_envs if frames is None else list(frames)  # type: ignore[arg-type]

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Returns an attribute of the environments.

        Environments of a ``SyncVectorEnv`` are asked one by one; otherwise the vector environment and its wrappers are
        asked first, and their one value counts for all.

        Raises:
            AttributeError: If there is no such attribute.
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
        """Sets an attribute of the environments.

        Raises:
            ValueError: If only some are chosen and they are not separate environments of a ``SyncVectorEnv``.
        """
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
        is called once; an answer with ``num_envs`` elements is shared out, any other is given to all.

        Raises:
            AttributeError: If there is no such method.
            ValueError: If only some are chosen and they are not separate environments of a ``SyncVectorEnv``.
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

    def state_dict(self) -> dict[str, Any]:
        """Returns the exact state of environment and adapter: nested dictionaries of arrays and plain values.

        Options set for the next reset are not part of it.

        Raises:
            TypeError: If the vector environment has no ``state_dict``.
        """
        return {
            "env": inner_state_method(self.venv, "state_dict")(),
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
            "seconds": time.perf_counter() - self._start_time,
            "seeds": list(self._seeds),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> Any:
        """Restores what :meth:`state_dict` returned; go on with :meth:`step`, without a reset.

        Returns:
            The present observations, where the vector environment's method returns them; else ``None``.

        Raises:
            TypeError: If the vector environment has no ``load_state_dict``.
            ValueError: If the state is of another number of environments.
        """
        if len(state["returns"]) != self.num_envs:
            raise ValueError(f"`state` holds {len(state['returns'])} environments, expected {self.num_envs}.")
        observation = inner_state_method(self.venv, "load_state_dict")(state["env"])
        self._returns = np.array(state["returns"], np.float64)
        self._lengths = np.array(state["lengths"], np.int64)
        self._start_time = time.perf_counter() - float(state["seconds"])
        self._seeds = list(state["seeds"])
        return observation


_NEXT_STEP_MESSAGE = (
    "`venv` resets ended environments on the next step (AutoresetMode.NEXT_STEP), expected SAME_STEP or DISABLED: "
    "Stable-Baselines3 would store the extra step as a transition. Build it with "
    "autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP (gymnasium.make_vec: pass it as a keyword to environments "
    'with their own vector form, else as vector_kwargs={"autoreset_mode": ...}).'
)


def _copy_row(observation: Any, index: int) -> Any:
    if isinstance(observation, Mapping):
        return {name: np.array(array[index]) for name, array in observation.items()}
    return np.array(observation[index])


def _select(mask: NDArray[np.bool_], fresh: Any, current: Any) -> Any:
    """Returns the observation with the rows of ``mask`` from ``fresh`` and the others from ``current``."""
    if mask.all():
        return fresh
    if isinstance(current, Mapping):
        return {name: _select(mask, fresh[name], array) for name, array in current.items()}
    selected = np.array(current)
    selected[mask] = fresh[mask]
    return selected
