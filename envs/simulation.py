"""What a world is that advances as a batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.envs.validation import as_numbers

__all__ = ["Flags", "Floats", "Observation", "Rows", "Simulation"]

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
        start_option: Name of the reset option that gives start states.
        render_fps: Steps, and so pictures for people, per second.
        sample_rate: Samples per second of the sound for people; None where there is none.
    """

    start_size: ClassVar[int]
    start_option: ClassVar[str] = "start"
    render_fps: ClassVar[int] = 30
    sample_rate: int | None = None

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]

    @abstractmethod
    def draw_start(self, rng: np.random.Generator) -> Floats:
        """A random start state, (start_size,)."""

    def check_starts(self, starts: Floats) -> None:  # noqa: B027 (a world may start from any state)
        """ValueError unless all start states (B, start_size), which are finite, can be started from; here all can."""

    def starts_in(self, values: Any, batch: tuple[int, ...]) -> Floats:
        """Start states that were given, as a copy (B, start_size); ``batch`` is (B,), or () for those of one copy.

        Raises:
            ValueError: They have another shape, or the world cannot start from them.
        """
        argument, shape = f"options[{self.start_option!r}]", (*batch, self.start_size)
        starts: Floats = as_numbers(argument, values).astype(np.float64)
        if starts.shape != shape or not np.isfinite(starts).all():
            raise ValueError(f"`{argument}` must be finite and have shape {shape}; got {starts!r}.")
        found = starts.reshape(-1, self.start_size)
        self.check_starts(found)
        return found

    def actions_in(self, argument: str, values: Any, batch: tuple[int, ...]) -> npt.NDArray[Any]:
        """Actions that were given, as `step` takes them; here those of a ``Discrete`` space, int64 (B,).

        Args:
            argument: What the message of an error calls them.
            values: The actions.
            batch: (B,), or () for that of one copy.

        Raises:
            ValueError: They are not in the space.
        """
        space = self.action_space
        if not isinstance(space, gym.spaces.Discrete):
            raise NotImplementedError(f"`{type(self).__name__}` must say how actions of {space} are read.")
        actions = as_numbers(argument, values)
        whole = np.issubdtype(actions.dtype, np.integer) and actions.shape == batch
        if not whole or (actions < space.start).any() or (actions >= space.start + space.n).any():
            raise ValueError(
                f"`{argument}` must hold whole numbers from {space.start} to {space.start + space.n - 1} of shape "
                f"{batch}; got {values!r}."
            )
        return actions.astype(np.int64).reshape(-1)

    @abstractmethod
    def restart(self, rows: Rows, starts: Floats) -> None:
        """Start the copies ``rows`` from start states (rows, start_size); stacks are filled with the first frame."""

    @abstractmethod
    def step(self, actions: npt.NDArray[Any]) -> tuple[Floats, Flags]:
        """Advance all copies with what `actions_in` gave; rewards (B,) and which episodes are over (B,)."""

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
        """Take over arrays of the shapes and dtypes of `state_dict`, of a simulation of the same settings.

        Raises:
            ValueError: No copy can be in such a state; nothing is taken over.
        """
