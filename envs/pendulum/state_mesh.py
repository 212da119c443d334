"""Mesh over the states of the pendulum: cells of a regular grid, some of them split into four, again and again.

A value at each node and bilinear interpolation in each cell make a function of the state. Only speeds >= 0 are stored:
the pendulum is symmetric under (theta, omega, torque) -> (-theta, -omega, -torque), so the other half follows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.envs.pendulum import physics
from anysense.envs.pendulum.physics import FloatArray

Values = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

MAX_DEPTH = 8
"""How often a cell of the regular grid can be split."""
_UNITS = 2**MAX_DEPTH
_HALVES = np.arange(3, dtype=np.int32)


@dataclass(frozen=True)
class Places:
    """Where states lie: the cell, and the place in it from 0 to 1 along the angle and along the speed."""

    cell: Indices
    along_angle: Values
    along_speed: Values


@dataclass(frozen=True)
class StateMesh:
    """Nodes and cells over angles in [-pi, pi) and speeds in [0, 8] rad/s; made by ``regular`` and ``split``.

    Attributes:
        angles: Number of cells of the regular grid along a full turn.
        speeds: Number of cells of the regular grid along the speed.
        columns: Angle of each node from -pi on, in 1 / (angles * 2^MAX_DEPTH) of a turn, int32 (nodes,).
        rows: Speed of each node, in 8 / (speeds * 2^MAX_DEPTH) rad/s, int32 (nodes,).
        corners: Nodes of each cell, int32 (cells, 4): low angle and low speed, low and high, high and low, both high.
        children: First of the four cells that a cell is split into, in the order of ``corners``, or -1, int32 (cells,).
        splits: The cells given to ``split`` so far, one array per call; ``rebuilt`` makes the mesh from them.
    """

    angles: int
    speeds: int
    columns: Indices
    rows: Indices
    corners: Indices
    children: Indices
    splits: tuple[Indices, ...] = ()

    @classmethod
    def regular(cls, angles: int, speeds: int) -> "StateMesh":
        """Make a regular grid.

        ``angles`` cells make a full turn, an even number, so that upright rest is a node; ``speeds`` cells reach from 0
        to 8 rad/s.
        """
        columns, rows = np.meshgrid(np.arange(angles), np.arange(speeds + 1), indexing="ij")
        nodes = np.arange(columns.size, dtype=np.int32).reshape(columns.shape)
        after = np.roll(nodes, -1, axis=0)
        corners = np.stack((nodes[:, :-1], nodes[:, 1:], after[:, :-1], after[:, 1:]), axis=-1).reshape(-1, 4)
        first, second = ((axis.ravel() * _UNITS).astype(np.int32) for axis in (columns, rows))
        return cls(angles, speeds, first, second, corners, np.full(len(corners), -1, np.int32))

    @classmethod
    def rebuilt(cls, angles: int, speeds: int, splits: Iterable[Indices]) -> "StateMesh":
        """Make the mesh that has these ``splits``; a ValueError as ``split``."""
        mesh = cls.regular(angles, speeds)
        for cells in splits:
            mesh = mesh.split(cells)
        return mesh

    def nodes(self, first: int = 0) -> tuple[FloatArray, FloatArray]:
        """Return angles in rad and speeds in rad/s of the nodes from number ``first`` on, each of shape (nodes,)."""
        return self._states(self.columns[first:], self.rows[first:])

    def leaves(self) -> Indices:
        """Return the numbers of the cells that are not split and still can be."""
        cells = np.flatnonzero(self.children < 0).astype(np.int32)
        return cells[self._sizes(cells) > 1]

    def middles(self, cells: Indices) -> tuple[FloatArray, FloatArray]:
        """Return angles in rad and speeds in rad/s of the middles of cells, each of shape (cells,)."""
        low, half = self.corners[cells, 0], self._sizes(cells) / 2
        return self._states(self.columns[low] + half, self.rows[low] + half)

    def split(self, cells: Indices) -> "StateMesh":
        """Return a mesh where some cells are split into four; nodes and cells keep their numbers, new ones follow.

        Raises:
            ValueError: ``cells`` are no ascending numbers among ``leaves``.
        """
        if cells.ndim != 1 or np.any(np.diff(cells) <= 0) or not np.isin(cells, self.leaves()).all():
            raise ValueError("`cells` must be ascending numbers of cells that can be split, see `leaves`.")
        low, half = self.corners[cells, 0, None, None], self._sizes(cells)[:, None, None] // 2
        columns, rows = np.broadcast_arrays(
            (self.columns[low] + half * _HALVES[:, None]) % (self.angles * _UNITS), self.rows[low] + half * _HALVES
        )
        numbers, new_columns, new_rows = self._numbers(columns.ravel(), rows.ravel())
        blocks = numbers.reshape(-1, 3, 3)
        quarters = [blocks[:, i : i + 2, j : j + 2].reshape(-1, 4) for i in (0, 1) for j in (0, 1)]
        children = np.concatenate((self.children, np.full(4 * len(cells), -1, np.int32)))
        children[cells] = len(self.children) + 4 * np.arange(len(cells))
        return StateMesh(
            self.angles,
            self.speeds,
            np.concatenate((self.columns, new_columns)),
            np.concatenate((self.rows, new_rows)),
            np.concatenate((self.corners, np.stack(quarters, axis=1).reshape(-1, 4))),
            children,
            (*self.splits, cells),
        )

    def locate(self, theta: npt.ArrayLike, omega: npt.ArrayLike) -> Places:
        """Find the cells of states; angles need not be wrapped, speeds lie within ±8 rad/s, shapes broadcast."""
        speed = np.asarray(omega)
        angle = physics.wrap_angle(np.where(speed < 0, np.negative(theta), theta))
        x = (angle + np.pi) * (self.angles / (2 * np.pi))
        y = np.broadcast_to(np.abs(speed) * (self.speeds / physics.MAX_SPEED), x.shape)
        column = np.minimum(x.astype(np.int32), self.angles - 1)
        row = np.minimum(y.astype(np.int32), self.speeds - 1)
        cell = column * np.int32(self.speeds) + row
        flat_x, flat_y, flat_cell = (x - column).ravel(), (y - row).ravel(), cell.ravel()
        self._descend(flat_x, flat_y, flat_cell)
        return Places(
            flat_cell.reshape(x.shape),
            flat_x.astype(np.float32).reshape(x.shape),
            flat_y.astype(np.float32).reshape(x.shape),
        )

    def interpolate(self, values: Values, places: Places) -> Values:
        """Interpolate values of the nodes bilinearly; float32 of the shape of the places."""
        at_corners = values[self.corners[places.cell]]
        low, high = at_corners[..., 0::2], at_corners[..., 1::2]
        along_speed = low + (high - low) * places.along_speed[..., None]
        start, end = along_speed[..., 0], along_speed[..., 1]
        return np.asarray(start + (end - start) * places.along_angle)

    def steep(self, values: Values, slope: float) -> npt.NDArray[np.bool_]:
        """Return for each cell whether values of its nodes differ by more than ``slope`` per rad of its width."""
        widths = self._sizes(slice(None)) * (2 * np.pi / (self.angles * _UNITS))
        return np.asarray(np.ptp(values[self.corners], axis=1) > slope * widths)

    def weights(self, places: Places) -> tuple[Indices, Values]:
        """Return the nodes and the weights of the interpolation, int32 and float32, one more axis of length 4."""
        x, y = places.along_angle, places.along_speed
        both = x * y
        return self.corners[places.cell], np.stack((1 - x - (y - both), y - both, x - both, both), axis=-1)

    def _descend(self, x: FloatArray, y: FloatArray, cell: Indices) -> None:
        """Move from cells to their children, down to the smallest ones, in place; ``x`` and ``y`` from 0 to 1."""
        inside = np.flatnonzero(self.children[cell] >= 0)
        while inside.size:
            finer_x, finer_y = 2 * x[inside], 2 * y[inside]
            right, up = finer_x >= 1, finer_y >= 1
            x[inside], y[inside] = finer_x - right, finer_y - up
            children = self.children[cell[inside]] + (2 * right + up).astype(np.int32)
            cell[inside] = children
            inside = inside[self.children[children] >= 0]

    def _numbers(self, columns: Indices, rows: Indices) -> tuple[Indices, Indices, Indices]:
        """Return the numbers of nodes at given places, and the columns and rows of those that are new."""
        stride, known = self.speeds * _UNITS + 1, len(self.rows)
        all_columns = np.concatenate((self.columns, columns)).astype(np.int64)
        places, place = np.unique(all_columns * stride + np.concatenate((self.rows, rows)), return_inverse=True)
        number = np.full(len(places), -1, np.int32)
        number[place[:known]] = np.arange(known)
        new = np.flatnonzero(number < 0)
        number[new] = known + np.arange(len(new))
        return number[place[known:]], (places[new] // stride).astype(np.int32), (places[new] % stride).astype(np.int32)

    def _sizes(self, cells: Indices | slice) -> Indices:
        """Return the widths of cells, in the unit of ``rows``."""
        widths: Indices = self.rows[self.corners[cells, 1]] - self.rows[self.corners[cells, 0]]
        return widths

    def _states(self, columns: npt.NDArray[Any], rows: npt.NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        theta = columns * (2 * np.pi / (self.angles * _UNITS)) - np.pi
        return theta, rows * (physics.MAX_SPEED / (self.speeds * _UNITS))
