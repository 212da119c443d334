"""Pictures of Hyperhot in numpy: no display, no graphics library. Letters: B games, E enemies."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.envs.hyperhot.game import Games
from anysense.envs.hyperhot.rules import ENEMY_Y, HEIGHT, SHIP_Y, WIDTH, Picture

__all__ = ["PICTURE_SHAPES", "draw", "screen"]

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

PICTURE_SHAPES: dict[Picture, tuple[int, ...]] = {"grey": (105, 80), "published": (80, 80), "screen": (3, 210, 160)}
"""Shape of one frame; ``screen`` has one channel for each colour."""
_PUBLISHED_ROWS = slice(15, 95)
_GREY = {"ship": 255, "bullet": 255, "enemy": 170, "shot": 128}
_COLOURS = {"ship": (231, 76, 60), "bullet": (46, 204, 113), "enemy": (241, 196, 15), "shot": (52, 152, 219)}
_SMALL_DISC = {-3: (-1, 0), -2: (-2, 1), -1: (-3, 2), 0: (-3, 2), 1: (-2, 1), 2: (-1, 0)}
_LARGE_DISC = (
    {-8: (-2, 1), -7: (-4, 3), -6: (-5, 4), -5: (-6, 5), -4: (-7, 6), -3: (-7, 6)}
    | {row: (-8, 7) for row in range(-2, 2)}
    | {2: (-7, 6), 3: (-7, 6), 4: (-6, 5), 5: (-5, 4), 6: (-4, 3), 7: (-2, 1)}
)
"""First and last column of each row of a disc, relative to its centre, as pygame draws radius 3 and 8."""
_ABOVE, _BELOW = 2, 6
"""Rows beyond the half-size picture that bullets may reach into."""


def _disc(rows: dict[int, tuple[int, int]]) -> Mask:
    radius = -min(rows)
    stamp = np.zeros((2 * radius, 2 * radius), np.bool_)
    for row, (first, last) in rows.items():
        stamp[row + radius, first + radius : last + radius + 1] = True
    return stamp


_STAMPS = {
    "ship": np.ones((8, 24), np.bool_),
    "bullet": _disc(_SMALL_DISC),
    "enemy": _disc(_LARGE_DISC),
    "shot": _disc(_SMALL_DISC),
}


def screen(games: Games, row: int) -> Image:
    """The screen of one game as published, uint8 (210, 160, 3)."""
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    _paint(canvas, "ship", games.ship_x[row], SHIP_Y)
    if games.bullet[row]:
        _paint(canvas, "bullet", games.bullet_x[row], games.bullet_y[row])
    for enemy in range(games.rules.enemies):
        if games.shot[row, enemy]:
            _paint(canvas, "shot", games.shot_x[row, enemy], games.shot_y[row, enemy])
        if games.alive[row, enemy]:
            _paint(canvas, "enemy", games.enemy_x[row, enemy], ENEMY_Y)
    return canvas


def draw(games: Games, picture: Picture) -> Image:
    """Frames of all games, (B, *PICTURE_SHAPES[picture]).

    ``grey``: half size, each pixel the mean of four, a grey level for each kind of object. ``published``: every second
    pixel, 255 where there is anything, without the uppermost 30 and the lowest 20 rows. ``screen``: `screen`.
    """
    if picture == "screen":
        return np.stack([screen(games, row).transpose(2, 0, 1) for row in range(len(games.ship_x))])
    count, grey = len(games.ship_x), picture == "grey"
    canvas = np.zeros((count, _ABOVE + HEIGHT // 2 + _BELOW, WIDTH // 2), np.uint8)
    ship, enemies = _strips("ship", grey)[games.ship_x], _strips("enemy", grey)[games.enemy_x.clip(0, WIDTH)]
    _put(canvas, np.arange(count), np.full(count, SHIP_Y - 4), ship)
    _put(canvas, np.arange(count), np.full(count, ENEMY_Y - 8), (enemies * games.alive[..., None, None]).max(axis=1))
    rows = np.flatnonzero(games.bullet)
    _put(canvas, rows, games.bullet_y[rows] - 4, _strips("bullet", grey)[games.bullet_x[rows]])
    rows, enemy = np.nonzero(games.shot)  # two shots of one game are never in the same rows
    _put(canvas, rows, games.shot_y[rows, enemy] - 4, _strips("shot", grey)[games.shot_x[rows, enemy]])
    shown = canvas[:, _ABOVE : _ABOVE + HEIGHT // 2]
    return shown if grey else shown[:, _PUBLISHED_ROWS]


def _paint(canvas: Image, kind: str, x: int, y: int) -> None:
    """Paint one object; what lies beyond the screen is cut off."""
    rows, columns = np.nonzero(_STAMPS[kind])
    height, width = _STAMPS[kind].shape
    rows, columns = rows + y - height // 2, columns + x - width // 2
    seen = (rows >= 0) & (rows < HEIGHT) & (columns >= 0) & (columns < WIDTH)
    canvas[rows[seen], columns[seen]] = _COLOURS[kind]


def _put(canvas: Image, games: npt.NDArray[np.intp], tops: npt.NDArray[np.int64], strips: Image) -> None:
    """Lay strips (N, rows, 80) over pictures, the brighter value wins; ``tops`` in pixels of the screen, even."""
    rows = tops[:, None] // 2 + _ABOVE + np.arange(strips.shape[1])
    place = games[:, None], rows
    canvas[place] = np.maximum(canvas[place], strips)


@lru_cache(maxsize=8)
def _strips(kind: str, grey: bool) -> Image:
    """An object in half size at each x from 0 to 160, across the whole width, (161, rows, 80)."""
    stamp = _STAMPS[kind]
    height, width = stamp.shape
    odd = height // 2 % 2  # bullets: their uppermost row is an odd one of the screen
    full = np.zeros((WIDTH + 1, height + 2 * odd, WIDTH + 2 * width), np.uint8)
    for x in range(WIDTH + 1):
        left = x - width // 2 + width
        full[x, odd : odd + height, left : left + width] = stamp
    full = full[:, :, width : width + WIDTH]
    if not grey:
        return np.asarray(255 * full[:, ::2, ::2], np.uint8)
    sums: npt.NDArray[Any] = full.reshape(WIDTH + 1, -1, 2, WIDTH // 2, 2).sum(axis=(2, 4))
    return np.rint(sums * (_GREY[kind] / 4)).astype(np.uint8)
