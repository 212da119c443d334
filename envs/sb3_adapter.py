"""Any ``gymnasium.vector.VectorEnv`` as a ``VecEnv`` of Stable-Baselines3."""

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from anysense.common.json_files import check_entries
from anysense.common.validation import check_flag, check_integer
from anysense.envs.autoreset import (
    VectorEnvironment,
    autoreset_mode,
    final_observation,
    inner_state_method,
)
from anysense.envs.sb3_attributes import AttributeAccess


class GymnasiumVecEnv(AttributeAccess):
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
            TypeError: If ``venv`` is no vector environment, or ``info_keys`` no sequence of names.
            ValueError: If the autoreset mode is NEXT_STEP or not declared.
        """
        if not isinstance(venv, gymnasium.vector.VectorEnv):
            raise TypeError(f"`venv` must be a `gymnasium.vector.VectorEnv`, got {type(venv).__name__}.")
        self._mode = autoreset_mode(venv)
        if self._mode is AutoresetMode.NEXT_STEP:
            raise ValueError(_NEXT_STEP_MESSAGE)
        self.venv = venv
        super().__init__(venv.num_envs, venv.single_observation_space, venv.single_action_space)
        self._record_episodes = check_flag("record_episodes", record_episodes)
        if (
            isinstance(info_keys, str)
            or not isinstance(info_keys, Sequence)
            or not all(isinstance(key, str) for key in info_keys)
        ):
            raise TypeError(f"`info_keys` must be a sequence of names, got {info_keys!r}.")
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
            Observations (of new episodes too), rewards float32 and ends bool ``(num_envs,)``, one info each.
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
        if isinstance(observation, Mapping):
            return {name: np.array(array[index]) for name, array in observation.items()}
        return np.array(observation[index])

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
        """Sets and returns the seeds of the next reset: ``seed + i`` for environment ``i``; None: entropy."""
        first = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else check_integer("seed", seed, 0)
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

    def state_dict(self) -> dict[str, Any]:
        """Returns the exact state of environment and adapter, without options set for the next reset.

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
            ValueError: If the state is of another number of environments, or is damaged.
        """
        check_entries(state, dict.fromkeys(("env", "returns", "lengths", "seconds", "seeds"), object), "state")
        returns, lengths = np.array(state["returns"], np.float64), np.array(state["lengths"])
        sizes = {returns.shape, lengths.shape, (len(state["seeds"]),)}
        if sizes != {(self.num_envs,)} or not np.isfinite(returns).all() or lengths.dtype.kind not in "iu":
            raise ValueError(
                f"`state` must hold returns, lengths and seeds of {self.num_envs} environments; got {state}."
            )
        observation = inner_state_method(self.venv, "load_state_dict")(state["env"])
        self._returns, self._lengths = returns, lengths.astype(np.int64)
        self._start_time = time.perf_counter() - float(state["seconds"])
        self._seeds = list(state["seeds"])
        return observation


_NEXT_STEP_MESSAGE = (
    "`venv` resets ended environments on the next step (AutoresetMode.NEXT_STEP), expected SAME_STEP or DISABLED: "
    "Stable-Baselines3 would store the extra step as a transition. Build it with "
    "autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP (gymnasium.make_vec: pass it as a keyword to environments "
    'with their own vector form, else as vector_kwargs={"autoreset_mode": ...}).'
)


def _select(mask: NDArray[np.bool_], fresh: Any, current: Any) -> Any:
    """Returns the observation with the rows of ``mask`` from ``fresh`` and the others from ``current``."""
    if mask.all():
        return fresh
    if isinstance(current, Mapping):
        return {name: _select(mask, fresh[name], array) for name, array in current.items()}
    selected = np.array(current)
    selected[mask] = fresh[mask]
    return selected
