"""Open-loop plans for the pendulum, found without any table of values: the slow twin of the optimal controller.

A forward search keeps, step by step, the best of the exactly simulated states in each small cell, and drops every state
whose cost already exceeds that of a complete plan; a linear-quadratic regulator holds the pendulum at the top. The
plans found are then polished by L-BFGS-B with exact gradients. What a plan returns can be reached, by construction; it
is a lower bound on the optimum. Equations of motion and reward are those of Gymnasium's Pendulum-v1.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_are
from scipy.optimize import minimize

A, B = np.array([[1.0375, 0.05], [0.75, 1.0]]), np.array([[0.0075], [0.15]])
"""The motion near upright rest: state [theta, omega] and torque one step of 0.05 s later."""
COST_TO_GO = solve_discrete_are(A, B, np.diag([1.0, 0.1]), np.array([[0.001]]))
GAIN = np.linalg.solve(0.001 + B.T @ COST_TO_GO @ B, B.T @ COST_TO_GO @ A)[0]
REGULATED_ANGLE = 0.15
"""Below this angle in rad, and where its torque keeps the limit, the regulator takes over."""


@dataclass(frozen=True)
class Plan:
    """Torques in N m of the first steps; the regulator gives those of all later steps."""

    torques: np.ndarray
    value: float


def wrap(theta):
    return (theta + math.pi) % (2 * math.pi) - math.pi


def move(theta, omega, torque, clip_before_moving):
    speed = omega + (15 * np.sin(theta) + 3 * torque) * 0.05
    clipped = np.clip(speed, -8, 8)
    return theta + (clipped if clip_before_moving else speed) * 0.05, clipped


def play(start, plan, steps, max_torque, clip_before_moving=True):
    """The exact return of `steps` steps: first the torques of the plan, then the regulator's."""
    theta, omega, total = *map(float, start), 0.0
    for step in range(steps):
        angle = wrap(theta)
        torque = float(plan[step]) if step < len(plan) else -(GAIN[0] * angle + GAIN[1] * omega)
        torque = min(max(torque, -max_torque), max_torque)
        total -= angle**2 + 0.1 * omega**2 + 0.001 * torque**2
        theta, omega = map(float, move(theta, omega, torque, clip_before_moving))
    return total


def best_of_each_cell(theta, omega, sums, cells):
    """The number of the best state in each cell, over angle and speed, that holds any."""
    column = np.floor((wrap(theta) + math.pi) / (2 * math.pi) * cells[0]).astype(int) % cells[0]
    row = np.floor((omega + 8) / 16 * cells[1]).astype(int)
    order = np.argsort(sums)
    winner = np.full(cells[0] * (cells[1] + 1), -1)
    winner[(column * (cells[1] + 1) + row)[order]] = order
    return winner[winner >= 0]


def complete(theta, omega, sums, max_torque):
    """The values of plans that end in given states, -inf where the regulator would need more torque."""
    angle = wrap(theta)
    state = np.stack((angle, omega), axis=1)
    at_top = (np.abs(angle) < REGULATED_ANGLE) & (np.abs(state @ GAIN) < max_torque)
    return np.where(at_top, sums - np.einsum("ni,ij,nj->n", state, COST_TO_GO, state), -math.inf)


