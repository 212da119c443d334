"""Constants and options of Hyperhot: screen, objects, actions, rewards, receivers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from anysense.common.validation import check_choice, check_flag, check_integer, check_names

WIDTH, HEIGHT = 160, 210
"""Size of the screen in pixels."""
SHIP_Y, ENEMY_Y = 184, 40
"""Height of the centre of the ship, and of the enemies."""
SHIP_STEP, BULLET_STEP = 5, 6
"""Pixels that the ship, and a bullet, moves in a step."""
SHIP_BULLET_START, ENEMY_BULLET_START, ENEMY_BULLET_LAST = 180, 48, 213
"""Height at which a bullet of the ship, or of an enemy, is made; it moves in the same step. Below the last it ends."""
SHOT_PERIOD = 6
"""Steps between attempts of the enemies to shoot."""
MOST_ENEMIES = 4
BASES = {1: np.array([80]), 2: np.array([56, 104]), 3: np.array([32, 80, 128]), 4: np.array([32, 64, 96, 128])}
"""Centres of the enemies without offset, by their number."""
WON, LOST = 10.0, -1.0
"""Rewards at the end of a game; all others are 0."""
EPISODE_STEPS = 450
"""Time limit of the published experiments: 15 s of 30 steps."""
ACTIONS = ("noop", "left", "right", "shoot", "shoot_left", "shoot_right")

LONGEST_STACK = 64
"""Most frames in an observation."""
MOST_ENVS = 100_000

Picture = Literal["grey", "published", "screen"]
Sound = Literal["tones", "waveform"]
IMAGE, SOUND = "image", "sound"
MODALITIES = (IMAGE, SOUND)
RECEIVERS = (
    "left_bottom",
    "right_bottom",
    "left_ship",
    "right_ship",
    "bottom",
    "bottom_ship",
    "top_ship",
    "center_ship",
)
DEFAULT_RECEIVERS = RECEIVERS[:4]
"""Those of the published experiments, in their order."""


class _Boundary(NamedTuple):
    half_width: int
    left: int
    right: int


BOUNDARY = _Boundary(12, 10, 130)
"""Half the width of the ship, and the left edges beyond which the published game refuses a motion."""


@dataclass(frozen=True)
class Rules:
    """Rules of a game.

    Attributes:
        enemies: Number of enemies, 1 to 4.
        legacy: The published rules instead of the corrected ones.
        pacifist: Enemies do not shoot.
        time_limit: Published rules: steps after which a game is lost; None for no limit.
        first_candidate: The first enemy that can shoot always does; for tests.
    """

    enemies: int = MOST_ENEMIES
    legacy: bool = False
    pacifist: bool = False
    time_limit: int | None = None
    first_candidate: bool = False

    @property
    def ship_range(self) -> tuple[int, int]:
        """Smallest and largest centre of the ship."""
        return (10, 147) if self.legacy else (BOUNDARY.half_width, WIDTH - BOUNDARY.half_width)


@dataclass(frozen=True)
class Settings:
    """Checked settings of the environment; the arguments are explained in ``HyperhotEnv``.

    Raises:
        ValueError: A value is unknown, doubled or out of range.
        TypeError: A value has another type.
    """

    modalities: Sequence[str] = MODALITIES
    receivers: Sequence[str] = DEFAULT_RECEIVERS
    frame_stack: int = 2
    enemies: int = MOST_ENEMIES
    picture: Picture = "grey"
    sound: Sound = "tones"
    pacifist: bool = False
    legacy: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "modalities", check_names("modalities", self.modalities, MODALITIES))
        object.__setattr__(self, "receivers", check_names("receivers", self.receivers, RECEIVERS))
        object.__setattr__(self, "frame_stack", check_integer("frame_stack", self.frame_stack, 1, LONGEST_STACK))
        object.__setattr__(self, "enemies", check_integer("enemies", self.enemies, 1, MOST_ENEMIES))
        check_choice("picture", self.picture, get_args(Picture))
        check_choice("sound", self.sound, get_args(Sound))
        for name in ("pacifist", "legacy"):
            object.__setattr__(self, name, check_flag(name, getattr(self, name)))

    def rules(self, time_limit: int | None = None) -> Rules:
        """The rules of the games; ``time_limit`` counts for the published ones alone."""
        return Rules(self.enemies, self.legacy, self.pacifist, time_limit if self.legacy else None)
