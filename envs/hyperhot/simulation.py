"""A batch of games of Hyperhot with their recent frames, as the environments show them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.envs.audio.stereo import mixing
from anysense.envs.hyperhot import acoustics
from anysense.envs.hyperhot.drawing import PICTURE_SHAPES, draw, screen
from anysense.envs.hyperhot.game import FIRST_STATE, Games
from anysense.envs.hyperhot.rules import ACTIONS, EPISODE_STEPS, IMAGE, SOUND, Settings
from anysense.envs.simulation import Flags, Floats, Observation, Rows, Simulation

__all__ = ["HyperhotSimulation"]

_MOST_SHOTS = 2**53


class HyperhotSimulation(Simulation):
    """``count`` games; a start state is [x of the ship, direction of the enemies, number that decides who shoots].

    Args:
        settings: Settings of the environment.
        count: Number of games.
    """

    start_size: ClassVar[int] = len(FIRST_STATE)
    sample_rate = acoustics.RATE

    def __init__(self, settings: Settings, count: int) -> None:
        self.settings = settings
        self.games = Games.new(settings.rules(EPISODE_STEPS), count)
        self.observation_space = _observation_space(settings)
        self.action_space = gym.spaces.Discrete(len(ACTIONS))
        self._frames = [self._frame(self.games) for _ in range(settings.frame_stack)]

    def draw_start(self, rng: np.random.Generator) -> Floats:
        """Ship anywhere, enemies to the left or the right with equal chance, any shots."""
        low, high = (10, 130) if self.settings.legacy else self.games.rules.ship_range
        return np.array([rng.integers(low, high + 1), 2 * rng.integers(2) - 1, rng.integers(_MOST_SHOTS)], np.float64)

    def check_starts(self, starts: Floats) -> None:
        """ValueError unless x is a place of the ship, the direction -1 or 1, and the last a whole number below 2^53."""
        ship_x, direction, shots = starts.T
        low, high = self.games.rules.ship_range
        whole = (starts == np.rint(starts)).all()
        in_range = ((ship_x >= low) & (ship_x <= high) & (shots >= 0) & (shots < _MOST_SHOTS)).all()
        if not (whole and in_range and np.isin(direction, (-1, 1)).all()):
            raise ValueError(
                f"`options['start']` must hold whole numbers [x of the ship in {low} to {high}, direction -1 or 1, "
                f"number from 0 to 2^53 - 1 that decides who shoots]; got {starts.tolist()}."
            )

    def restart(self, rows: Rows, starts: Floats) -> None:
        """As `Simulation.restart`."""
        self.games.restart(rows, starts)
        first = self._frame(self.games.taken(rows))
        for frame in self._frames:
            for modality, batch in first.items():
                frame[modality][rows] = batch

    def step(self, actions: npt.NDArray[Any]) -> tuple[Floats, Flags]:
        """As `Simulation.step`."""
        outcome = self.games.step(actions)
        self._frames = [*self._frames[1:], self._frame(self.games)]
        return outcome

    def observe(self) -> Observation:
        """Image uint8 (B, stack, rows, columns) or (B, 3 stack, 210, 160); sound float32 (B, stack, receivers, ...)."""
        stacked = {name: np.stack([frame[name] for frame in self._frames], axis=1) for name in self._frames[0]}
        if IMAGE in stacked and self.settings.picture == "screen":
            stacked[IMAGE] = stacked[IMAGE].reshape(len(stacked[IMAGE]), -1, *stacked[IMAGE].shape[-2:])
        return stacked

    def state(self) -> Floats:
        """As `Games.state`."""
        return self.games.state()

    def picture(self, row: int) -> npt.NDArray[np.uint8]:
        """The screen, (210, 160, 3)."""
        return screen(self.games, row)

    def audio(self, row: int) -> npt.NDArray[np.float32]:
        """The waveform at the receivers, the left ones on the left."""
        heard = acoustics.waveform(self.games.taken(np.array([row])), self.settings.receivers)[0]
        return np.asarray(mixing(self.settings.receivers, 1.0) @ heard)

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays of the games and of their frames."""
        games = {field.name: getattr(self.games, field.name).copy() for field in _arrays()}
        return games | {
            f"frame_{place}_{name}": batch.copy()
            for place, frame in enumerate(self._frames)
            for name, batch in frame.items()
        }

    def load_state_dict(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """As `Simulation.load_state_dict`; ValueError where no game can be in such a state."""
        _check_games(self.games, state)
        for field in _arrays():
            setattr(self.games, field.name, state[field.name])
        self._frames = [
            {name: state[f"frame_{place}_{name}"] for name in frame} for place, frame in enumerate(self._frames)
        ]

    def _frame(self, games: Games) -> Observation:
        settings, frame = self.settings, Observation()
        if IMAGE in settings.modalities:
            frame[IMAGE] = draw(games, settings.picture)
        if SOUND in settings.modalities:
            waves = acoustics.published_waveform if settings.legacy else acoustics.waveform
            hear = acoustics.tones if settings.sound == "tones" else waves
            frame[SOUND] = hear(games, settings.receivers)
        return frame


def _arrays() -> list[Any]:
    return list(fields(Games)[1:])


def _check_games(games: Games, state: Mapping[str, npt.NDArray[Any]]) -> None:
    limits = {
        "ship_x": games.rules.ship_range,
        "command": (-5, 5),
        "offset": (-115, 115),
        "direction": (-1, 1),
        "bullet_x": (0, 160),
        "bullet_y": (-6, 180),
        "shot_x": (0, 160),
        "shot_y": (0, 219),
        "tick": (0, 10**9),
        "step_count": (0, 10**9),
        "frozen": (0, 10**9),
    }
    for name, (low, high) in limits.items():
        values = state[name]
        if values.size and not (low <= values.min() and values.max() <= high):
            raise ValueError(f"`state[{name!r}]` must lie in [{low}, {high}]; got {values.min()} to {values.max()}.")


def _observation_space(settings: Settings) -> gym.spaces.Dict:
    stack = settings.frame_stack
    boxes: dict[str, gym.Space[Any]] = {}
    if IMAGE in settings.modalities:
        shape = PICTURE_SHAPES[settings.picture]
        whole = (3 * stack, *shape[1:]) if settings.picture == "screen" else (stack, *shape)
        boxes[IMAGE] = gym.spaces.Box(0, 255, whole, np.uint8)
    if SOUND in settings.modalities and settings.sound == "waveform":
        shape = (stack, len(settings.receivers), acoustics.SAMPLES)
        boxes[SOUND] = gym.spaces.Box(-1.0, 1.0, shape, np.float32)
    elif SOUND in settings.modalities:
        heard = acoustics.loudest(settings.rules(), settings.receivers).astype(np.float32)
        pitch = np.broadcast_to(acoustics.frequencies(settings.enemies), heard.shape)
        high = np.stack([np.stack([pitch, heard], axis=-1)] * stack).astype(np.float32)
        boxes[SOUND] = gym.spaces.Box(np.zeros_like(high), high, dtype=np.float32)
    return gym.spaces.Dict(boxes)
