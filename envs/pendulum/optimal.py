"""The optimal controller: what an agent that knows the true state can reach.

Dynamic programming on the state (theta, omega) gives the value of each state on a mesh
(``anysense.envs.pendulum.dynamic_programming``); at run time the controller looks one exact step ahead and takes the
torque with the best sum of reward and interpolated value. Beside the jumps of the value (where the torque just fails to
carry the pendulum over the top) interpolation mixes two outcomes; there it plays the motion after each torque until it
is clear which of them comes (a rollout; D. Bertsekas, *Rollout, Policy Iteration, and Distributed Reinforcement
Learning*, 2020). The policy is stationary. Over 300 steps it reaches the same average reward as the policy that knows
how many steps are left (to 1e-6), because all episodes end near upright rest.
"""

import hashlib
import io
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anysense.common.cache import CACHE_VARIABLE, cache_folder
from anysense.common.files import write_bytes
from anysense.common.progress import Display
from anysense.common.validation import check_choice, check_integer, check_range
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

FORMAT_VERSION = 3
"""Version of the cached tables; to be raised with every change of what they hold or how they are made."""
MOST_BYTES = 1 << 28
"""Largest size that a cached table may unpack to."""

DOUBLINGS = 7
MAX_DOUBLINGS = 11
COARSE_TORQUES = 21
FINE_TORQUES = 11
STEEP = 1.0
"""Cells are taken for parts of a jump where the value changes by more than this share of the lowest value per rad of
their width."""
PLAYED_TORQUES = 9
"""Torques that are tried first in rollouts, and in each of their later steps."""
PLAYED_STEPS = 100
"""Largest number of steps of a rollout."""


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
        self.physics = physics
        levels = check_integer("doublings", doublings, 0, MAX_DOUBLINGS)
        self.mesh, self.values = self._load_or_solve(levels, cache_folder() if cache is None else Path(cache))
        self._jumps = self.mesh.steep(self.values, STEEP * float(np.abs(self.values).max()))

    def act(self, state: npt.ArrayLike) -> FloatArray:
        """Return the best torques.

        Args:
            state: States [theta, omega] in rad and rad/s, shape (N, 2); theta need not be wrapped.

        Returns:
            Torques in N m, float64 of shape (N, 1), within ±``max_torque``.

        Raises:
            ValueError: The states have another shape.
        """
        return self._decide(*split_states(state))[0][:, None]

    def value(self, state: npt.ArrayLike) -> FloatArray:
        """Return the sums of rewards still to come from states of shape (N, 2), float64 of shape (N,)."""
        return self._decide(*split_states(state))[1]

    def _decide(self, theta: FloatArray, omega: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return for each state the torque and what it promises, each of shape (N,)."""
        coarse, _ = self._best_of(theta, omega, self._torques(COARSE_TORQUES, len(theta)))
        spacing = 2 * self.max_torque / (COARSE_TORQUES - 1)
        nearby = coarse + np.linspace(-spacing, spacing, FINE_TORQUES)[:, None]
        best, sums = self._best_of(theta, omega, np.clip(nearby, -self.max_torque, self.max_torque))
        rows = np.flatnonzero(self._beside_jump(theta, omega))
        if rows.size:
            first = np.concatenate((self._torques(PLAYED_TORQUES, rows.size), best[None, rows]))
            best[rows], sums[rows] = _pick(first, self._played(theta[rows], omega[rows], first))
        return best, sums

    def _beside_jump(self, theta: FloatArray, omega: FloatArray) -> npt.NDArray[np.bool_]:
        after = advance(theta, omega, self._torques(3, len(theta)), self.physics)
        here, there = self.mesh.locate(theta, omega).cell, self.mesh.locate(*after).cell
        return np.asarray(self._jumps[here] | self._jumps[there].any(axis=0))

    def _played(self, theta: FloatArray, omega: FloatArray, first: FloatArray) -> FloatArray:
        """Return what comes of first torques, those of shape (candidates, N): rewards, then the value off the jumps."""
        angle, speed = (np.broadcast_to(part, first.shape).ravel() for part in (theta, omega))
        torque, sums = first.ravel(), np.zeros(first.size)
        playing = np.arange(first.size)
        for _ in range(PLAYED_STEPS):
            sums[playing] += reward(angle[playing], speed[playing], torque)
            angle[playing], speed[playing] = advance(angle[playing], speed[playing], torque, self.physics)
            playing = playing[self._jumps[self.mesh.locate(angle[playing], speed[playing]).cell]]
            if not playing.size:
                break
            torque, _ = self._best_of(angle[playing], speed[playing], self._torques(PLAYED_TORQUES, playing.size))
        sums += self.mesh.interpolate(self.values, self.mesh.locate(angle, speed))
        return sums.reshape(first.shape)

    def _torques(self, count: int, states: int) -> FloatArray:
        """Return evenly spaced torques in N m, shape (count, states)."""
        return np.tile(np.linspace(-self.max_torque, self.max_torque, count)[:, None], states)

    def _best_of(self, theta: FloatArray, omega: FloatArray, torques: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return for each state the best of its torques, those of shape (candidates, N), by one step, and its sum."""
        after = self.mesh.locate(*advance(theta, omega, torques, self.physics))
        return _pick(torques, reward(theta, omega, torques) + self.mesh.interpolate(self.values, after))

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
        solution = _read_table(path, settings, doublings)
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


def _pick(torques: FloatArray, sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the torques with the largest sums and these, each of shape (N,), from shapes (candidates, N)."""
    best = sums.argmax(axis=0)[None]
    return np.take_along_axis(torques, best, axis=0)[0], np.take_along_axis(sums, best, axis=0)[0]


def check_max_torque(max_torque: object) -> float:
    """Return the torque limit (ValueError if it is not in (0, 2])."""
    try:
        limit = check_range("max_torque", max_torque, 0, MAX_TORQUE)
    except ValueError:
        limit = 0.0
    if limit == 0:
        raise ValueError(
            f"`max_torque` must be above 0 and at most {MAX_TORQUE} N m, the limit of the pendulum; got {max_torque!r}."
        )
    return limit


def split_states(state: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the angles and the speeds of states [theta, omega], each float64 of shape (N,).

    Raises:
        ValueError: The states have another shape than (N, 2).
    """
    states = np.asarray(state, dtype=np.float64)
    if states.ndim != 2 or states.shape[1] != 2:
        raise ValueError(f"`state` must have shape (N, 2), columns theta and omega; got shape {states.shape}.")
    return states[:, 0], states[:, 1]


def _read_table(path: Path, settings: str, doublings: int) -> tuple[StateMesh, Values] | None:
    """Return the cached mesh and values, or None where there are none that can be used."""
    angles, speeds = (number * 2 ** min(doublings, REGULAR_DOUBLINGS) for number in COARSEST)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                return None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            if str(table["settings"]) != settings:
                return None
            splits = [table[f"arr_{number}"] for number in range(doublings - REGULAR_DOUBLINGS)]
            mesh, values = StateMesh.rebuilt(angles, speeds, splits), table["values"]
    except Exception:  # whatever is wrong with a file of the cache, its content can be made anew
        return None
    usable = values.shape == mesh.rows.shape and values.dtype == np.float32 and np.isfinite(values).all()
    return (mesh, values) if usable else None


def _write_table(path: Path, settings: str, mesh: StateMesh, values: Values) -> None:
    """Keep mesh and values; where that fails, warn."""
    content = io.BytesIO()
    np.savez(content, *mesh.splits, allow_pickle=False, settings=np.array(settings), values=values)
    try:
        write_bytes(path, content.getvalue())
    except OSError as error:
        warnings.warn(
            f"The optimal controller could not be kept in {str(path.parent)!r} ({error}), so the next use "
            f"solves for it anew. Set {CACHE_VARIABLE} to a folder that can be written.",
            RuntimeWarning,
            stacklevel=4,
        )
