"""Value iteration for the pendulum on its true state, by linear interpolation on a grid.

The value V of a state is the largest sum of rewards from there on, undiscounted. It is finite, because upright rest
costs nothing and can be held, and it solves Bellman's equation V(s) = max_u r(s, u) + V(f(s, u)) (R. Bellman, *Dynamic
Programming*, 1957). Solved by modified policy iteration (M. Puterman, *Markov Decision Processes*, 1994, section 6.5):
rounds of one maximisation over torques and several evaluations of the torques chosen, on ever finer grids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anysense.envs.pendulum import physics
from anysense.envs.pendulum.physics import FloatArray, Physics

Values = npt.NDArray[np.float32]
Progress = Callable[[int, float], None]
"""Called after each round with the number of the grid (from 0) and the largest change of a value."""

RELATIVE_TOLERANCE = 1e-6
"""A grid is solved when no value changes by more than this share of the largest value."""
MAX_ROUNDS = 60
EVALUATIONS = 10
"""Evaluations of the chosen torques in each round."""
TORQUES = 7
"""Number of torques tried at each node."""


@dataclass(frozen=True)
class Cells:
    """Where points lie in a grid: index of the lower corner in the padded, flattened table, and place in the cell."""

    corner: npt.NDArray[np.int32]
    along_angle: Values
    along_speed: Values


@dataclass(frozen=True)
class StateGrid:
    """Regular grid over a full turn and all speeds, with a node at upright rest.

    Attributes:
        angles: Number of nodes in [-pi, pi), even.
        speeds: Number of nodes in [-8, 8] rad/s, odd.

    Raises:
        ValueError: A number is too small, or even or odd where it must not be.
    """

    angles: int
    speeds: int

    def __post_init__(self) -> None:
        if self.angles < 4 or self.angles % 2:
            raise ValueError(f"`angles` must be an even number of at least 4, got {self.angles}.")
        if self.speeds < 3 or self.speeds % 2 == 0:
            raise ValueError(f"`speeds` must be an odd number of at least 3, got {self.speeds}.")

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a table of values: (angles, speeds)."""
        return self.angles, self.speeds

    def nodes(self) -> tuple[FloatArray, FloatArray]:
        """Return the angles in rad and the speeds in rad/s of the nodes."""
        theta = -np.pi + 2 * np.pi * np.arange(self.angles) / self.angles
        return theta, np.linspace(-physics.MAX_SPEED, physics.MAX_SPEED, self.speeds)

    def locate(self, theta: npt.ArrayLike, omega: npt.ArrayLike) -> Cells:
        """Find the cells of states; angles need not be wrapped, speeds lie within ±8 rad/s."""
        column = (physics.wrap_angle(theta) + np.pi) * (self.angles / (2 * np.pi))
        row = np.add(omega, physics.MAX_SPEED) * ((self.speeds - 1) / (2 * physics.MAX_SPEED))
        low_column = np.minimum(column.astype(np.int32), self.angles - 1)
        low_row = np.clip(row.astype(np.int32), 0, self.speeds - 2)
        return Cells(
            low_column * np.int32(self.speeds) + low_row,
            (column - low_column).astype(np.float32),
            (row - low_row).astype(np.float32),
        )

    def pad(self, values: Values) -> Values:
        """Return the flattened table with the first angle repeated behind the last one."""
        return np.concatenate((values, values[:1])).ravel()

    def interpolate(self, padded: Values, cells: Cells) -> Values:
        """Interpolate a padded table bilinearly; float32 of the cells' shape."""
        corner, speeds = cells.corner, self.speeds
        lower = _mix(padded.take(corner), padded.take(corner + 1), cells.along_speed)
        upper = _mix(padded.take(corner + speeds), padded.take(corner + (speeds + 1)), cells.along_speed)
        return _mix(lower, upper, cells.along_angle)


def _mix(low: Values, high: Values, share: Values) -> Values:
    high -= low
    high *= share
    high += low
    return high


def torque_candidates(max_torque: float, count: int) -> FloatArray:
    """Return torques in N m, denser near zero: swinging up takes the limits, balancing takes small ones."""
    places = np.linspace(-1.0, 1.0, count)
    return max_torque * places * np.abs(places)


