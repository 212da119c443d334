"""An undirected graph over points, as arrays, and the dropping of long edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Graph", "cover_sphere"]


@dataclass(frozen=True)
class Graph:
    """Edges between points 0 to ``points - 1``."""

    points: int
    edges: NDArray[np.int32]
    """(M, 2), rows (a, b) with a < b, in increasing order."""
    hits: NDArray[np.int32]
    """(M,), how many rays found each edge, from both ends together; at least 1."""
    lengths: NDArray[np.float64]
    """(M,), Euclidean, positive."""

    def matrix(self) -> csr_array:
        """Sparse (N, N) of lengths, above the diagonal only."""
        return csr_array((self.lengths, (self.edges[:, 0], self.edges[:, 1])), shape=(self.points, self.points))

    def pieces(self) -> int:
        """Number of connected components."""
        return int(connected_components(self.matrix(), directed=False, return_labels=False))


def cover_sphere(graph: Graph, coverage: float, n_rays: int) -> Graph:
    """Drop the edges that neither end needs to cover the share ``coverage`` of its sphere; 1 keeps all.

    An edge found by s rays covers s / 2T. Each point takes its edges by increasing length until their sum reaches
    ``coverage``, B in (0, 1]; an edge stays if either end took it. The long edges between clusters go first, so the
    result is often disconnected. ``n_rays`` is T, the rays that were shot from each point.
    """
    if coverage == 1:
        return graph
    ends = graph.edges.T.ravel()  # Every edge twice: from its first end, then from its second.
    edge = np.tile(np.arange(len(graph.edges)), 2)
    order = np.lexsort((edge, graph.lengths[edge], ends))
    hits = graph.hits[edge[order]].astype(np.int64)
    before = np.cumsum(hits) - hits
    degree = np.bincount(ends, minlength=graph.points)
    before -= np.repeat(before[np.cumsum(degree)[degree > 0] - degree[degree > 0]], degree[degree > 0])
    kept = np.zeros(len(graph.edges), bool)
    kept[edge[order][before < coverage * 2 * n_rays]] = True
    return Graph(graph.points, graph.edges[kept], graph.hits[kept], graph.lengths[kept])
