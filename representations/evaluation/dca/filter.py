"""Dropping long edges: each point keeps the shortest ones that together cover enough of the sphere around it."""

from __future__ import annotations

import numpy as np

from anysense.representations.evaluation.dca.graph import Graph

__all__ = ["cover_sphere"]


def cover_sphere(graph: Graph, coverage: float, n_rays: int) -> Graph:
    """Drop the edges that neither end needs to cover the share ``coverage`` of its sphere; 1 keeps all.

    An edge found by s rays covers s / 2T. Each point takes its edges by increasing length until their sum reaches
    ``coverage``; an edge stays if either end took it. The long edges between clusters go first, so the result is often
    disconnected.

    Args:
        graph: Approximate Delaunay graph.
        coverage: B in (0, 1].
        n_rays: T, the rays that were shot from each point.
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
    return graph.take(kept)
