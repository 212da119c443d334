"""What a sensor delivers instead of the true observation: the mathematics, for arrays with a leading batch axis."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import DTypeLike, NDArray

from anysense.common.json_files import check_entries
from anysense.common.validation import check_choice
from anysense.envs.random_streams import RandomStreams

__all__ = [
    "PRESENT",
    "Observation",
    "Rows",
    "SensorModel",
    "modality_box",
    "present_flags",
    "present_modalities",
    "with_zero",
]

PRESENT = "present"
"""Name of the observation entry that says which modalities are present."""

Observation = dict[str, NDArray[Any]]
Rows = NDArray[np.intp]


def present_modalities(observation_space: spaces.Space[Any]) -> tuple[str, ...]:
    """Returns the modalities of a ``Dict`` space in the order of the entry ``present``: sorted, without ``present``.

    Raises:
        TypeError: If the space is no ``Dict`` space.
    """
    if not isinstance(observation_space, spaces.Dict):
        raise TypeError(
            f"`observation_space` must be a `gymnasium.spaces.Dict` of modalities, got {observation_space}."
        )
    return tuple(sorted(name for name in observation_space.spaces if name != PRESENT))


def present_flags(observation: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Returns the entry ``present`` of single or batched observations as booleans.

    Raises:
        ValueError: If it holds anything but booleans, or 0 and 1: NaN is neither.
    """
    flags = np.asarray(observation[PRESENT])
    present: NDArray[np.bool_] = flags == 1
    if not np.all(present | (flags == 0)):
        raise ValueError(f"`{PRESENT}` must hold booleans, or 0 and 1; got {flags.tolist()}.")
    return present


def modality_box(observation_space: spaces.Space[Any], modality: str) -> spaces.Box:
    """Returns the space of one modality; TypeError if it is no ``Box`` of a ``Dict``, ValueError if there is none."""
    modalities = present_modalities(observation_space)
    check_choice("modality", modality, modalities)
    box = observation_space[modality]  # type: ignore[index]
    if not isinstance(box, spaces.Box):
        raise TypeError(f"The space of modality {modality!r} must be a `gymnasium.spaces.Box`, got {box}.")
    return box


def with_zero(box: spaces.Box) -> spaces.Box:
    """Returns the box widened so far that an array of zeros lies inside; the same box where it already does."""
    if np.all(box.low <= 0) and np.all(box.high >= 0):
        return box
    zero = box.dtype.type(0)
    return spaces.Box(np.minimum(box.low, zero), np.maximum(box.high, zero), dtype=box.dtype.type)


class SensorModel(ABC):
    """Changes batches of observations; remembers what it must per sub-environment.

    Attributes:
        observation_space: ``Dict`` space of one changed observation.
        reads: Names of the observation entries that the model needs. Its answers hold the entries that it changes or
            adds.
        streams: The random streams, one per sub-environment.
        memory: Arrays with a leading axis over the sub-environments, all that :meth:`step` depends on.
    """

    def __init__(self, observation_space: spaces.Dict, streams: RandomStreams, reads: tuple[str, ...]) -> None:
        """A model for ``len(streams)`` sub-environments that changes nothing of the space yet."""
        self.observation_space = observation_space
        self.reads = reads
        self.streams = streams
        self.memory: Observation = {}
        self._bounds: dict[str, tuple[Any, Any]] = {}

    def remember(self, name: str, shape: tuple[int, ...], dtype: DTypeLike, low: Any, high: Any) -> None:
        """Adds to the memory an array ``(len(streams), *shape)`` whose values always lie within [low, high]."""
        self.memory[name] = np.empty((len(self.streams), *shape), dtype)
        self.memory[name][...] = low
        self._bounds[name] = low, high

    @abstractmethod
    def begin(self, batch: Observation, rows: Rows) -> Observation:
        """Changes the first observations of episodes.

        Args:
            batch: The entries named in ``reads``, arrays ``(len(rows), ...)``; never written to.
            rows: The sub-environments that the batch comes from, ascending.

        Returns:
            The changed and added entries, arrays ``(len(rows), ...)``.
        """

    @abstractmethod
    def step(self, batch: Observation, rows: Rows) -> Observation:
        """Changes observations that follow others in their episodes; arguments and answer as in :meth:`begin`."""

    def state_dict(self) -> dict[str, Any]:
        """Returns streams and memory as a dictionary of fresh arrays."""
        memory = {name: array.copy() for name, array in self.memory.items()}
        return {"streams": self.streams.state(), "memory": memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`state_dict` returned.

        Raises:
            ValueError: If the state is of another kind of model or another number of sub-environments, or its memory
                holds what no episode leads to.
        """
        check_entries(state, dict.fromkeys(("memory", "streams"), object), "state")
        memory = {name: np.asarray(array) for name, array in state["memory"].items()}
        expected = {name: (array.shape, array.dtype) for name, array in self.memory.items()}
        got = {name: (array.shape, array.dtype) for name, array in memory.items()}
        if expected != got:
            raise ValueError(f"`state` has memory {got}, expected {expected}: it was saved by another wrapper.")
        for name, (low, high) in self._bounds.items():
            if not np.all((memory[name] >= low) & (memory[name] <= high)):
                raise ValueError(f"`state` has memory {name!r} outside its range: it is damaged.")
        self.streams.load_state(state["streams"])
        for name, array in self.memory.items():
            array[...] = memory[name]
