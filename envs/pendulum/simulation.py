"""A batch of pendulums with their recent frames, as the environments show them; settings and spaces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_choice, check_flag, check_integer, check_names
from anysense.envs.audio import waveform
from anysense.envs.audio.waveform import Timbre
from anysense.envs.pendulum import physics
from anysense.envs.pendulum.acoustics import RECEIVERS, receiver_positions
from anysense.envs.pendulum.drawing import draw
from anysense.envs.pendulum.hearing import STEPS_PER_SECOND, Hearing, Sound, check_audio, hearing
from anysense.envs.pendulum.physics import FloatArray, Physics
from anysense.envs.pendulum.raster import FRAME_SIZE, shared_frame_table
from anysense.envs.pendulum.validation import check_actions, check_initial_steps, check_states
from anysense.envs.simulation import Flags, Observation, Rows, Simulation
from anysense.envs.validation import check_array

IMAGE, SOUND = "image", "sound"
MODALITIES = (IMAGE, SOUND)
"""Names of the modalities, in the order of the observation space."""
DEFAULT_RECEIVERS = ("left_bottom", "right_bottom", "middle_top")
MAX_FRAME_STACK = 1_000
MAX_FRAMES, MAX_SOUND = 1_000_000, 500_000_000
"""Frames, and numbers of their sound, that the pendulums of one vector environment may stack together: gigabytes."""
DEFAULT_SAMPLE_RATE = 16_000

Action = npt.NDArray[np.float32]


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
    sound: Sound = "tones"
    timbre: Timbre = "sine"
    sample_rate: int = DEFAULT_SAMPLE_RATE

    def __post_init__(self) -> None:
        object.__setattr__(self, "modalities", check_names("modalities", self.modalities, MODALITIES))
        object.__setattr__(self, "receivers", check_names("receivers", self.receivers, RECEIVERS))
        object.__setattr__(self, "frame_stack", check_integer("frame_stack", self.frame_stack, 1, MAX_FRAME_STACK))
        check_choice("physics", self.physics, physics.PHYSICS)
        object.__setattr__(self, "antialias", check_flag("antialias", self.antialias))
        object.__setattr__(self, "initial_steps", check_initial_steps(self.initial_steps))
        object.__setattr__(self, "sample_rate", check_audio(self.sound, self.timbre, self.sample_rate))

    def hearing(self, count: int) -> Hearing:
        """What the sound of ``count`` pendulums is."""
        return hearing(self.sound, self.receivers, count, self.timbre, self.sample_rate)

    def most_envs(self) -> int:
        """How many pendulums one vector environment may have, so that memory suffices."""
        numbers = len(self.receivers) * (self.sample_rate // STEPS_PER_SECOND if self.sound != "tones" else 2)
        return min(MAX_FRAMES, MAX_SOUND // numbers) // self.frame_stack

    def observation_space(self) -> gym.Space[Observation]:
        """Return the space of one environment's observations, with the exact bounds of each receiver."""
        boxes: dict[str, gym.spaces.Space[Any]] = {}
        if IMAGE in self.modalities:
            boxes[IMAGE] = gym.spaces.Box(0, 255, (self.frame_stack, FRAME_SIZE, FRAME_SIZE), np.uint8)
        if SOUND in self.modalities:
            boxes[SOUND] = self.hearing(1).space(self.frame_stack)
        return cast("gym.Space[Observation]", gym.spaces.Dict(boxes))

    def action_space(self) -> gym.Space[Action]:
        """Return the space of one environment's actions: a torque in N m."""
        return cast("gym.Space[Action]", gym.spaces.Box(-physics.MAX_TORQUE, physics.MAX_TORQUE, (1,), np.float32))

    def draw_start(self, rng: np.random.Generator) -> FloatArray:
        """Draw a start state, shape (2,), and let the pendulum swing freely for the initial steps."""
        theta, omega = physics.sample_start_states(rng, 1).T
        steps = self.initial_steps
        if not isinstance(steps, int):
            low, high = steps
            steps = int(rng.integers(low, high))
        for _ in range(steps):
            theta, omega = physics.advance(theta, omega, 0.0, self.physics)
        return np.concatenate((theta, omega))


@dataclass
class Frame:
    """One moment of a batch of pendulums: the states and what each modality needs of them.

    Arrays of shape (count,), the sound (count, ...) as its `Hearing` says; None without the modality.
    """

    theta: FloatArray
    omega: FloatArray
    picture: npt.NDArray[np.intp] | None  # numbers of the frames in the table
    sound: npt.NDArray[np.float32] | None

    def put(self, rows: waveform.Rows, other: "Frame") -> None:
        """Replace the given rows by all rows of ``other``."""
        for mine, theirs in zip(self.parts(), other.parts(), strict=True):
            if mine is not None:
                mine[rows] = theirs

    def parts(self) -> tuple[Any, ...]:
        """Return the four arrays."""
        return self.theta, self.omega, self.picture, self.sound


