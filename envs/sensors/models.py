"""The maths of the sensor corruptions, for batches; the wrappers around it are in :mod:`anysense.envs.sensors.corruption`."""

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from anysense.envs.sensors.random_streams import RandomStreams
from anysense.envs.sensors.wrapper import (
    PRESENT,
    Observation,
    Rows,
    SensorModel,
    modality_box,
    present_modalities,
    with_zero,
)

Array = NDArray[Any]


class CorruptionModel(SensorModel):
    """Corrupts one modality; where the observation has an entry ``present``, absent arrays stay zero."""

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str) -> None:
        """Checks the modality; see :class:`SensorModel`."""
        self._box = modality_box(observation_space, modality)
        self._modality = modality
        self._column: int | None = None
        reads: tuple[str, ...] = (modality,)
        if PRESENT in observation_space.spaces:
            self._column = present_modalities(observation_space).index(modality)
            reads = (modality, PRESENT)
        super().__init__(observation_space, streams, reads)

    def begin(self, batch: Observation, rows: Rows) -> Observation:
        """Corrupts first observations."""
        return self._blank_absent(batch, self._begin(batch[self._modality], rows))

    def step(self, batch: Observation, rows: Rows) -> Observation:
        """Corrupts later observations."""
        return self._blank_absent(batch, self._step(batch[self._modality], rows))

    def _begin(self, values: Array, rows: Rows) -> Array:
        return self._step(values, rows)

    @abstractmethod
    def _step(self, values: Array, rows: Rows) -> Array:
        """Returns what the sensor delivers for ``values``, ``(len(rows), *shape)``; writes to no argument."""

    def _blank_absent(self, batch: Observation, values: Array) -> Observation:
        if self._column is not None:
            absent = batch[PRESENT][:, self._column] == 0
            if absent.any():
                values = values.copy()
                values[absent] = 0
        return {self._modality: values}


class GaussianNoiseModel(CorruptionModel):
    """``clip(x + std * (high - low) * n)`` with ``n`` from N(0, 1) for each element."""

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, std: float) -> None:
        """Checks ``std`` and that the modality has finite bounds."""
        super().__init__(observation_space, streams, modality)
        std = check_std(std)
        low, high = finite_bounds(self._box, modality)
        self._work = np.dtype(np.float32 if np.can_cast(self._box.dtype, np.float32, "safe") else np.float64)
        self._scale = (std * (high - low)).astype(self._work)

    def _step(self, values: Array, rows: Rows) -> Array:
        noisy = self.streams.normal(rows, values.shape[1:], self._work)
        noisy *= self._scale
        noisy += values
        if np.issubdtype(values.dtype, np.integer):
            np.rint(noisy, out=noisy)
        return np.clip(noisy, self._box.low, self._box.high, out=noisy).astype(values.dtype)


class SaltAndPepperModel(CorruptionModel):
    """Each element becomes its lower or upper bound, each with half the given probability."""

    def __init__(
        self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, probability: float
    ) -> None:
        """Checks ``probability`` and that the modality has finite bounds."""
        super().__init__(observation_space, streams, modality)
        finite_bounds(self._box, modality)
        self._probability = check_probability(probability)

    def _step(self, values: Array, rows: Rows) -> Array:
        draws = self.streams.uniform(rows, values.shape[1:], np.float32)
        salted = np.where(draws < self._probability, self._box.high, values)
        return np.where(draws < self._probability / 2, self._box.low, salted)


class DeadSensorModel(CorruptionModel):
    """Zeros."""

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str) -> None:
        """Widens the space of the modality until zeros lie inside."""
        super().__init__(observation_space, streams, modality)
        self.observation_space = spaces.Dict({**observation_space.spaces, modality: with_zero(self._box)})

    def _step(self, values: Array, rows: Rows) -> Array:
        return np.zeros_like(values)


class FrozenSensorModel(CorruptionModel):
    """With a given probability per step, what was delivered last once more."""

    def __init__(
        self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, probability: float
    ) -> None:
        """Checks ``probability``; see :class:`SensorModel`."""
        super().__init__(observation_space, streams, modality)
        self._probability = check_probability(probability)
        self.memory["held"] = np.zeros((len(streams), *self._box.shape), self._box.dtype)

    def _begin(self, values: Array, rows: Rows) -> Array:
        self.memory["held"][rows] = values
        return values

    def _step(self, values: Array, rows: Rows) -> Array:
        fresh = self.streams.uniform(rows, ()) >= self._probability
        self.memory["held"][rows[fresh]] = values[fresh]
        return self.memory["held"][rows]


class DelayModel(CorruptionModel):
    """The observation of ``steps`` steps ago, at first the first one."""

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, steps: float) -> None:
        """Checks ``steps``; see :class:`SensorModel`."""
        super().__init__(observation_space, streams, modality)
        self._steps = check_steps(steps)
        # A ring per row: the oldest value is read and replaced by the newest.
        self.memory["ring"] = np.zeros((len(streams), self._steps, *self._box.shape), self._box.dtype)
        self.memory["oldest"] = np.zeros(len(streams), np.intp)

    def _begin(self, values: Array, rows: Rows) -> Array:
        self.memory["ring"][rows] = values[:, None]
        return values

    def _step(self, values: Array, rows: Rows) -> Array:
        if self._steps == 0:
            return values
        oldest = self.memory["oldest"][rows]
        delayed = self.memory["ring"][rows, oldest]
        self.memory["ring"][rows, oldest] = values
        self.memory["oldest"][rows] = (oldest + 1) % self._steps
        return delayed


def check_std(value: float) -> float:
    """Returns a number from 0 on; raises ``ValueError`` for anything else."""
    if not (0 <= value < math.inf):
        raise ValueError(f"`std` must be a finite number of at least 0, got {value!r}.")
    return float(value)


def check_probability(value: float) -> float:
    """Returns a number in [0, 1]; raises ``ValueError`` for anything else."""
    if not (0 <= value <= 1):
        raise ValueError(f"`probability` must lie in [0, 1], got {value!r}.")
    return float(value)


def check_steps(value: float) -> int:
    """Returns a whole number from 0 on; raises ``ValueError`` for anything else."""
    if not (0 <= value < math.inf) or value != int(value):
        raise ValueError(f"`steps` must be a whole number of at least 0, got {value!r}.")
    return int(value)


def finite_bounds(box: spaces.Box, modality: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns both bounds as float64; raises ``ValueError`` where the range of an element is not finite."""
    low, high = box.low.astype(np.float64), box.high.astype(np.float64)
    if not np.all(np.isfinite(high - low)):
        raise ValueError(
            f"The space of modality {modality!r} is unbounded, but this corruption needs the range of every element; "
            "give its `Box` finite bounds."
        )
    return low, high
