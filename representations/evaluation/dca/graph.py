"""An undirected graph over points, as arrays: what the steps of the analysis hand on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Graph"]


@dataclass(frozen=True)
class Graph:
    """Edges between points 0 to ``points - 1``.

    Attributes:
        points: Number of points N.
        edges: Int32 (M, 2), rows (a, b) with a < b, in increasing order.
        hits: Int32 (M,), how many rays found each edge, from both ends together; at least 1.
        lengths: Float64 (M,), Euclidean, positive.
    """

    points: int
    edges: NDArray[np.int32]
    hits: NDArray[np.int32]
    lengths: NDArray[np.float64]

    def take(self, chosen: NDArray[np.bool_]) -> Graph:
        """The graph with only the chosen edges; ``chosen`` is bool (M,)."""
        return Graph(self.points, self.edges[chosen], self.hits[chosen], self.lengths[chosen])

    def matrix(self) -> csr_array:
        """Sparse (N, N) of lengths, above the diagonal only."""
        return csr_array((self.lengths, (self.edges[:, 0], self.edges[:, 1])), shape=(self.points, self.points))

    def pieces(self) -> int:
        """Number of connected components."""
        return int(connected_components(self.matrix(), directed=False, return_labels=False))
