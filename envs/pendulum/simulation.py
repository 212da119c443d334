"""What the single and the vector environment share: settings, spaces, a batch of pendulums and its recent frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_choice, check_flag, check_integer, check_names
from anysense.envs.pendulum import physics
from anysense.envs.pendulum.acoustics import RECEIVERS, hear, receiver_positions, sound_bounds
from anysense.envs.pendulum.physics import FloatArray, Physics
from anysense.envs.pendulum.raster import FRAME_SIZE, shared_frame_table
from anysense.envs.pendulum.validation import check_initial_steps

IMAGE, SOUND = "image", "sound"
MODALITIES = (IMAGE, SOUND)
"""Names of the modalities, in the order of the observation space."""
DEFAULT_RECEIVERS = ("left_bottom", "right_bottom", "middle_top")
MAX_FRAME_STACK = 1_000
MAX_FRAMES = 1_000_000
"""Frames that the pendulums of one vector environment may stack together: some gigabytes of pictures."""

Observation = dict[str, npt.NDArray[Any]]
Action = npt.NDArray[np.float32]
Rows = slice | npt.NDArray[np.intp]
ALL_ROWS = slice(None)


@dataclass(frozen=True)
class PendulumSettings:
    """Checked settings of the environment; the arguments are explained in ``MultimodalPendulumEnv``.

    Raises:
        ValueError: A value is unknown, empty, doubled or out of range.
        TypeError: ``modalities`` or ``receivers`` is not a sequence of strings.
    """

    modalities: Sequence[str] = MODALITIES
    receivers: Sequence[str] = DEFAULT_RECEIVERS
    frame_stack: int = 2
    physics: Physics = "gymnasium"
    antialias: bool = True
    initial_steps: int | Sequence[int] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "modalities", check_names("modalities", self.modalities, MODALITIES))
        object.__setattr__(self, "receivers", check_names("receivers", self.receivers, RECEIVERS))
        object.__setattr__(self, "frame_stack", check_integer("frame_stack", self.frame_stack, 1, MAX_FRAME_STACK))
        check_choice("physics", self.physics, physics.PHYSICS)
        object.__setattr__(self, "antialias", check_flag("antialias", self.antialias))
        object.__setattr__(self, "initial_steps", check_initial_steps(self.initial_steps))

    def observation_space(self) -> gym.Space[Observation]:
        """Return the space of one environment's observations, with the exact bounds of each receiver."""
        boxes: dict[str, gym.spaces.Space[Any]] = {}
        if IMAGE in self.modalities:
            boxes[IMAGE] = gym.spaces.Box(0, 255, (self.frame_stack, FRAME_SIZE, FRAME_SIZE), np.uint8)
        if SOUND in self.modalities:
            low, high = (np.stack([bound] * self.frame_stack) for bound in sound_bounds(self.receivers))
            boxes[SOUND] = gym.spaces.Box(low, high, dtype=np.float32)
        return cast("gym.Space[Observation]", gym.spaces.Dict(boxes))

    def action_space(self) -> gym.Space[Action]:
        """Return the space of one environment's actions: a torque in N m."""
        return cast("gym.Space[Action]", gym.spaces.Box(-physics.MAX_TORQUE, physics.MAX_TORQUE, (1,), np.float32))

    def draw_start(self, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """Draw a start state, shape (2,), and the number of torque-free steps to be made from it."""
        state = physics.sample_start_states(rng, 1)[0]
        if isinstance(self.initial_steps, int):
            return state, self.initial_steps
        low, high = self.initial_steps
        return state, int(rng.integers(low, high))


@dataclass
class Frame:
    """One moment of a batch of pendulums: the states and what each modality needs of them.

    Arrays of shape (count,), the sound (count, receivers, 2); None without the modality.
    """

    theta: FloatArray
    omega: FloatArray
    picture: npt.NDArray[np.intp] | None  # numbers of the frames in the table
    sound: npt.NDArray[np.float32] | None

    def put(self, rows: Rows, other: "Frame") -> None:
        """Replace the given rows by all rows of ``other``."""
        for mine, theirs in zip(self.parts(), other.parts(), strict=True):
            if mine is not None:
                mine[rows] = theirs

    def parts(self) -> tuple[Any, ...]:
        """Return the four arrays."""
        return self.theta, self.omega, self.picture, self.sound


class Simulation:
    """A batch of pendulums and their last ``frame_stack`` frames.

    A frame is kept as what it depends on (the number of the picture, the sound of each receiver), so observations
    are always put together anew and share no memory with each other or with the simulation.
    """

    def __init__(self, settings: PendulumSettings, count: int) -> None:
        self.settings = settings
        self.count = count
        self._table = shared_frame_table(settings.antialias) if IMAGE in settings.modalities else None
        self._positions = receiver_positions(settings.receivers) if SOUND in settings.modalities else None
        self._frames: list[Frame] = []
        self.restore(np.zeros((count, settings.frame_stack, 2)))

    def restart(self, rows: Rows, states: FloatArray, initial_steps: npt.NDArray[np.intp]) -> None:
        """Put pendulums into start states (rows, 2) and fill their stacks with copies of the first frame.

        ``initial_steps``, (rows,), are torque-free steps from each start state before the first frame.
        """
        theta, omega = states[:, 0].copy(), states[:, 1].copy()
        for step in range(initial_steps.max(initial=0)):
            moving = initial_steps > step
            theta[moving], omega[moving] = physics.advance(theta[moving], omega[moving], 0.0, self.settings.physics)
        first = self._modality(theta, omega)
        for frame in self._frames:
            frame.put(rows, first)

    def step(self, torque: FloatArray) -> FloatArray:
        """Advance all pendulums by one step with clipped torques, shape (count,); return the rewards, (count,)."""
        now = self._frames[-1]
        rewards = physics.reward(now.theta, now.omega, torque)
        self._frames.append(self._modality(*physics.advance(now.theta, now.omega, torque, self.settings.physics)))
        del self._frames[0]
        return rewards

    def observe(self) -> Observation:
        """Return the observations in fresh arrays with the batch first: (count, stack, ...)."""
        observation: Observation = {}
        if self._table is not None:
            observation[IMAGE] = self._table.frames(np.array([frame.picture for frame in self._frames]).T)
        if self._positions is not None:
            sounds = np.empty((self.count, len(self._frames), len(self._positions), 2), dtype=np.float32)
            for place, frame in enumerate(self._frames):
                sounds[:, place] = frame.sound
            observation[SOUND] = sounds
        return observation

    def states(self) -> FloatArray:
        """Return the present states [theta, omega] in a fresh array of shape (count, 2)."""
        now = self._frames[-1]
        return np.array((now.theta, now.omega)).T

    def history(self) -> FloatArray:
        """Return the states of all stacked frames, oldest first, shape (count, stack, 2)."""
        return np.stack([np.stack((frame.theta, frame.omega), axis=-1) for frame in self._frames], axis=1)

    def restore(self, history: FloatArray) -> None:
        """Take over the states of all stacked frames from ``history()`` of a simulation of the same settings."""
        self._frames = [
            self._modality(history[:, place, 0].copy(), history[:, place, 1].copy())
            for place in range(history.shape[1])
        ]

    def _modality(self, theta: FloatArray, omega: FloatArray) -> Frame:
        picture = None if self._table is None else self._table.index(theta)
        sound = None if self._positions is None else hear(theta, omega, self._positions).astype(np.float32)
        return Frame(theta, omega, picture, sound)