class BellmanOperator:
    """Bellman's equation on a grid, on the half with omega >= 0.

    The pendulum is symmetric under (theta, omega, torque) -> (-theta, -omega, -torque), so the other half follows.

    Args:
        grid: The grid.
        max_torque: Largest torque in N m.
        physics_order: Order of integration, see ``anysense.envs.pendulum.physics``.
        torques: Number of torques tried at each node, odd.
    """

    def __init__(self, grid: StateGrid, max_torque: float, physics_order: Physics, torques: int = TORQUES) -> None:
        self.grid = grid
        theta, omega = grid.nodes()
        angles, speeds = (axis.ravel() for axis in np.meshgrid(theta, omega[grid.speeds // 2 :], indexing="ij"))
        candidates = torque_candidates(max_torque, torques)
        self._rewards = np.stack([physics.reward(angles, speeds, torque).astype(np.float32) for torque in candidates])
        self._next = [grid.locate(*physics.advance(angles, speeds, torque, physics_order)) for torque in candidates]

    def improve(self, values: Values) -> tuple[Values, npt.NDArray[np.intp]]:
        """Return the maximum over the torques, float32 (angles, speeds), and the torque chosen at each half node."""
        padded = self.grid.pad(values)
        returns = np.stack([self.grid.interpolate(padded, cells) for cells in self._next])
        returns += self._rewards
        return self._mirror(returns.max(axis=0)), returns.argmax(axis=0)

    def evaluate(self, values: Values, choice: npt.NDArray[np.intp], times: int) -> Values:
        """Apply Bellman's equation ``times`` times with the torques of ``choice`` instead of the best ones."""
        reward = self._rewards[choice, np.arange(choice.size)]
        cells = self._chosen(choice)
        for _ in range(times):
            values = self._mirror(reward + self.grid.interpolate(self.grid.pad(values), cells))
        return values

    def _chosen(self, choice: npt.NDArray[np.intp]) -> Cells:
        along_angle, along_speed = np.empty((2, choice.size), np.float32)
        cells = Cells(np.empty(choice.size, np.int32), along_angle, along_speed)
        for number, candidate in enumerate(self._next):
            rows = np.flatnonzero(choice == number)
            cells.corner[rows] = candidate.corner[rows]
            cells.along_angle[rows] = candidate.along_angle[rows]
            cells.along_speed[rows] = candidate.along_speed[rows]
        return cells

    def _mirror(self, half: Values) -> Values:
        """Complete the half with omega >= 0 to a full table."""
        angles, speeds = self.grid.shape
        half = half.reshape(angles, -1)
        full = np.empty((angles, speeds), np.float32)
        full[:, speeds // 2 :] = half
        full[:, : speeds // 2] = half[-np.arange(angles) % angles, :0:-1]
        return full


def solve(grids: Sequence[StateGrid], max_torque: float, physics_order: Physics, progress: Progress) -> Values:
    """Solve Bellman's equation on each grid, starting from the solution on the one before.

    Args:
        grids: Grids from coarse to fine.
        max_torque: Largest torque in N m.
        physics_order: Order of integration.
        progress: Told about each round.

    Returns:
        Values on the last grid, float32 (angles, speeds). With a torque so weak that upright rest is out of reach
        there is no finite value; the table then holds the best sums of rewards over some hundred steps.
    """
    values = np.zeros(grids[0].shape, np.float32)
    for level, grid in enumerate(grids):
        if level > 0:
            values = _resample(values, grids[level - 1], grid)
        values = _iterate(BellmanOperator(grid, max_torque, physics_order), values, level, progress)
    return values


def _iterate(operator: BellmanOperator, values: Values, level: int, progress: Progress) -> Values:
    for _ in range(MAX_ROUNDS):
        improved, choice = operator.improve(values)
        change = float(np.abs(improved - values).max())
        progress(level, change)
        if change <= RELATIVE_TOLERANCE * float(np.abs(improved).max()):
            return improved
        values = operator.evaluate(improved, choice, EVALUATIONS)
    return values


def _resample(values: Values, coarse: StateGrid, fine: StateGrid) -> Values:
    theta, omega = np.meshgrid(*fine.nodes(), indexing="ij")
    return coarse.interpolate(coarse.pad(values), coarse.locate(theta, omega))
