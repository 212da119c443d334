"""The inner loop of ray shooting: a plain Python function, compiled once per process by numba."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysense.common.extras import import_extra

__all__ = ["LANES", "compiled", "count_first_crossings"]

LANES = 4
"""Candidates per pass over the rays; ``order`` and ``weights`` are padded to a multiple of it."""

_LOOK = 32  # Candidates between two looks at whether those still to come can win.


def count_first_crossings(
    projections: NDArray[np.float64],
    furthest: NDArray[np.float64],
    own: NDArray[np.int64],
    order: NDArray[np.int32],
    weights: NDArray[np.float64],
    hits: NDArray[np.int32],
) -> None:
    r"""Add to ``hits`` which neighbour's bisector each ray from each point crosses first.

    From p along u that is the q with the largest :math:`(u\cdot q - u\cdot p)/|q-p|^2`, if positive; of equal ones, the
    first. Candidates come by increasing distance, so once :math:`(\max_x u\cdot x - u\cdot p)/|q-p|^2` is no larger
    than the best so far, for every ray of the block, no further candidate can win.

    ``projections`` (N, B) holds u . x of every point and a block of B rays, ``furthest`` (B,) their largest, ``own``
    (P,) the points to shoot from, ``order`` (P, K) all points by increasing distance from each of them, ``weights``
    (P, K) the inverse squared distances in that order, 0 for the point itself, its twins and padding, ``hits`` (P, K)
    the counts to add to.
    """
    rays = projections.shape[1]
    best = np.empty(rays)
    winner = np.empty(rays, np.int64)
    for i in range(len(own)):
        start = projections[own[i]]
        best[:] = 0
        winner[:] = -1
        for k in range(0, order.shape[1], 4):
            w0, w1, w2, w3 = weights[i, k], weights[i, k + 1], weights[i, k + 2], weights[i, k + 3]
            if k > 0 and k % _LOOK == 0:
                undecided = 0
                for r in range(rays):
                    undecided += (furthest[r] - start[r]) * w0 > best[r]
                if undecided == 0:
                    break
            x0, x1 = projections[order[i, k]], projections[order[i, k + 1]]
            x2, x3 = projections[order[i, k + 2]], projections[order[i, k + 3]]
            # Four candidates written out: each pass loads and stores the best so far once, with vector instructions.
            for r in range(rays):
                x, value, rank = start[r], best[r], winner[r]
                v0, v1, v2, v3 = (x0[r] - x) * w0, (x1[r] - x) * w1, (x2[r] - x) * w2, (x3[r] - x) * w3
                if v0 > value:
                    value, rank = v0, k
                if v1 > value:
                    value, rank = v1, k + 1
                if v2 > value:
                    value, rank = v2, k + 2
                if v3 > value:
                    value, rank = v3, k + 3
                best[r], winner[r] = value, rank
        for r in range(rays):
            if winner[r] >= 0:
                hits[i, winner[r]] += 1


@functools.cache
def compiled() -> Callable[..., Any]:
    """:func:`count_first_crossings` as machine code that runs without the interpreter lock.

    Raises:
        ModuleNotFoundError: numba is not installed.
    """
    numba = import_extra("numba", "dca", "Delaunay component analysis")
    kernel: Callable[..., Any] = numba.njit(nogil=True)(count_first_crossings)
    return kernel