class PendulumSimulation(Simulation):
    """``count`` pendulums and their last ``frame_stack`` frames; a start state is [theta, omega].

    A frame is kept as what it depends on (the number of the picture, the sound of each receiver), so observations
    are always put together anew and share no memory with each other or with the simulation.

    Args:
        settings: Settings of the environment.
        count: Number of pendulums.
    """

    start_size: ClassVar[int] = 2
    start_option: ClassVar[str] = "state"
    render_fps: ClassVar[int] = STEPS_PER_SECOND

    def __init__(self, settings: PendulumSettings, count: int) -> None:
        self.settings = settings
        self.count = count
        self.observation_space = settings.observation_space()
        self.action_space = settings.action_space()
        self._table = shared_frame_table(settings.antialias) if IMAGE in settings.modalities else None
        self._hearing = settings.hearing(count) if SOUND in settings.modalities else None
        rest = np.zeros(count)
        sound = None if self._hearing is None else np.zeros((count, *self._hearing.frame_shape), np.float32)
        self._frames = [self._frame(rest.copy(), rest.copy(), sound) for _ in range(settings.frame_stack)]

    def draw_start(self, rng: np.random.Generator) -> FloatArray:
        """As `PendulumSettings.draw_start`."""
        return self.settings.draw_start(rng)

    def starts_in(self, values: Any, batch: tuple[int, ...]) -> FloatArray:
        """As `Simulation.starts_in`."""
        return check_states(f"options[{self.start_option!r}]", values, (*batch, self.start_size)).reshape(-1, 2)

    def actions_in(self, argument: str, values: Any, batch: tuple[int, ...]) -> FloatArray:
        """Torques in N m, clipped, float64 (B,); as `Simulation.actions_in`."""
        return check_actions(argument, values, (*batch, 1))

    def restart(self, rows: Rows, starts: FloatArray) -> None:
        """As `Simulation.restart`."""
        theta, omega = starts[:, 0].copy(), starts[:, 1].copy()
        hear = self._hearing
        first = self._frame(theta, omega, None if hear is None else hear.start(rows, hear.tones(theta, omega)))
        for frame in self._frames:
            frame.put(rows, first)

    def step(self, actions: FloatArray) -> tuple[FloatArray, Flags]:
        """As `Simulation.step`; no episode is ever over."""
        now = self._frames[-1]
        rewards = physics.reward(now.theta, now.omega, actions)
        theta, omega = physics.advance(now.theta, now.omega, actions, self.settings.physics)
        sound = None if self._hearing is None else self._hearing.advance(self._hearing.tones(theta, omega))
        self._frames.append(self._frame(theta, omega, sound))
        del self._frames[0]
        return rewards, np.zeros(self.count, dtype=np.bool_)

    def observe(self) -> Observation:
        """As `Simulation.observe`, (count, stack, ...)."""
        observation: Observation = {}
        if self._table is not None:
            observation[IMAGE] = self._table.frames(np.array([frame.picture for frame in self._frames]).T)
        if self._hearing is not None:
            observation[SOUND] = self._sounds(self._hearing)
        return observation

    def state(self) -> FloatArray:
        """The present states [theta, omega], (count, 2)."""
        now = self._frames[-1]
        return np.array((now.theta, now.omega)).T

    def picture(self, row: int) -> npt.NDArray[np.uint8]:
        """Rod and receivers, (480, 480, 3)."""
        return draw(self.state()[row], receiver_positions(self.settings.receivers))

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """``"states"``, those of the stacked frames, oldest first, (count, stack, 2); of audio also ``"sounds"``.

        ``"sounds"`` are those of the frames; what else the next sounds depend on has names of its own.
        """
        states = [np.stack((frame.theta, frame.omega), axis=-1) for frame in self._frames]
        found: dict[str, npt.NDArray[Any]] = {"states": np.stack(states, axis=1)}
        more = {} if self._hearing is None else self._hearing.state()
        if self._hearing is not None and more:
            found |= {"sounds": self._sounds(self._hearing), **more}
        return found

    def load_state_dict(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """As `Simulation.load_state_dict`."""
        history = check_states("state['states']", state["states"], (self.count, self.settings.frame_stack, 2))
        hear = None if self._hearing is None else self.settings.hearing(self.count)
        moments = [(part[:, 0].copy(), part[:, 1].copy()) for part in history.swapaxes(0, 1)]
        sounds: Iterable[npt.NDArray[np.float32] | None] = [None] * len(moments)
        if hear is not None and hear.state():
            space = hear.space(self.settings.frame_stack)
            kept = check_array("state['sounds']", state["sounds"], self._sounds(hear), space.low, space.high)
            hear.load(state, hear.tones(*moments[-1]))
            sounds = kept.swapaxes(0, 1).copy()
        elif hear is not None:
            sounds = [hear.advance(hear.tones(*moment)) for moment in moments]
        self._hearing = hear
        self._frames = [self._frame(*moment, sound) for moment, sound in zip(moments, sounds, strict=True)]

    def _sounds(self, hear: Hearing) -> npt.NDArray[np.float32]:
        """Those of all frames in a fresh array, (count, stack, ...)."""
        sounds = np.empty((self.count, len(self._frames), *hear.frame_shape), dtype=np.float32)
        for place, frame in enumerate(self._frames):
            sounds[:, place] = frame.sound
        return sounds

    def _frame(self, theta: FloatArray, omega: FloatArray, sound: npt.NDArray[np.float32] | None) -> Frame:
        return Frame(theta, omega, None if self._table is None else self._table.index(theta), sound)
