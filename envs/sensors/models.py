"""The five corruptions of one modality. Each takes a single number as its level, or none.

| name | level | what is delivered |
|---|---|---|
| `gaussian_noise` | `std`, share of each element's declared range | value plus noise, clipped to the space |
| `salt_and_pepper` | `probability` per element | the lower or the upper bound of the element, with equal chance |
| `dead_sensor` | none | zeros |
| `frozen_sensor` | `probability` per step | what was delivered last; fresh at the start of an episode |
| `delay` | `steps` | the observation of so many steps ago; at first the first one of the episode |
"""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from anysense.common.validation import check_range
from anysense.envs.random_streams import RandomStreams
from anysense.envs.sensors.model import (
    PRESENT,
    Observation,
    Rows,
    SensorModel,
    modality_box,
    present_flags,
    present_modalities,
    with_zero,
)

__all__ = ["CorruptionModel", "DeadSensor", "Delay", "FrozenSensor", "GaussianNoise", "SaltAndPepper"]

Array = NDArray[Any]

MAX_STD = 1e6
MAX_DELAY_BYTES = 4 * 2**30


class CorruptionModel(SensorModel):
    """Corrupts one modality; where the observation has an entry ``present``, absent arrays stay zero.

    That entry holds booleans, or 0 and 1; anything else, such as NaN, is a ValueError in ``reset`` and ``step``.

    Args:
        observation_space: ``Dict`` space of the observations.
        streams: Random streams, one per sub-environment.
        modality: Name of a ``Box`` entry.
        strength: The level, checked by :meth:`check`; 0 where the corruption takes none.

    Raises:
        ValueError: If the modality is unknown, or its range is not finite and has to be.
        TypeError: If the observation space is no ``Dict`` or the modality no ``Box``.
    """

    level: ClassVar[str | None] = None
    """What the level is called in messages; None: the corruption takes none."""
    largest: ClassVar[float] = math.inf
    """The largest level; the smallest is 0."""
    needs_bounds: ClassVar[bool] = False
    """Whether every element of the modality must have a finite range."""

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, strength: float) -> None:
        self.box = modality_box(observation_space, modality)
        self.modality = modality
        self.strength = strength
        if self.needs_bounds and not np.all(np.isfinite(self.box.high.astype(np.float64) - self.box.low)):
            raise ValueError(
                f"The space of modality {modality!r} is unbounded, but this corruption needs the range of every "
                "element; give its `Box` finite bounds."
            )
        self._column: int | None = None
        if PRESENT in observation_space.spaces:
            self._column = present_modalities(observation_space).index(modality)
        super().__init__(observation_space, streams, (modality,) if self._column is None else (modality, PRESENT))

    @classmethod
    def check(cls, level: float) -> None:
        """Raises ``ValueError`` for a level out of range."""
        check_range(cls.level or "level", level, 0, cls.largest)

    @abstractmethod
    def deliver(self, values: Array, rows: Rows) -> Array:
        """Returns what the sensor delivers for ``values``, ``(len(rows), *shape)``; writes to no argument."""

    def deliver_first(self, values: Array, rows: Rows) -> Array:
        """:meth:`deliver` for the first observations of episodes."""
        return self.deliver(values, rows)

    def begin(self, batch: Observation, rows: Rows) -> Observation:
        """Corrupts first observations."""
        return self._blank_absent(batch, self.deliver_first(batch[self.modality], rows))

    def step(self, batch: Observation, rows: Rows) -> Observation:
        """Corrupts later observations."""
        return self._blank_absent(batch, self.deliver(batch[self.modality], rows))

    def _blank_absent(self, batch: Observation, values: Array) -> Observation:
        if self._column is not None:
            absent = ~present_flags(batch)[:, self._column]
            if absent.any():
                values = values.copy()
                values[absent] = 0
        return {self.modality: values}


