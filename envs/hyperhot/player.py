"""A scripted player of Hyperhot that knows the true state: the reference of evaluations.

It plans where the ship can stand for the next steps without being hit by the shots that are in the air, goes to where a
bullet would hit an enemy, and shoots when one would. Letters: B games, E enemies.
"""

import numpy as np
import numpy.typing as npt

from anysense.envs.hyperhot.game import Games
from anysense.envs.hyperhot.rules import BULLET_STEP, ENEMY_Y, SHIP_BULLET_START, SHIP_STEP, SHIP_Y

__all__ = ["play"]

HORIZON = 26
"""Steps that a shot needs from an enemy to below the ship."""
FLIGHT = range(21, 27)
"""Steps after the shot at which a bullet is as high as the enemies."""
_MOVES = np.array([0, -SHIP_STEP, SHIP_STEP])
_Flags = npt.NDArray[np.bool_]


def play(games: Games) -> npt.NDArray[np.int64]:
    """An action for each game, (B,)."""
    low, high = games.rules.ship_range
    places = np.arange(low, high + 1)
    safe = _safe(games, places)
    after = np.clip(games.ship_x[:, None] + _MOVES, low, high)
    allowed = np.take_along_axis(safe, after - low, axis=1)
    hits = _hits(games, places)
    aim = np.where(hits, np.abs(places - games.ship_x[:, None]), 10_000)
    target = places[np.argmin(aim + 1_000 * ~safe, axis=1)]
    cost = np.abs(after - target[:, None]) + 100_000 * ~allowed
    move: npt.NDArray[np.int64] = np.argmin(cost, axis=1)
    shoots = np.take_along_axis(hits, (games.ship_x - low)[:, None], axis=1)[:, 0] & ~games.bullet
    return move + 3 * shoots


def _safe(games: Games, places: npt.NDArray[np.int64]) -> _Flags:
    """From which places at the next step the ship can evade all shots that are in the air, (B, places)."""
    steps = SHIP_STEP
    survivable = np.ones((len(games.ship_x), len(places)), np.bool_)
    for step in range(HORIZON, 0, -1):
        height = games.shot_y + BULLET_STEP * step
        squared = (games.shot_x[..., None] - places) ** 2 + ((height - SHIP_Y) ** 2)[..., None]
        hit = (games.shot[..., None] & (squared <= 285)).any(axis=1)
        reachable = survivable.copy()
        reachable[:, steps:] |= survivable[:, :-steps]
        reachable[:, :-steps] |= survivable[:, steps:]
        survivable = reachable & ~hit
    return survivable


def _hits(games: Games, places: npt.NDArray[np.int64]) -> _Flags:
    """From which places a bullet that is shot at the next step would hit an enemy, (B, places)."""
    offsets, offset, direction = [], games.offset.copy(), games.direction.copy()
    bases = games.enemy_x - games.offset[:, None]
    for _ in range(FLIGHT.stop):
        x = bases + offset[:, None]
        direction = np.where(np.where(games.alive, x, -10_000).max(axis=1) + 8 >= 155, -1, direction)
        direction = np.where(np.where(games.alive, x, 10_000).min(axis=1) - 8 <= 5, 1, direction)
        offset = offset + direction
        offsets.append(offset)
    found = np.zeros((len(offset), len(places)), np.bool_)
    for step in FLIGHT:
        height = SHIP_BULLET_START - BULLET_STEP * step
        x = bases + offsets[step - 1][:, None]
        squared = (x[..., None] - places) ** 2 + (ENEMY_Y - height) ** 2
        found |= (games.alive[..., None] & (squared <= 242)).any(axis=1)
    return found