def search(start, max_torque, clip_before_moving=True, cells=(400, 320), torques=3, horizon=250):
    """The best plan found for each number of turns around the pivot, best first.

    Args:
        start: Angle and speed.
        max_torque: Largest torque in N m.
        clip_before_moving: Whether the speed is clipped before the pendulum moves with it (not so in gym 0.19).
        cells: Number of cells over the angle and over the speed.
        torques: Number of torques tried in each step.
        horizon: Largest number of steps.
    """
    candidates = np.linspace(-max_torque, max_torque, torques)
    theta, omega, sums = (np.array([value], dtype=float) for value in (*start, 0.0))
    history, found = [], {}
    for step in range(horizon):
        costs = (wrap(theta) ** 2 + 0.1 * omega**2)[:, None] + 0.001 * candidates**2
        sums = (sums[:, None] - costs).ravel()
        theta, omega = (part.ravel() for part in move(theta[:, None], omega[:, None], candidates, clip_before_moving))
        kept = best_of_each_cell(theta, omega, sums, cells)
        bound = max((value for value, _, _ in found.values()), default=-math.inf)
        kept = kept[sums[kept] - wrap(theta[kept]) ** 2 - 0.1 * omega[kept] ** 2 > bound]
        if not len(kept):
            break
        history.append((kept // torques, candidates[kept % torques]))
        theta, omega, sums = theta[kept], omega[kept], sums[kept]
        values = complete(theta, omega, sums, max_torque)
        turns = np.round(theta / (2 * math.pi)).astype(int)
        for turn in np.unique(turns[values > -math.inf]):
            best = int(np.where(turns == turn, values, -math.inf).argmax())
            found[turn] = max(found.get(turn, (-math.inf, 0, 0)), (float(values[best]), step, best))
    return [Plan(traced(history, step, state), value) for value, step, state in sorted(found.values(), reverse=True)]


def traced(history, step, state):
    """The torques that led to a state of a step."""
    torques = np.empty(step + 1)
    for past in range(step, -1, -1):
        before, chosen = history[past]
        torques[past], state = chosen[state], before[state]
    return torques


def cost_and_gradient(torques, start, clip_before_moving):
    """Minus the value of a plan, the regulator's cost-to-go at its end included, and the gradient."""
    theta, omega, states, total = *map(float, start), [], 0.0
    for torque in torques.tolist():
        angle = wrap(theta)
        total += angle * angle + 0.1 * omega * omega + 0.001 * torque * torque
        speed = omega + (15 * math.sin(theta) + 3 * torque) * 0.05
        states.append((angle, omega, torque, abs(speed) < 8))
        omega = min(max(speed, -8.0), 8.0)
        theta += (omega if clip_before_moving else speed) * 0.05
    end = np.array([wrap(theta), omega])
    total += float(end @ COST_TO_GO @ end)
    by_theta, by_omega = map(float, 2 * COST_TO_GO @ end)
    gradient = np.empty(len(torques))
    for step in range(len(torques) - 1, -1, -1):
        angle, omega, torque, free = states[step]
        by_speed = by_omega * free + by_theta * 0.05 * (free or not clip_before_moving)
        gradient[step] = 0.15 * by_speed + 0.002 * torque
        by_theta += 0.75 * math.cos(angle) * by_speed + 2 * angle
        by_omega = by_speed + 0.2 * omega
    return total, gradient


def polish(plan, start, max_torque, clip_before_moving=True, extra=20):
    """The plan improved locally, with `extra` steps that the regulator had before."""
    torques = list(plan.torques)
    theta, omega = map(float, start)
    for step in range(len(torques) + extra):
        if step >= len(torques):
            torques.append(float(np.clip(-(GAIN[0] * wrap(theta) + GAIN[1] * omega), -max_torque, max_torque)))
        theta, omega = map(float, move(theta, omega, torques[step], clip_before_moving))
    result = minimize(
        cost_and_gradient,
        np.array(torques),
        (start, clip_before_moving),
        "L-BFGS-B",
        jac=True,
        bounds=[(-max_torque, max_torque)] * len(torques),
        options={"maxiter": 2000, "maxfun": 4000, "maxcor": 30},
    )
    return Plan(result.x, -float(result.fun))


def best_return(start, steps=300, max_torque=2.0, clip_before_moving=True, **settings):
    """The best return over `steps` steps of all plans found, searched and polished."""
    best = -math.inf
    for plan in search(start, max_torque, clip_before_moving, **settings):
        for torques in (plan.torques, polish(plan, start, max_torque, clip_before_moving).torques):
            best = max(best, play(start, torques, steps, max_torque, clip_before_moving))
    return best
