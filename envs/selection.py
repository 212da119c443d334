"""Which entries of an observation are modalities, and wrappers that keep some of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import batch_space

from anysense.common.validation import check_names
from anysense.envs.autoreset import VectorEnvironment, inner_state_method
from anysense.envs.sensors.model import PRESENT, present_modalities

__all__ = ["SelectModalities", "VectorSelectModalities", "check_observation_space"]


def check_observation_space(env_id: str, space: spaces.Space[Any]) -> None:
    """Checks that a space is a ``Dict`` of modalities: a ``Box`` each, and ``present`` if the environment tells it.

    Raises:
        TypeError: If it is not; the message names the entry.
    """
    if not isinstance(space, spaces.Dict) or not present_modalities(space):
        raise TypeError(
            f"The observation space of {env_id} must be a `gymnasium.spaces.Dict` with a `Box` for each modality; got "
            f"{space}. Wrap the environment so that it is one, for example {{'state': Box}}, and register the wrapped "
            "environment."
        )
    offered = present_modalities(space)
    for name, entry in space.spaces.items():
        if name == PRESENT and not (isinstance(entry, spaces.MultiBinary) and entry.shape == (len(offered),)):
            raise TypeError(
                f"The entry `{PRESENT}` of the observation of {env_id} says which modalities are there, so it must be "
                f"MultiBinary({len(offered)}), one flag for each of {', '.join(offered)} in this order; got {entry}."
            )
        if name == PRESENT or isinstance(entry, spaces.Box):
            continue
        nested = isinstance(entry, spaces.Dict | spaces.Tuple)
        advice = "give each of its parts an entry of its own" if nested else "leave it out, or turn it into a `Box`"
        raise TypeError(
            f"The entry {name!r} of the observation of {env_id} must be a `gymnasium.spaces.Box`; got {entry}. "
            f"Wrap the environment: {advice}."
        )


class _Selection:
    """Keeps some modalities of single or batched observations; ``present``, if there is one, tells of these alone."""

    def __init__(self, space: spaces.Space[Any], modalities: Sequence[str]) -> None:
        offered = present_modalities(space)  # refuses other spaces
        assert isinstance(space, spaces.Dict)
        names = check_names("modalities", modalities, offered)
        self.entries = [name for name in space.spaces if name in names or name == PRESENT]
        self.columns = [column for column, name in enumerate(offered) if name in names]
        kept = {name: spaces.MultiBinary(len(names)) if name == PRESENT else space[name] for name in self.entries}
        self.space = spaces.Dict(kept)

    def __call__(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: observation[name][..., self.columns] if name == PRESENT else observation[name]
            for name in self.entries
        }


class SelectModalities(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Keeps some modalities of a single environment."""

    def __init__(self, env: gym.Env[Any, Any], modalities: Sequence[str]) -> None:
        """Wraps ``env``, whose observation space is a ``Dict``; errors as `check_names`."""
        self._selection = _Selection(env.observation_space, modalities)
        RecordConstructorArgs.__init__(self, modalities=tuple(modalities))
        super().__init__(env)
        self.observation_space = self._selection.space

    def observation(self, observation: Any) -> dict[str, Any]:
        """The entries that are kept."""
        return self._selection(observation)


class VectorSelectModalities(VectorWrapper[Any, Any, Any, Any, Any]):
    """Keeps some modalities of a vector environment, in ``info["final_obs"]`` too."""

    def __init__(self, env: VectorEnvironment, modalities: Sequence[str]) -> None:
        """Wraps ``env``; arguments and errors as in :class:`SelectModalities`."""
        super().__init__(env)
        self._selection = _Selection(env.single_observation_space, modalities)
        self.single_observation_space = self._selection.space
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets the environments."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._selection(observation), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Steps the environments."""
        observation, rewards, terminations, truncations, info = self.env.step(actions)
        if "final_obs" in info:
            info = {**info, "final_obs": self._final(info["final_obs"])}
        return self._selection(observation), rewards, terminations, truncations, info

    def state_dict(self) -> dict[str, Any]:
        """The state of the wrapped environment, which must have a ``state_dict`` (TypeError)."""
        return dict(inner_state_method(self.env, "state_dict")())

    def load_state_dict(self, state: Mapping[str, Any]) -> Any:
        """Restores the wrapped environment; returns the present observations where it does."""
        observation = inner_state_method(self.env, "load_state_dict")(state)
        return None if observation is None else self._selection(observation)

    def _final(self, final: Any) -> Any:
        if isinstance(final, Mapping):
            return self._selection(final)
        kept = np.full(len(final), None, dtype=object)
        for row, observation in enumerate(final):
            kept[row] = None if observation is None else self._selection(observation)
        return kept
