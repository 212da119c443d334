"""Value iteration for the pendulum on its true state, by interpolation on a mesh that is fine where it has to be.

The value V of a state is the largest sum of rewards from there on, undiscounted. It is finite, because upright rest
costs nothing and can be held, and it solves Bellman's equation V(s) = max_u r(s, u) + V(f(s, u)) (R. Bellman, *Dynamic
Programming*, 1957). Solved by modified policy iteration (M. Puterman, *Markov Decision Processes*, 1994, section 6.5):
rounds of one maximisation over torques and several evaluations of the torques chosen, on ever finer meshes.

V has edges, where two ways to the top are equally good, and jumps, where the torque just fails to carry the pendulum
over the top. Interpolation is wrong there by far more than elsewhere, and what it promises leads a controller astray.
So cells are split where Bellman's equation does not hold in the middle of the cell (L. Grüne, "An adaptive grid scheme
for the discrete Hamilton-Jacobi-Bellman equation", *Numerische Mathematik* 75, 1997).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import sparse

from anysense.envs.pendulum import physics
from anysense.envs.pendulum.physics import FloatArray, Physics
from anysense.envs.pendulum.state_mesh import Indices, StateMesh, Values

Progress = Callable[[int, float], None]
"""Called after each round with the number of the mesh (from 0) and the largest change of a value."""

COARSEST = (100, 25)
"""Cells along angle and speed of the first mesh."""
REGULAR_DOUBLINGS = 3
"""How often the first mesh is made twice as fine as a whole, before single cells are split."""
TOLERANCE = 0.05
"""Cells are split where the value in the middle is off by more than this sum of rewards."""
MAX_NODES = 1_500_000
"""About as many nodes as a mesh may have, for memory and time; the worst cells are split first."""
NEW_NODES = 3
"""New nodes of a split cell, on average: each of them is shared with neighbours that are split too."""

RELATIVE_TOLERANCE = 1e-5
"""A mesh is solved when no value changes by more than this share of the largest value."""
COARSE_ROUNDS = 5
"""Largest number of rounds on all meshes but the last."""
MAX_ROUNDS = 30
"""Largest number of rounds on the last mesh."""
EVALUATIONS = 20
"""Evaluations of the chosen torques in each round."""
TORQUES = 5
"""Number of torques tried at each node."""
_PART = 100_000
"""Number of cells that are looked at together; bounds the memory."""


def torque_candidates(max_torque: float, count: int) -> FloatArray:
    """Return torques in N m, denser near zero: swinging up takes the limits, balancing takes small ones."""
    places = np.linspace(-1.0, 1.0, count)
    return max_torque * places * np.abs(places)


class BellmanOperator:
    """Bellman's equation at given states, with the values of the nodes of a mesh.

    The states are angles in rad and speeds in rad/s, each of shape (N,); an odd number of torques is tried in each.
    """

    def __init__(
        self,
        mesh: StateMesh,
        theta: FloatArray,
        omega: FloatArray,
        max_torque: float,
        physics_order: Physics,
        torques: int = TORQUES,
    ) -> None:
        self._shape = torques, len(theta)
        self._rewards = np.empty(self._shape, np.float32)
        nodes, weights = np.empty((*self._shape, 4), np.int32), np.empty((*self._shape, 4), np.float32)
        for number, torque in enumerate(torque_candidates(max_torque, torques)):
            self._rewards[number] = physics.reward(theta, omega, torque)
            after = mesh.locate(*physics.advance(theta, omega, torque, physics_order))
            nodes[number], weights[number] = mesh.weights(after)
        ends = np.arange(0, nodes.size + 1, 4, dtype=np.int32)
        shape = nodes.size // 4, len(mesh.rows)
        self._interpolation = sparse.csr_array((weights.ravel(), nodes.ravel(), ends), shape=shape)

    def improve(self, values: Values) -> tuple[Values, npt.NDArray[np.intp]]:
        """Return the maximum over the torques, float32 (N,), and the number of the torque chosen in each state."""
        sums = (self._interpolation @ values).reshape(self._shape)
        sums += self._rewards
        return sums.max(axis=0), sums.argmax(axis=0)

    def evaluate(self, values: Values, choice: npt.NDArray[np.intp], times: int) -> Values:
        """Apply Bellman's equation ``times`` times with the torques of ``choice``; the states must be the nodes."""
        states = np.arange(len(choice))
        rewards, interpolation = self._rewards[choice, states], self._interpolation[choice * len(choice) + states]
        for _ in range(times):
            values = interpolation @ values
            values += rewards
        return values


def solve(doublings: int, max_torque: float, physics_order: Physics, progress: Progress) -> tuple[StateMesh, Values]:
    """Solve Bellman's equation on ever finer meshes, each starting from the solution on the one before.

    The first mesh is made twice as fine as a whole ``REGULAR_DOUBLINGS`` times, after that only where the values are
    off by more than ``TOLERANCE``.

    Returns:
        The last mesh and the values of its nodes, float32 (nodes,). With a torque so weak that upright rest is out of
        reach there is no finite value; these are then the best sums of rewards over some hundred steps.
    """
    mesh = StateMesh.regular(*COARSEST)
    values = np.zeros(len(mesh.rows), np.float32)
    for level in range(doublings + 1):
        if level > 0:
            finer = _finer(mesh, level, values, max_torque, physics_order)
            values, mesh = mesh.interpolate(values, mesh.locate(*finer.nodes())), finer
        rounds = MAX_ROUNDS if level == doublings else COARSE_ROUNDS
        operator = BellmanOperator(mesh, *mesh.nodes(), max_torque, physics_order)
        values = _iterate(operator, values, rounds, partial(progress, level))
        del operator  # it takes the most memory of all, and the next one is larger
    return mesh, values


def _iterate(operator: BellmanOperator, values: Values, rounds: int, progress: Callable[[float], None]) -> Values:
    for _ in range(rounds):
        improved, choice = operator.improve(values)
        change = float(np.abs(improved - values).max())
        progress(change)
        if change <= RELATIVE_TOLERANCE * float(np.abs(improved).max()):
            return improved
        values = operator.evaluate(improved, choice, EVALUATIONS)
    return values


def _finer(mesh: StateMesh, level: int, values: Values, max_torque: float, physics_order: Physics) -> StateMesh:
    if level <= REGULAR_DOUBLINGS:
        return StateMesh.regular(COARSEST[0] * 2**level, COARSEST[1] * 2**level)
    cells = mesh.leaves()
    errors = middle_errors(mesh, values, cells, max_torque, physics_order)
    room = max(0, (MAX_NODES - len(mesh.rows)) // NEW_NODES)
    worst = np.argsort(-errors, kind="stable")[:room]
    return mesh.split(np.sort(cells[worst[errors[worst] > TOLERANCE]]))


def middle_errors(mesh: StateMesh, values: Values, cells: Indices, max_torque: float, physics_order: Physics) -> Values:
    """Return how far the values in the middles of cells are from Bellman's equation, float32 of the cells' shape."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(cells), _PART):
        part = cells[start : start + _PART]
        operator = BellmanOperator(mesh, *mesh.middles(part), max_torque, physics_order)
        parts.append(np.abs(operator.improve(values)[0] - values[mesh.corners[part]].mean(axis=1)))
    return np.concatenate(parts)
