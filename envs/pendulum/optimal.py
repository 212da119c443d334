"""The optimal controller: what an agent that knows the true state can reach.

Dynamic programming on the state (theta, omega) gives the value of each state on a mesh
(``anysense.envs.pendulum.dynamic_programming``); at run time the controller looks one exact step ahead and takes the
torque with the best sum of reward and interpolated value. The policy is stationary. Over 300 steps it reaches the same
average reward as the policy that knows how many steps are left (to 1e-6), because all episodes end near upright rest.
"""

import hashlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anysense.common.cache import CACHE_VARIABLE, cache_folder
from anysense.common.files import write_bytes
from anysense.common.progress import Display
from anysense.common.validation import check_choice
from anysense.envs.pendulum.dynamic_programming import (
    COARSEST,
    MAX_NODES,
    REGULAR_DOUBLINGS,
    TOLERANCE,
    TORQUES,
    solve,
)
from anysense.envs.pendulum.physics import MAX_TORQUE, PHYSICS, FloatArray, Physics, advance, reward
from anysense.envs.pendulum.state_mesh import StateMesh, Values

__all__ = ["OptimalController", "cache_folder"]

FORMAT_VERSION = 2
"""Version of the cached tables; to be raised with every change of what they hold or how they are made."""

DOUBLINGS = 9
MAX_DOUBLINGS = 11
COARSE_TORQUES = 21
FINE_TORQUES = 11


class OptimalController:
    """Drives the pendulum from its true state as well as its torque limit allows.

    The first use with given settings solves for the values (some seconds on one core) and keeps them in the cache
    folder (``cache_folder``); later uses read them. A cached table that is damaged or of another version is made anew.

    Args:
        max_torque: Largest torque in N m, in (0, 2].
        physics: Order of integration, ``"gymnasium"`` or ``"gym-0.19"``.
        doublings: How often the coarsest mesh of 100 x 25 cells is made twice as fine, 0 to 11; the first three times
            as a whole, after that only where the values need it.
        cache: Folder of the solved tables; None for the default one.

    Raises:
        ValueError: An argument is out of range or unknown.
    """

    def __init__(
        self,
        max_torque: float = MAX_TORQUE,
        physics: Physics = "gymnasium",
        doublings: int = DOUBLINGS,
        cache: str | Path | None = None,
    ) -> None:
        self.max_torque = check_max_torque(max_torque)
        check_choice("physics", physics, PHYSICS)
        if not 0 <= doublings <= MAX_DOUBLINGS:
            raise ValueError(f"`doublings` must be a whole number from 0 to {MAX_DOUBLINGS}, got {doublings!r}.")
        self.physics = physics
        self.mesh, self.values = self._load_or_solve(doublings, cache_folder() if cache is None else Path(cache))

    def act(self, state: npt.ArrayLike) -> FloatArray:
        """Return the best torques.

        Args:
            state: States [theta, omega] in rad and rad/s, shape (N, 2); theta need not be wrapped.

        Returns:
            Torques in N m, float64 of shape (N, 1), within ±``max_torque``.

        Raises:
            ValueError: The states have another shape.
        """
        theta, omega = split_states(state)
        coarse = np.linspace(-self.max_torque, self.max_torque, COARSE_TORQUES)[:, None]
        best = self._best_of(theta, omega, np.broadcast_to(coarse, (COARSE_TORQUES, len(theta))))
        spacing = 2 * self.max_torque / (COARSE_TORQUES - 1)
        nearby = best + np.linspace(-spacing, spacing, FINE_TORQUES)[:, None]
        return self._best_of(theta, omega, np.clip(nearby, -self.max_torque, self.max_torque))[:, None]

    def value(self, state: npt.ArrayLike) -> Values:
        """Return the sums of rewards still to come from states of shape (N, 2), float32 of shape (N,)."""
        return self.mesh.interpolate(self.values, self.mesh.locate(*split_states(state)))

    def _best_of(self, theta: FloatArray, omega: FloatArray, torques: FloatArray) -> FloatArray:
        """Return for each state the best one of its torques, those of shape (candidates, N)."""
        after = self.mesh.locate(*advance(theta, omega, torques, self.physics))
        sums = reward(theta, omega, torques) + self.mesh.interpolate(self.values, after)
        return np.asarray(np.take_along_axis(torques, sums.argmax(axis=0)[None], axis=0)[0])

    def _load_or_solve(self, doublings: int, folder: Path) -> tuple[StateMesh, Values]:
        settings = json.dumps(
            {
                "format_version": FORMAT_VERSION,
                "max_torque": self.max_torque,
                "physics": self.physics,
                "coarsest": COARSEST,
                "doublings": doublings,
                "regular_doublings": REGULAR_DOUBLINGS,
                "tolerance": TOLERANCE,
                "max_nodes": MAX_NODES,
                "torques": TORQUES,
            }
        )
        path = folder / f"optimal-{hashlib.sha256(settings.encode()).hexdigest()[:16]}.npz"
        solution = _read_table(path, settings)
        if solution is None:
            with Display("solving for the optimal controller (only once)", doublings + 1) as display:
                solution = solve(
                    doublings,
                    self.max_torque,
                    self.physics,
                    lambda level, change: display.update(level + 1, doublings + 1, f"largest change {change:.1e}"),
                )
            _write_table(path, settings, *solution)
        return solution


def check_max_torque(max_torque: object) -> float:
    """Return the torque limit.

    Raises:
        ValueError: It is not in (0, 2].
    """
    if not isinstance(max_torque, (int, float, np.number)) or not 0 < max_torque <= MAX_TORQUE:
        raise ValueError(
            f"`max_torque` must be above 0 and at most {MAX_TORQUE} N m, the limit of the pendulum; got {max_torque!r}."
        )
    return float(max_torque)


def split_states(state: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the angles and the speeds of states [theta, omega], each float64 of shape (N,).

    Raises:
        ValueError: The states have another shape than (N, 2).
    """
    states = np.asarray(state, dtype=np.float64)
    if states.ndim != 2 or states.shape[1] != 2:
        raise ValueError(f"`state` must have shape (N, 2), columns theta and omega; got shape {states.shape}.")
    return states[:, 0], states[:, 1]


def _read_table(path: Path, settings: str) -> tuple[StateMesh, Values] | None:
    """Return the cached mesh and values, or None where there are none that can be used."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            if str(table["settings"]) != settings:
                return None
            angles, speeds = (int(number) for number in table["cells"])
            mesh = StateMesh.rebuilt(angles, speeds, np.split(table["splits"], table["ends"]))
            values = table["values"]
    except Exception:  # whatever is wrong with a file of the cache, its content can be made anew
        return None
    usable = values.shape == mesh.rows.shape and values.dtype == np.float32 and np.isfinite(values).all()
    return (mesh, values) if usable else None


def _write_table(path: Path, settings: str, mesh: StateMesh, values: Values) -> None:
    """Keep mesh and values; where that fails, warn."""
    splits = [np.empty(0, np.int32), *mesh.splits]
    table = {
        "settings": np.array(settings),
        "cells": np.array([mesh.angles, mesh.speeds]),
        "splits": np.concatenate(splits),
        "ends": np.cumsum([len(cells) for cells in splits[:-1]]),
        "values": values,
    }
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **table)
    try:
        write_bytes(path, content.getvalue())
    except OSError as error:
        warnings.warn(
            f"The optimal controller could not be kept in {str(path.parent)!r} ({error}), so the next use "
            f"solves for it anew. Set {CACHE_VARIABLE} to a folder that can be written.",
            RuntimeWarning,
            stacklevel=4,
        )
