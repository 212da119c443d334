"""What a world is that advances as a batch, and checks of what its environments are given."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.envs.pendulum.validation import as_numbers

__all__ = ["Simulation", "checked_actions", "checked_starts"]

Observation = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Simulation(ABC):
    """B copies of a world, and all that an environment tells of them.

    Attributes:
        observation_space: Space of one observation.
        action_space: Space of one action.
        start_size: Numbers of a start state.
        sample_rate: Samples per second of the sound for people; None where there is none.
    """

    sample_rate: ClassVar[int | None] = None

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    start_size: ClassVar[int]

    @abstractmethod
    def draw_start(self, rng: np.random.Generator) -> Floats:
        """A random start state, (start_size,)."""

    @abstractmethod
    def check_starts(self, starts: Floats) -> None:
        """ValueError unless all start states (B, start_size), which are finite, can be started from."""

    @abstractmethod
    def restart(self, rows: Rows, starts: Floats) -> None:
        """Start the copies ``rows`` from start states (rows, start_size); stacks are filled with the first frame."""

    @abstractmethod
    def step(self, actions: npt.NDArray[Any]) -> tuple[Floats, Flags]:
        """Advance all copies with actions (B, ...) of the space; rewards (B,) and which episodes are over (B,)."""

    @abstractmethod
    def observe(self) -> Observation:
        """Observations (B, ...) in fresh arrays."""

    @abstractmethod
    def state(self) -> Floats:
        """The present states in a fresh array, (B, K)."""

    @abstractmethod
    def picture(self, row: int) -> npt.NDArray[np.uint8]:
        """A picture of one copy for people, (height, width, 3)."""

    def audio(self, row: int) -> npt.NDArray[np.float32]:
        """The sound of the last step of one copy for people, (2, samples) within -1 to 1, if there is a sample rate."""
        raise NotImplementedError

    @abstractmethod
    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """All that is needed to go on exactly from here, as arrays (B, ...)."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `state_dict` of a simulation of the same settings gave."""


def checked_starts(simulation: Simulation, values: Any, shape: tuple[int, ...]) -> Floats:
    """Start states of a shape, as a copy; ValueError where the simulation cannot start from them."""
    starts: Floats = as_numbers("options['start']", values).astype(np.float64)
    if starts.shape != shape or not np.isfinite(starts).all():
        raise ValueError(f"`options['start']` must be finite and have shape {shape}; got {starts!r}.")
    simulation.check_starts(starts.reshape(-1, simulation.start_size))
    return starts


def checked_actions(argument: str, space: gym.Space[Any], values: Any, batch: tuple[int, ...]) -> npt.NDArray[Any]:
    """Actions of a ``Discrete`` space as int64."""
    assert isinstance(space, gym.spaces.Discrete)
    actions = as_numbers(argument, values)
    whole = np.issubdtype(actions.dtype, np.integer) and actions.shape == batch
    if not whole or (actions < space.start).any() or (actions >= space.start + space.n).any():
        raise ValueError(
            f"`{argument}` must hold whole numbers from {space.start} to {space.start + space.n - 1} of shape {batch}; "
            f"got {values!r}."
        )
    return actions.astype(np.int64)
