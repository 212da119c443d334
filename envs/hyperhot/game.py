"""Rules of Hyperhot for a batch of games, all advanced together.

Positions are whole pixels on a screen of 160 x 210, x to the right, y downwards, of centres of objects. All enemies
move together: enemy i stands at its base plus one common offset. After Silva, Vasco et al., "Playing Games in the Dark"
(AAMAS 2020); what is published and what is corrected is listed in ``HyperhotEnv``. Letters: B games, E enemies.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.envs.hyperhot.rules import (
    BASES,
    BOUNDARY,
    BULLET_STEP,
    ENEMY_BULLET_LAST,
    ENEMY_BULLET_START,
    ENEMY_Y,
    LOST,
    SHIP_BULLET_START,
    SHIP_STEP,
    SHIP_Y,
    SHOT_PERIOD,
    WON,
    Rules,
)

__all__ = ["FIRST_STATE", "STATE", "Games"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_COMMAND = np.array([0, -SHIP_STEP, SHIP_STEP, 0, -SHIP_STEP, SHIP_STEP])
_SHOOT = 3
_FIRES = np.arange(len(_COMMAND)) >= _SHOOT

FIRST_STATE = ("ship_x", "direction", "shots")
"""What a game starts from: x of the ship, -1 (left) or 1, and a whole number that decides who shoots."""
STATE = ("ship_x", "offset", "direction", "alive", "bullet", "bullet_x", "bullet_y", "shot", "shot_x", "shot_y", "step")
"""Entries of the state, in the order of `Games.state`; alive, shot, shot_x and shot_y have one number per enemy."""


@dataclass
class Games:
    """A batch of games. Bullets are those of the ship, shots those of the enemies.

    Attributes:
        rules: Rules of all games.
        ship_x: Centre of the ship, (B,).
        command: Motion of the ship that was commanded last, in pixels per step, (B,).
        offset: Common offset of the enemies, (B,).
        direction: -1 (left) or 1, (B,).
        alive: Which enemies are there, (B, E).
        bullet: Whether there is a bullet of the ship, (B,); `bullet_x`, `bullet_y` its centre.
        shot: Whether there is a bullet of the enemy, (B, E); `shot_x`, `shot_y` its centre.
        shots: What decides who shoots, uint64 (B,).
        tick: Steps since the last attempt to shoot, (B,).
        step_count: Steps since the start, (B,).
        dying: Published rules: the ship's bullet is dead and goes with the next step, (B,); `shot_dying` (B, E) of the
            enemies' bullets, `hit` (B, E) of enemies.
        frozen: Published rules: steps since the last enemy was gone, (B,).
    """

    rules: Rules
    ship_x: Ints
    command: Ints
    offset: Ints
    direction: Ints
    alive: Flags
    bullet: Flags
    bullet_x: Ints
    bullet_y: Ints
    shot: Flags
    shot_x: Ints
    shot_y: Ints
    shots: npt.NDArray[np.uint64]
    tick: Ints
    step_count: Ints
    dying: Flags
    shot_dying: Flags
    hit: Flags
    frozen: Ints

    @classmethod
    def new(cls, rules: Rules, count: int) -> "Games":
        """``count`` games, all at rest with the ship in the middle; `restart` starts them."""
        per_enemy = {"alive", "shot", "shot_x", "shot_y", "shot_dying", "hit"}
        flags = {"alive", "bullet", "shot", "dying", "shot_dying", "hit"}
        arrays: dict[str, Any] = {}
        for field in fields(cls)[1:]:
            shape = (count, rules.enemies) if field.name in per_enemy else (count,)
            dtype = np.bool_ if field.name in flags else np.uint64 if field.name == "shots" else np.int64
            arrays[field.name] = np.zeros(shape, dtype)
        games = cls(rules, **arrays)
        games.restart(np.arange(count), np.tile([80.0, 1.0, 0.0], (count, 1)))
        return games

    def restart(self, rows: npt.NDArray[np.intp], first: Floats) -> None:
        """Start the games ``rows`` from their first states, (rows, 3) as `FIRST_STATE`."""
        for field in fields(self)[1:]:
            getattr(self, field.name)[rows] = 0
        self.alive[rows] = True
        self.ship_x[rows], self.direction[rows] = first[:, 0], first[:, 1]
        self.shots[rows] = first[:, 2].astype(np.uint64)

    def taken(self, rows: npt.NDArray[np.intp]) -> "Games":
        """A copy of the games ``rows``."""
        return Games(self.rules, *(getattr(self, field.name)[rows] for field in fields(self)[1:]))

    @property
    def enemy_x(self) -> Ints:
        """Centres of the enemies, (B, E)."""
        return BASES[self.rules.enemies] + self.offset[:, None]

    def step(self, actions: npt.NDArray[np.integer]) -> tuple[Floats, Flags]:
        """Advance all games by one step.

        Args:
            actions: 0 to 5, (B,).

        Returns:
            Rewards (B,) and which games are over (B,).
        """
        self.step_count += 1
        self.tick += 1
        self._move_ship(actions)
        if self.rules.legacy:
            self._move_enemies(self._bury())
            return self._published_outcome()
        shots_before = np.where(self.shot, self.shot_y, ENEMY_BULLET_START)
        self._move_enemies(np.ones(len(self.ship_x), np.bool_))
        self._collide(shots_before)
        won = ~self.alive.any(axis=1)
        lost = self._ship_hit() & ~won
        return np.where(won, WON, np.where(lost, LOST, 0.0)), won | lost

    def state(self) -> Floats:
        """All that shows, float64 (B, 7 + 4 E), in the order of `STATE`."""
        names = [name if name != "step" else "step_count" for name in STATE]
        parts = [getattr(self, name) for name in names]
        return np.column_stack([part.astype(np.float64) for part in parts])

    def _move_ship(self, actions: npt.NDArray[np.integer]) -> None:
        """Shoot, then move the ship and its bullet."""
        legacy = self.rules.legacy
        keeps = (actions == _SHOOT) & legacy
        self.command = np.where(keeps, self.command, _COMMAND[actions])
        fires = _FIRES[actions] & ~self.bullet
        self.bullet_x = np.where(fires, self.ship_x, self.bullet_x)
        self.bullet_y = np.where(fires, SHIP_BULLET_START, self.bullet_y)
        self.bullet |= fires
        if legacy:
            left = self.ship_x - BOUNDARY.half_width
            at_border = ((self.command < 0) & (left < BOUNDARY.left)) | ((self.command > 0) & (left > BOUNDARY.right))
            self.command[at_border] = 0
            self.ship_x = self.ship_x + self.command
        else:
            self.ship_x = np.clip(self.ship_x + self.command, *self.rules.ship_range)
        gone = self.bullet & self.dying
        self.bullet &= ~gone
        self.dying &= ~gone
        self.bullet_y -= BULLET_STEP * self.bullet
        out = self.bullet & (self.bullet_y - 3 < 0)
        if legacy:
            self.dying |= out
        else:
            self.bullet &= ~out

    def _bury(self) -> Flags:
        """Published rules: enemies that were hit go one step late; returns the games in which one is left."""
        self.alive &= ~self.hit
        self.hit[:] = False
        any_left = np.asarray(self.alive.any(axis=1))
        self.frozen += ~any_left
        return any_left

    def _move_enemies(self, moving: Flags) -> None:
        """Let an enemy shoot where it is time, then move enemies and shots, in the games ``moving``."""
        due = moving & (self.tick % SHOT_PERIOD == 0)
        self.tick[due] = 0
        if not self.rules.pacifist and due.any():
            self._shoot(due)
        far = np.int64(10_000)
        places = self.enemy_x
        leftmost = np.where(self.alive, places, far).min(axis=1)
        rightmost = np.where(self.alive, places, -far).max(axis=1)
        self.direction = np.where(rightmost + 8 >= 155, -1, np.where(leftmost - 8 <= 5, 1, self.direction))
        self.direction = np.where(leftmost - 8 <= 5, 1, self.direction)
        self.offset += self.direction * moving
        gone = self.shot & self.shot_dying & moving[:, None]
        self.shot &= ~gone
        self.shot_dying &= ~gone
        self.shot_y += BULLET_STEP * (self.shot & moving[:, None])
        out = self.shot & (self.shot_y > ENEMY_BULLET_LAST)
        if self.rules.legacy:
            self.shot_dying |= out
        else:
            self.shot &= ~out

    def _shoot(self, due: Flags) -> None:
        """One shot in each of the games ``due``, by an enemy without one; who decides the number `shots`."""
        candidates = self.alive & ~self.shot & due[:, None]
        count = candidates.sum(axis=1)
        chosen = np.minimum((self._draw() * count).astype(np.int64), np.maximum(count - 1, 0))
        place = np.cumsum(candidates, axis=1) - 1
        shooter = candidates & (place == chosen[:, None])
        self.shot_x = np.where(shooter, self.enemy_x, self.shot_x)
        self.shot_y = np.where(shooter, ENEMY_BULLET_START, self.shot_y)
        self.shot |= shooter

    def _draw(self) -> Floats:
        """Uniform numbers in [0, 1), (B,): the hash splitmix64 of `shots` and the step."""
        if self.rules.first_candidate:
            return np.zeros(len(self.shots))
        golden, first, second = (
            np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
        )
        mixed = self.shots + self.step_count.astype(np.uint64) * golden
        mixed = (mixed ^ (mixed >> np.uint64(30))) * first
        mixed = (mixed ^ (mixed >> np.uint64(27))) * second
        uniform: Floats = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return uniform

    def _collide(self, shots_before: Ints) -> None:
        """Corrected rules: bullets that meet within the step vanish, then a bullet that is left may hit an enemy."""
        across = np.abs(self.shot_x - self.bullet_x[:, None])
        before = self.bullet_y[:, None] + BULLET_STEP - shots_before
        after = self.bullet_y[:, None] - self.shot_y
        near = across**2 + after**2 < 72
        meets = self.bullet[:, None] & self.shot & (near | ((across**2 < 72) & (before > 0) & (after <= 0)))
        first = meets & (np.cumsum(meets, axis=1) == 1)
        self.shot &= ~first
        self.bullet &= ~first.any(axis=1)
        hits = self._enemy_hit()
        self.alive &= ~hits
        self.bullet &= ~hits.any(axis=1)

    def _enemy_hit(self) -> Flags:
        """The enemy that the ship's bullet hits, the first one if there are several, (B, E)."""
        squared = (self.enemy_x - self.bullet_x[:, None]) ** 2 + (ENEMY_Y - self.bullet_y[:, None]) ** 2
        hits = self.bullet[:, None] & self.alive & (squared <= 242)
        first: Flags = hits & (np.cumsum(hits, axis=1) == 1)
        return first

    def _ship_hit(self) -> Flags:
        """Games whose ship is hit by a shot, (B,)."""
        squared = (self.shot_x - self.ship_x[:, None]) ** 2 + (self.shot_y - SHIP_Y) ** 2
        return np.asarray((self.shot & (squared <= 285)).any(axis=1))

    def _published_outcome(self) -> tuple[Floats, Flags]:
        """Published rules: time first, then loss, then a win; collisions only where none of them holds."""
        limit = self.rules.time_limit
        timed_out = np.zeros_like(self.bullet) if limit is None else self.step_count >= limit
        lost = timed_out | self._ship_hit()
        won = ~lost & ~self.alive.any(axis=1)
        going = ~(lost | won)
        squared = (self.shot_x - self.bullet_x[:, None]) ** 2 + (self.shot_y - self.bullet_y[:, None]) ** 2
        usable = (self.bullet & going)[:, None]
        meets = usable & self.shot & (squared < 72)
        first = meets & (np.cumsum(meets, axis=1) == 1)
        self.shot_dying |= first
        hits = self._enemy_hit() & going[:, None]
        self.hit |= hits
        self.dying |= first.any(axis=1) | hits.any(axis=1)
        return np.where(won, WON, np.where(lost, LOST, 0.0)), ~going
