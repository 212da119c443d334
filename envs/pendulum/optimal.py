"""The optimal controller: what an agent that knows the true state can reach.

Dynamic programming on the state (theta, omega) gives the value of each state on a grid
(``anysense.envs.pendulum.dynamic_programming``); at run time the controller looks one exact step ahead and takes the torque
with the best sum of reward and interpolated value. The policy is stationary. Over 300 steps it reaches the same average
reward as the policy that knows how many steps are left (to 1e-6), because all episodes end near upright rest.
"""

import hashlib
import json
import os
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from anysense.common.cache import CACHE_VARIABLE, cache_folder
from anysense.common.validation import check_choice
from anysense.envs.pendulum.dynamic_programming import TORQUES, Progress, StateGrid, Values, solve
from anysense.envs.pendulum.physics import MAX_TORQUE, PHYSICS, FloatArray, Physics, advance, reward

__all__ = ["OptimalController", "cache_folder"]

FORMAT_VERSION = 1
"""Version of the cached tables; to be raised with every change of what they hold or how they are made."""

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, SyntaxError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for files that are missing, cut short or altered."""

COARSEST = (100, 51)
DOUBLINGS = 4
COARSE_TORQUES = 21
FINE_TORQUES = 11


class OptimalController:
    """Drives the pendulum from its true state as well as its torque limit allows.

    The first use with given settings solves for the values (some seconds on one core) and keeps them in the cache
    folder (``cache_folder``); later uses read them. A cached table that is damaged or of another version is made anew.

    Args:
        max_torque: Largest torque in N m, in (0, 2].
        physics: Order of integration, ``"gymnasium"`` or ``"gym-0.19"``.
        doublings: How often the coarsest grid of 100 x 51 nodes is made twice as fine; each one costs four times the
            time. Average rewards over 10 000 starts, torque 2: -0.4596, -0.4579, -0.4571 with 2, 3 and 4; torque 1:
            -0.7991, -0.7948, -0.7924.
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
        if not 0 <= doublings <= 6:
            raise ValueError(f"`doublings` must be a whole number from 0 to 6, got {doublings!r}.")
        self.physics = physics
        grids = [StateGrid(COARSEST[0] * 2**n, (COARSEST[1] - 1) * 2**n + 1) for n in range(doublings + 1)]
        self.grid = grids[-1]
        self.values = self._load_or_solve(grids, cache_folder() if cache is None else Path(cache))
        self._padded = self.grid.pad(self.values)

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
        return self.grid.interpolate(self._padded, self.grid.locate(*split_states(state)))

    def _best_of(self, theta: FloatArray, omega: FloatArray, torques: FloatArray) -> FloatArray:
        """Return for each state the best one of its torques, those of shape (candidates, N)."""
        after = self.grid.locate(*advance(theta, omega, torques, self.physics))
        sums = reward(theta, omega, torques) + self.grid.interpolate(self._padded, after)
        return np.asarray(np.take_along_axis(torques, sums.argmax(axis=0)[None], axis=0)[0])

    def _load_or_solve(self, grids: list[StateGrid], folder: Path) -> Values:
        settings = json.dumps(
            {
                "format_version": FORMAT_VERSION,
                "max_torque": self.max_torque,
                "physics": self.physics,
                "grids": [grid.shape for grid in grids],
                "torques": TORQUES,
            }
        )
        path = folder / f"optimal-{hashlib.sha256(settings.encode()).hexdigest()[:16]}.npz"
        values = _read_table(path, settings, self.grid.shape)
        if values is None:
            with _shown_progress(len(grids)) as progress:
                values = solve(grids, self.max_torque, self.physics, progress)
            _write_table(path, settings, values)
        return values


def check_max_torque(max_torque: float) -> float:
    """Return the torque limit.

    Raises:
        ValueError: It is not in (0, 2].
    """
    if not 0 < max_torque <= MAX_TORQUE:
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


def _read_table(path: Path, settings: str, shape: tuple[int, int]) -> Values | None:
    """Return the cached values, or None where there are none that can be used."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            values, stored = table["values"], str(table["settings"])
    except _UNREADABLE:
        return None
    usable = stored == settings and values.shape == shape and values.dtype == np.float32 and np.isfinite(values).all()
    return values if usable else None


def _write_table(path: Path, settings: str, values: Values) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".optimal-", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            np.savez(temporary, values=values, settings=np.array(settings))
            os.replace(temporary, path)
    except OSError as error:
        warnings.warn(
            f"The optimal controller could not be kept in {str(path.parent)!r} ({error}), so the next use "
            f"solves for it anew. Set {CACHE_VARIABLE} to a folder that can be written.",
            RuntimeWarning,
            stacklevel=4,
        )


@contextmanager
def _shown_progress(grids: int) -> Iterator[Progress]:
    """Show on a terminal how far the solution has come; elsewhere stay silent."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda level, change: None
        return
    title = "Solving for the optimal controller (only once)"
    with console.status(title) as status:
        yield lambda level, change: status.update(f"{title}: grid {level + 1} of {grids}, largest change {change:.1e}")