class GaussianNoise(CorruptionModel):
    """``clip(x + std * (high - low) * n)`` with ``n`` from N(0, 1) for each element.

    The sensor saturates at its bounds. ``std`` is a share of the declared range of each element: 0.1 is 25.5 grey
    levels in an image of 0..255.
    """

    level: ClassVar[str | None] = "std"
    largest: ClassVar[float] = MAX_STD
    needs_bounds: ClassVar[bool] = True

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, strength: float) -> None:
        super().__init__(observation_space, streams, modality, strength)
        self._work = np.dtype(np.float32 if np.can_cast(self.box.dtype, np.float32, "safe") else np.float64)
        self._scale = (strength * (self.box.high.astype(np.float64) - self.box.low)).astype(self._work)

    def deliver(self, values: Array, rows: Rows) -> Array:
        """Adds noise."""
        noisy = self.streams.normal(rows, values.shape[1:], self._work)
        noisy *= self._scale
        noisy += values
        if np.issubdtype(values.dtype, np.integer):
            np.rint(noisy, out=noisy)
        return np.clip(noisy, self.box.low, self.box.high, out=noisy).astype(values.dtype)


class SaltAndPepper(CorruptionModel):
    """Each element becomes its lower or upper bound, each with half the given probability."""

    level: ClassVar[str | None] = "probability"
    largest: ClassVar[float] = 1.0
    needs_bounds: ClassVar[bool] = True

    def deliver(self, values: Array, rows: Rows) -> Array:
        """Sets elements to their bounds."""
        draws = self.streams.uniform(rows, values.shape[1:], np.float32)
        salted = np.where(draws < self.strength, self.box.high, values)
        return np.where(draws < self.strength / 2, self.box.low, salted)


class DeadSensor(CorruptionModel):
    """Zeros; the space of the modality is widened until zeros lie inside."""

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, strength: float) -> None:
        super().__init__(observation_space, streams, modality, strength)
        self.observation_space = spaces.Dict({**observation_space.spaces, modality: with_zero(self.box)})

    def deliver(self, values: Array, rows: Rows) -> Array:
        """Zeros."""
        return np.zeros_like(values)


class FrozenSensor(CorruptionModel):
    """With a given probability per step, what was delivered last once more; resets deliver fresh values."""

    level: ClassVar[str | None] = "probability"
    largest: ClassVar[float] = 1.0

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, strength: float) -> None:
        super().__init__(observation_space, streams, modality, strength)
        self.remember("held", self.box.shape, self.box.dtype, self.box.low, self.box.high)

    def deliver_first(self, values: Array, rows: Rows) -> Array:
        """The values themselves."""
        self.memory["held"][rows] = values
        return values

    def deliver(self, values: Array, rows: Rows) -> Array:
        """The values, or what was delivered last."""
        fresh = self.streams.uniform(rows, ()) >= self.strength
        self.memory["held"][rows[fresh]] = values[fresh]
        return self.memory["held"][rows]


class Delay(CorruptionModel):
    """The observation of some steps ago; until there is one, the first of the episode."""

    level: ClassVar[str | None] = "steps"

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, modality: str, strength: float) -> None:
        super().__init__(observation_space, streams, modality, strength)
        self._steps = int(strength)
        size = len(streams) * self._steps * self.box.low.nbytes
        if size > MAX_DELAY_BYTES:
            raise ValueError(
                f"`steps` of a delay must keep at most {MAX_DELAY_BYTES} bytes; {self._steps} steps of {modality!r} in "
                f"{len(streams)} environments take {size}. Delay by fewer steps, or in fewer environments."
            )
        # A ring per row: the oldest value is read and replaced by the newest.
        self.remember("ring", (self._steps, *self.box.shape), self.box.dtype, self.box.low, self.box.high)
        self.remember("oldest", (), np.intp, 0, max(self._steps - 1, 0))

    @classmethod
    def check(cls, level: float) -> None:
        """Raises ``ValueError`` for anything but whole numbers from 0 on."""
        if check_range("steps", level, 0) % 1:
            raise ValueError(f"`steps` must be a whole number of at least 0, got {level!r}.")

    def deliver_first(self, values: Array, rows: Rows) -> Array:
        """The values themselves."""
        self.memory["ring"][rows] = values[:, None]
        return values

    def deliver(self, values: Array, rows: Rows) -> Array:
        """The values of so many steps ago."""
        if self._steps == 0:
            return values
        oldest = self.memory["oldest"][rows]
        delayed = self.memory["ring"][rows, oldest]
        self.memory["ring"][rows, oldest] = values
        self.memory["oldest"][rows] = (oldest + 1) % self._steps
        return delayed
