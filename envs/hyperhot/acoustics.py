"""Sound of Hyperhot: what receivers hear of enemies, their shots and the ship's bullet.

Every source plays one note; a receiver hears it with an amplitude that falls exponentially with the distance in
pixels. Sources in order: enemies, their shots, the bullet of the ship. Letters: B games, R receivers, E enemies,
S = 2 E + 1 sources, T samples of a step.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anysense.envs.hyperhot.game import Floats, Games
from anysense.envs.hyperhot.rules import (
    BULLET_STEP,
    ENEMY_BULLET_LAST,
    ENEMY_Y,
    HEIGHT,
    SHIP_STEP,
    SHIP_Y,
    WIDTH,
    Rules,
)

__all__ = ["SAMPLES", "amplitudes", "frequencies", "loudest", "published_waveform", "tones", "waveform"]

SAMPLES = 1047
"""Samples of a step; 30 steps a second."""
RATE = SAMPLES * 30
"""Samples per second."""
DO, MI, SOL, LA_SHARP = 261.63, 329.63, 392.00, 466.16
ENEMY_NOTES = np.array([DO, DO, MI, MI])
GAIN = 1 / 3
"""Gain of the waveform: the sum of all sources stays below 2.96 at each receiver."""
DECAY = 0.025
"""Decay of the amplitude per pixel."""
_PERIODS = {DO: 169, MI: 134, SOL: 112, LA_SHARP: 95}
"""Published: samples of a period."""
_FIXED = {"left_bottom": (0, HEIGHT), "right_bottom": (WIDTH, HEIGHT), "bottom": (WIDTH // 2, HEIGHT)}
_ON_SHIP = {
    "left_ship": (-12, SHIP_Y),
    "right_ship": (12, SHIP_Y),
    "bottom_ship": (0, 188),
    "top_ship": (0, 180),
    "center_ship": (0, SHIP_Y),
}
"""Horizontal distance from the centre of the ship, and height."""


def frequencies(enemies: int) -> Floats:
    """Note of each source in Hz, (S,)."""
    return np.array([*ENEMY_NOTES[:enemies], *[SOL] * enemies, LA_SHARP])


def amplitudes(games: Games, receivers: Sequence[str]) -> Floats:
    """Amplitude of each source at each receiver, exp(-0.025 d); 0 where the source is silent; (B, R, S)."""
    ship = games.ship_x[:, None]
    heard_x = np.concatenate([games.enemy_x, games.shot_x, games.bullet_x[:, None]], axis=1)
    heights = np.broadcast_to(ENEMY_Y, games.alive.shape)
    heard_y = np.concatenate([heights, games.shot_y, games.bullet_y[:, None]], axis=1)
    sounding = np.concatenate([games.alive, games.shot, games.bullet[:, None]], axis=1)
    found = np.empty((len(ship), len(receivers), heard_x.shape[1]))
    for place, name in enumerate(receivers):
        x, y = _FIXED[name] if name in _FIXED else (ship + _ON_SHIP[name][0], _ON_SHIP[name][1])
        found[:, place] = np.exp(-DECAY * np.sqrt((heard_x - x) ** 2 + (heard_y - y) ** 2)) * sounding
    return found


def tones(games: Games, receivers: Sequence[str]) -> npt.NDArray[np.float32]:
    """Frequency in Hz (0 where a source is silent) and amplitude of each source, (B, R, S, 2)."""
    heard = amplitudes(games, receivers)
    return np.stack([(heard > 0) * frequencies(games.rules.enemies), heard], axis=-1).astype(np.float32)


def waveform(games: Games, receivers: Sequence[str]) -> npt.NDArray[np.float32]:
    """Sound of the step in [-1, 1], (B, R, T): square waves of one clock for all sources and receivers, times 1/3."""
    notes = np.array([DO, MI, SOL, LA_SHARP])
    member = frequencies(games.rules.enemies)[:, None] == notes
    clock = games.step_count[:, None] * SAMPLES + np.arange(SAMPLES)
    waves = np.where((notes[:, None] * clock[:, None] / RATE) % 1.0 < 0.5, GAIN, -GAIN)
    sound: Floats = amplitudes(games, receivers) @ member @ waves
    return sound.astype(np.float32)


def published_waveform(games: Games, receivers: Sequence[str]) -> npt.NDArray[np.float32]:
    """The published sound of the step, int16 samples / 32767, (B, R, T).

    Each source starts its phase anew at each receiver, and a block that would clip is rescaled as a whole.
    """
    heard, enemies = amplitudes(games, receivers), games.rules.enemies
    periods = np.array([_PERIODS[note] for note in frequencies(enemies)])
    shot_age = (games.shot_y - 54) // BULLET_STEP + games.frozen[:, None]
    bullet_age = (174 - games.bullet_y) // BULLET_STEP
    ages = np.column_stack([np.repeat(games.step_count[:, None], enemies, axis=1), shot_age, bullet_age])
    sound = np.empty((len(ages), len(receivers), SAMPLES), dtype=np.float32)
    for place in range(len(receivers)):
        first = (len(receivers) * ages + place) * SAMPLES
        phase = (first[..., None] + np.arange(SAMPLES)) % periods[:, None]
        block = np.einsum("bs,bst->bt", heard[:, place], np.where(phase < periods[:, None] / 2, 1.0, -1.0))
        sound[:, place] = np.trunc(_into_range(block) * 32767) / 32767
    return sound


def _into_range(block: Floats) -> Floats:
    """Map each block (B, T) so that an end beyond ±1 becomes ±1 and the other end stays."""
    low, high = block.min(axis=1, keepdims=True), block.max(axis=1, keepdims=True)
    new_low, new_high = np.maximum(low, -1.0), np.minimum(high, 1.0)
    scale = (new_high - new_low) / np.where(high > low, high - low, 1.0)
    return np.where((new_low == low) & (new_high == high), block, (block - low) * scale + new_low)


def loudest(rules: Rules, receivers: Sequence[str]) -> Floats:
    """Largest amplitude of each source that can occur, (R, S): over all places that source and ship can have."""
    enemy_x = np.arange(13, 148)
    last = ENEMY_BULLET_LAST + (BULLET_STEP if rules.legacy else 0)
    shot_y = np.arange(54, last + 1, BULLET_STEP)
    ship_x = np.arange(rules.ship_range[0], rules.ship_range[1] + 1)
    bullet_y = np.arange(174, -1, -BULLET_STEP)
    rows = []
    for name in receivers:
        if name in _FIXED:
            x, y = _FIXED[name]
            shots = _distance(enemy_x - x, shot_y - y)
            bullets = _distance(ship_x - x, bullet_y - y)
            enemy = _distance(enemy_x - x, np.array([ENEMY_Y - y]))
        else:
            x, y = _ON_SHIP[name]
            apart = np.arange(-WIDTH, WIDTH + 1)
            shots = np.where(_survivable(apart, shot_y), _distances(apart - x, shot_y - y), np.inf).min()
            bullets = _distance(np.arange(-SHIP_STEP, SHIP_STEP + 1) - x, bullet_y[:1] - y)
            enemy = _distance(apart - x, np.array([ENEMY_Y - y]))
        rows.append(np.repeat([enemy, shots, bullets], [rules.enemies, rules.enemies, 1]))
    return np.exp(-DECAY * np.array(rows))


def _survivable(apart: npt.NDArray[np.int64], heights: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether a shot can be so far beside the ship at a height: one step earlier it did not hit, (heights, apart)."""
    before = heights[:, None] - BULLET_STEP - SHIP_Y
    safe = np.stack([(apart + shift) ** 2 + before**2 > 285 for shift in range(-SHIP_STEP, SHIP_STEP + 1)])
    return np.asarray(safe.any(axis=0))


def _distances(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> Floats:
    return np.hypot(x, y[:, None])


def _distance(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> float:
    return float(_distances(x, y).min())
