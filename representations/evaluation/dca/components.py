"""Distilling a graph into components: minimum spanning tree, single linkage, condensed tree (HDBSCAN)."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.cluster import HDBSCAN

from anysense.representations.evaluation.dca.graph import Graph

__all__ = ["find_clusters"]


def find_clusters(graph: Graph, min_cluster_size: int, allow_single_cluster: bool = False) -> NDArray[np.int64]:
    """Cluster of every point, int64 (N,): 0 is the largest (of equal ones that with the lowest index), -1 is noise.

    HDBSCAN (Campello et al., 2013) on the single linkage of edge lengths, without a reachability transform: clusters
    by excess of mass, the root only with ``allow_single_cluster`` (its sparse fringe is noise even then), so that one
    homogeneous cloud falls to pieces. The graph is connected and has at least ``min_cluster_size`` points, at least 2.
    """
    tree = csr_array(minimum_spanning_tree(graph.matrix()))
    # With one sample the core distance is that to the nearest neighbour, so reachability is the edge length itself.
    model = HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=1,
        metric="precomputed",
        allow_single_cluster=allow_single_cluster,
        copy=True,
    )
    return _by_size(model.fit(tree + tree.T).labels_.astype(np.int64))


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same clusters, numbered by decreasing size, then by their first point."""
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    proper = names >= 0
    order = np.lexsort((first[proper], -sizes[proper]))
    number = np.full(len(names), -1)
    number[np.flatnonzero(proper)[order]] = np.arange(len(order))
    return number[np.searchsorted(names, labels)]
