"""Reference rows of every evaluation: the optimal controller, no torque, uniform random torque."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_choice, check_positive_integer
from anysense.envs.pendulum.optimal import OptimalController, check_max_torque, split_states
from anysense.envs.pendulum.physics import MAX_TORQUE, PHYSICS, FloatArray, Physics, advance, reward

__all__ = [
    "OPTIMAL",
    "RANDOM",
    "ZERO",
    "RandomController",
    "StateController",
    "ZeroController",
    "reference_returns",
    "simulate",
]

OPTIMAL, ZERO, RANDOM = "optimal", "zero", "random"
"""Names of the reference rows."""

Progress = Callable[[int, int], None]
"""Called with the steps done and their total number."""


class StateController(Protocol):
    """Acts on the true state."""

    def act(self, state: npt.ArrayLike) -> FloatArray:
        """Return torques in N m, shape (N, 1), for states [theta, omega] of shape (N, 2)."""
        ...


class ZeroController:
    """Applies no torque."""

    def act(self, state: npt.ArrayLike) -> FloatArray:
        """Return zeros of shape (N, 1) for states of shape (N, 2)."""
        theta, _ = split_states(state)
        return np.zeros((len(theta), 1))


class RandomController:
    """Draws every torque uniformly and independently.

    ``max_torque`` in N m lies in (0, 2], or it is a ValueError.
    """

    def __init__(self, max_torque: float = MAX_TORQUE, seed: int = 0) -> None:
        self.max_torque = check_max_torque(max_torque)
        self._rng = np.random.default_rng(seed)

    def act(self, state: npt.ArrayLike) -> FloatArray:
        """Return torques of shape (N, 1) for states of shape (N, 2)."""
        theta, _ = split_states(state)
        return self._rng.uniform(-self.max_torque, self.max_torque, (len(theta), 1))


def simulate(
    controller: StateController,
    starts: npt.ArrayLike,
    steps: int = 300,
    physics: Physics = "gymnasium",
    progress: Progress | None = None,
) -> FloatArray:
    """Return the undiscounted sums of rewards of a controller of the true state, float64 of shape (N,).

    Args:
        controller: Whose torques are applied; they are clipped to ±2 N m.
        starts: Start states [theta, omega], shape (N, 2).
        steps: Steps of each episode.
        physics: Order of integration, one of ``PHYSICS``.
        progress: Told about each step.

    Raises:
        ValueError: The starts have another shape, ``steps`` is below 1 or the order is unknown.
    """
    check_choice("physics", physics, PHYSICS)
    check_positive_integer("steps", steps)
    theta, omega = split_states(starts)
    returns = np.zeros(len(theta))
    for step in range(steps):
        torque = np.clip(controller.act(np.stack((theta, omega), axis=1))[:, 0], -MAX_TORQUE, MAX_TORQUE)
        returns += reward(theta, omega, torque)
        theta, omega = advance(theta, omega, torque, physics)
        if progress is not None:
            progress(step + 1, steps)
    return returns


def reference_returns(
    starts: npt.ArrayLike,
    steps: int = 300,
    max_torque: float = MAX_TORQUE,
    seed: int = 0,
    *,
    physics: Physics = "gymnasium",
    optimal: StateController | None = None,
    progress: Progress | None = None,
) -> dict[str, FloatArray]:
    """Run the reference controllers from given start states.

    Arguments are those of ``simulate``; ``max_torque`` in N m, in (0, 2], limits the optimal and the random controller,
    ``seed`` draws the random torques, and ``optimal`` is the optimal controller where it is at hand.

    Returns:
        Undiscounted returns (N,) of ``"optimal"``, ``"zero"`` and ``"random"``.

    Raises:
        ValueError: An argument is out of range.
    """
    states = np.stack(split_states(starts), axis=1)
    controllers: dict[str, StateController] = {
        OPTIMAL: OptimalController(max_torque, physics) if optimal is None else optimal,
        ZERO: ZeroController(),
        RANDOM: RandomController(max_torque, seed),
    }
    return {name: simulate(controller, states, steps, physics, progress) for name, controller in controllers.items()}
