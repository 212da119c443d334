"""Wrappers that apply a model of a sensor to environments.

:class:`SensorWrapper` gives a :class:`SensorModel` a batch of one, :class:`VectorSensorWrapper` a row per
sub-environment, in each autoreset mode. Random
numbers come from one stream per sub-environment, seeded as Gymnasium seeds sub-environments (``seed + index``), so row
``i`` of a vector environment reset with ``seed`` is changed exactly like a single environment reset with ``seed + i``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorWrapper
from gymnasium.vector.utils import batch_space

from anysense.common.json_files import check_entries
from anysense.envs.autoreset import (
    VectorEnvironment,
    autoreset_mode,
    check_reset_mask,
    final_observation,
    inner_state_method,
)
from anysense.envs.random_streams import RandomStreams, plain_seeds
from anysense.envs.sensors.model import Observation, Rows, SensorModel, present_modalities

SingleEnvironment = gymnasium.Env[Any, Any]
ModelFactory = Callable[[spaces.Dict, RandomStreams], SensorModel]


class SensorWrapper(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Applies a sensor model to a single environment with a ``Dict`` observation space."""

    def __init__(self, env: SingleEnvironment, factory: ModelFactory, **arguments: Any) -> None:
        """Wraps ``env``; ``factory`` makes the model; ``arguments`` of the subclass are recorded for ``env.spec``."""
        RecordConstructorArgs.__init__(self, **arguments)
        super().__init__(env)
        self._model = factory(_dict_space(env.observation_space), _streams(1, env))
        self.observation_space = self._model.observation_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets the environment and starts an episode of the sensor; a seed also restarts its random stream."""
        observation, info = self.env.reset(seed=plain_seeds(seed), options=options)
        self._model.streams.seed(seed, _ONLY_ROW)
        return self._deliver(observation, self._model.begin), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps the environment and changes the observation."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._deliver(observation, self._model.step), reward, terminated, truncated, info

    def _deliver(self, observation: Observation, change: Callable[[Observation, Rows], Observation]) -> Observation:
        batch = {name: np.asarray(observation[name])[None] for name in self._model.reads}
        changed = change(batch, _ONLY_ROW)
        return {**observation, **{name: array[0] for name, array in changed.items()}}


class VectorSensorWrapper(VectorWrapper[Any, Any, Any, Any, Any]):
    """Applies a sensor model to a vector environment with a ``Dict`` observation space, in any autoreset mode.

    ``info["final_obs"]`` of SAME_STEP is changed too and is always handed on as an object array with one observation
    per sub-environment. A reset with a partial ``reset_mask`` returns the other rows as they were returned last.
    """

    def __init__(self, env: VectorEnvironment, factory: ModelFactory) -> None:
        """Wraps ``env``; ``factory`` makes the model from the single observation space and one stream per row."""
        super().__init__(env)
        self._mode = autoreset_mode(env)
        self._model = factory(_dict_space(env.single_observation_space), _streams(env.num_envs, env))
        self.single_observation_space = self._model.observation_space
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._rows = np.arange(env.num_envs)
        self._done = np.zeros(env.num_envs, np.bool_)
        self._delivered: Observation = {}

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets all sub-environments or those of ``options["reset_mask"]``; a seed restarts their random streams.

        Raises:
            TypeError: If the mask is not a numpy array of bool.
            ValueError: If the mask has a wrong shape, marks none, or leaves out environments at the first reset.
        """
        mask = check_reset_mask(options, self.num_envs)
        partial = not mask.all()
        if partial and not self._delivered:
            raise ValueError("`options['reset_mask']` must be all True at the first `reset`, got some False.")
        observation, info = self.env.reset(seed=plain_seeds(seed), options=options)
        rows = np.flatnonzero(mask)
        self._model.streams.seed(seed, rows)
        changed = self._model.begin(_take(self._read(observation), rows), rows)
        if partial:
            changed = _put({name: array.copy() for name, array in self._delivered.items()}, rows, changed)
        self._done[rows] = False
        return self._hand_over(observation, changed), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Steps all sub-environments and changes their observations."""
        observation, rewards, terminations, truncations, info = self.env.step(actions)
        done = np.logical_or(terminations, truncations)
        batch = self._read(observation)
        if self._mode is AutoresetMode.NEXT_STEP:
            changed = self._step_next(batch)
        elif self._mode is AutoresetMode.SAME_STEP and done.any():
            changed, info = self._step_same(batch, info, np.flatnonzero(done))
        else:
            changed = self._model.step(batch, self._rows)
        self._done = done
        return self._hand_over(observation, changed), rewards, terminations, truncations, info

    def state_dict(self) -> dict[str, Any]:
        """Returns all that an exact continuation needs: this wrapper's and the environment's own ``state_dict()``.

        Raises:
            TypeError: If the wrapped environment has no ``state_dict``.
        """
        inner = inner_state_method(self.env, "state_dict")()
        delivered = {name: array.copy() for name, array in self._delivered.items()}
        return {"env": inner, "model": self._model.state_dict(), "done": self._done.copy(), "delivered": delivered}

    def load_state_dict(self, state: Mapping[str, Any]) -> Any:
        """Restores what :meth:`state_dict` returned.

        Returns:
            The present observations as they were returned last, where the wrapped environment's method returns its own;
            else ``None``.

        Raises:
            TypeError: If the wrapped environment has no ``load_state_dict``.
            ValueError: If the state is of another wrapper or another number of sub-environments, or is damaged.
        """
        load_inner = inner_state_method(self.env, "load_state_dict")
        check_entries(state, dict.fromkeys(("env", "model", "done", "delivered"), object), "state")
        done = np.array(state["done"])
        delivered = {name: np.array(array) for name, array in state["delivered"].items()}
        known = _dict_space(self.observation_space).spaces
        inside = all(name in known and known[name].contains(array) for name, array in delivered.items())
        if not inside or done.shape != (self.num_envs,) or done.dtype != np.bool_:
            raise ValueError(
                "`state` has 'delivered' outside the observation space, or 'done' that is not one bool per row: it was "
                "saved by another wrapper, or is damaged."
            )
        self._model.load_state_dict(state["model"])
        observation = load_inner(state["env"])
        self._done, self._delivered = done, delivered
        if observation is None:
            return None
        return {**observation, **{name: array.copy() for name, array in self._delivered.items()}}

    def _read(self, observation: Observation) -> Observation:
        return {name: np.asarray(observation[name]) for name in self._model.reads}

    def _step_next(self, batch: Observation) -> Observation:
        """NEXT_STEP: rows whose episode ended in the last step have just been reset instead of stepped."""
        starts, goes_on = np.flatnonzero(self._done), np.flatnonzero(~self._done)
        if not starts.size:
            return self._model.step(batch, self._rows)
        if not goes_on.size:
            return self._model.begin(batch, self._rows)
        stepped = self._model.step(_take(batch, goes_on), goes_on)
        merged = {name: np.empty((self.num_envs, *array.shape[1:]), array.dtype) for name, array in stepped.items()}
        _put(merged, goes_on, stepped)
        return _put(merged, starts, self._model.begin(_take(batch, starts), starts))

    def _step_same(self, batch: Observation, info: dict[str, Any], ended: Rows) -> tuple[Observation, dict[str, Any]]:
        """SAME_STEP: ended rows deliver their last observation in the info and begin an episode in the batch."""
        last = {int(row): final_observation(info, int(row)) for row in ended}
        stepped = {name: array.copy() for name, array in batch.items()}
        for row, observation in last.items():
            for name, array in stepped.items():
                array[row] = observation[name]
        changed = {name: np.array(array) for name, array in self._model.step(stepped, self._rows).items()}
        final = np.full(self.num_envs, None, dtype=object)
        for row, observation in last.items():
            final[row] = {**observation, **{name: array[row].copy() for name, array in changed.items()}}
        _put(changed, ended, self._model.begin(_take(batch, ended), ended))
        return changed, {**info, "final_obs": final}

    def _hand_over(self, observation: Observation, changed: Observation) -> Observation:
        self._delivered = changed
        if self._mode is AutoresetMode.DISABLED:  # partial resets are the rule and return rows again: keep them safe
            self._delivered = {name: array.copy() for name, array in changed.items()}
        return {**observation, **changed}


_ONLY_ROW: Rows = np.zeros(1, np.intp)
_DOMAIN = 0x73656E73
"""Keeps the streams of sensors apart from those that an environment derives from the same seed."""


def _dict_space(space: spaces.Space[Any]) -> spaces.Dict:
    present_modalities(space)  # refuses other spaces
    return space  # type: ignore[return-value]


def _streams(count: int, env: Any) -> RandomStreams:
    """Streams of their own for every sensor wrapper of a stack: what counts is how many are inside ``env``."""
    depth = 0
    while env is not None:
        depth += isinstance(env, SensorWrapper | VectorSensorWrapper)
        members = getattr(env, "envs", None)
        env = members[0] if members else getattr(env, "env", None)
    return RandomStreams(count, partial(_generator, depth))


def _generator(key: int, seed: int | None) -> np.random.Generator:
    if seed is None:
        return np.random.default_rng()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_DOMAIN, key))))


def _take(batch: Observation, rows: Rows) -> Observation:
    return {name: array[rows] for name, array in batch.items()}


def _put(batch: Observation, rows: Rows, values: Observation) -> Observation:
    for name, array in values.items():
        batch[name][rows] = array
    return batch
