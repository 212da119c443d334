"""Scores of the components and of the whole: how well two point sets cover each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anysense.common.errors import unknown_name
from anysense.representations.evaluation.dca.graph import Graph

__all__ = ["Component", "DCAResult", "Quality", "dca_score", "score"]

Quality = Literal["raw", "normalised", "none"]

_NOISY = 0.2


@dataclass(frozen=True)
class Component:
    """One component: a cluster, or a single point of noise.

    Attributes:
        reference: Int64, rows of the reference set in it, increasing.
        evaluation: Int64, rows of the evaluation set in it, increasing.
        consistency: 1 - |r - e| / (r + e) with the numbers r, e of both; 1 is balanced, 0 is one set alone.
        quality: Share of its edges that join both sets; 0 without edges.
        mixed_edges: Number of edges that join both sets.
        edges: Number of edges of the graph with both ends in it.
        fundamental: Whether consistency and quality both exceed their thresholds.
    """

    reference: NDArray[np.int64]
    evaluation: NDArray[np.int64]
    consistency: float
    quality: float
    mixed_edges: int
    edges: int
    fundamental: bool

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.reference) + len(self.evaluation)


@dataclass(frozen=True)
class DCAResult:
    """Global scores, graph and components of one analysis; N points are the reference set, then the evaluation set.

    Attributes:
        precision: Share of the evaluation set in fundamental components.
        recall: Share of the reference set in fundamental components.
        network_consistency: 1 - |n_R - n_E| / (n_R + n_E); depends on the sizes of the sets only.
        network_quality: Share of edges that join both sets, over all components; 0 without edges. Perfectly mixed sets
            reach about 0.5, not 1: see ``expected_quality``.
        expected_quality: Network quality of complete graphs over these components; 0 without edges.
        labels: Int64 (N,), component of each point that lies in a cluster, else -1.
        edges: Int32 (M, 2), the graph after filtering, rows (a, b) with a < b.
        hits: Int32 (M,), how many rays found each edge.
        lengths: Float64 (M,), Euclidean.
        components: Clusters by decreasing size, then each noise point by index.
        n_clusters: Number of clusters, which is the position of the first component of one noise point.
        n_reference: Points of the reference set.
        n_evaluation: Points of the evaluation set.
        reference_in_fundamental: Points of the reference set in fundamental components.
        evaluation_in_fundamental: Points of the evaluation set in fundamental components.
        mixed_edges: Edges inside components that join both sets.
        component_edges: Edges inside components.
        reference_outliers: Noise points of the reference set.
        evaluation_outliers: Noise points of the evaluation set.
    """

    precision: float
    recall: float
    network_consistency: float
    network_quality: float
    expected_quality: float
    labels: NDArray[np.int64]
    edges: NDArray[np.int32]
    hits: NDArray[np.int32]
    lengths: NDArray[np.float64]
    components: tuple[Component, ...]
    n_clusters: int
    n_reference: int
    n_evaluation: int
    reference_in_fundamental: int
    evaluation_in_fundamental: int
    mixed_edges: int
    component_edges: int
    reference_outliers: int
    evaluation_outliers: int

    @property
    def n_fundamental(self) -> int:
        """Number of fundamental components."""
        return sum(component.fundamental for component in self.components)

    @property
    def noise_share(self) -> float:
        """Share of points in no cluster."""
        return (self.reference_outliers + self.evaluation_outliers) / len(self.labels)

    @property
    def noisy(self) -> bool:
        """Whether more than a fifth of the points is noise: the scores then say little."""
        return self.noise_share > _NOISY


@dataclass(frozen=True)
class _Counts:
    """Per component, int64 (C,): points of both sets, edges and edges that join both sets."""

    reference: NDArray[np.int64]
    evaluation: NDArray[np.int64]
    edges: NDArray[np.int64]
    mixed: NDArray[np.int64]

    @property
    def consistency(self) -> NDArray[np.float64]:
        consistency: NDArray[np.float64]
        consistency = 1 - np.abs(self.reference - self.evaluation) / (self.reference + self.evaluation)
        return consistency

    @property
    def quality(self) -> NDArray[np.float64]:
        return self.mixed / np.maximum(self.edges, 1)


def score(
    graph: Graph,
    labels: NDArray[np.int64],
    n_reference: int,
    consistency_threshold: float = 0.0,
    quality_threshold: float = 0.0,
) -> DCAResult:
    """Score the components of a graph whose first ``n_reference`` points are the reference set.

    Args:
        graph: The graph after filtering.
        labels: Int64 (N,), cluster of each point, 0 to C - 1, or -1.
        n_reference: Size of the reference set, 1 to N - 1.
        consistency_threshold: Fundamental components are more consistent than this.
        quality_threshold: Fundamental components have a higher quality than this.
    """
    n_clusters = int(labels.max(initial=-1)) + 1
    counts = _count(graph, labels, n_reference, n_clusters)
    fundamental = (counts.consistency > consistency_threshold) & (counts.quality > quality_threshold)
    n_evaluation = graph.points - n_reference
    sizes = counts.reference + counts.evaluation
    recalled, precise = int(counts.reference[fundamental].sum()), int(counts.evaluation[fundamental].sum())
    return DCAResult(
        precision=precise / n_evaluation,
        recall=recalled / n_reference,
        network_consistency=1 - abs(n_reference - n_evaluation) / graph.points,
        network_quality=_share(counts.mixed.sum(), counts.edges.sum()),
        expected_quality=_share((counts.reference * counts.evaluation).sum(), (sizes * (sizes - 1) // 2).sum()),
        labels=labels,
        edges=graph.edges,
        hits=graph.hits,
        lengths=graph.lengths,
        components=_components(labels, n_reference, counts, fundamental),
        n_clusters=n_clusters,
        n_reference=n_reference,
        n_evaluation=n_evaluation,
        reference_in_fundamental=recalled,
        evaluation_in_fundamental=precise,
        mixed_edges=int(counts.mixed.sum()),
        component_edges=int(counts.edges.sum()),
        reference_outliers=int((labels[:n_reference] < 0).sum()),
        evaluation_outliers=int((labels[n_reference:] < 0).sum()),
    )


def _share(part: np.integer, whole: np.integer) -> float:
    return float(part / whole) if whole else 0.0


def _count(graph: Graph, labels: NDArray[np.int64], n_reference: int, n_clusters: int) -> _Counts:
    start, end = graph.edges.T
    inside = (labels[start] == labels[end]) & (labels[start] >= 0)
    mixed = inside & (start < n_reference) & (end >= n_reference)  # Edges run from the lower to the higher index.

    def tally(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(values[values >= 0], minlength=n_clusters)

    return _Counts(
        reference=tally(labels[:n_reference]),
        evaluation=tally(labels[n_reference:]),
        edges=tally(labels[start[inside]]),
        mixed=tally(labels[start[mixed]]),
    )


def _components(
    labels: NDArray[np.int64], n_reference: int, counts: _Counts, fundamental: NDArray[np.bool_]
) -> tuple[Component, ...]:
    order = np.argsort(labels, kind="stable")
    noise, *clusters = np.split(order, np.searchsorted(labels[order], np.arange(len(fundamental))))
    consistency, quality = counts.consistency, counts.quality
    proper = [
        Component(
            reference=members[members < n_reference],
            evaluation=members[members >= n_reference] - n_reference,
            consistency=float(consistency[i]),
            quality=float(quality[i]),
            mixed_edges=int(counts.mixed[i]),
            edges=int(counts.edges[i]),
            fundamental=bool(fundamental[i]),
        )
        for i, members in enumerate(clusters)
    ]
    return (*proper, *(_single(point, n_reference) for point in noise))


def _single(point: int, n_reference: int) -> Component:
    both = np.array([point, point - n_reference])
    own = int(point >= n_reference)
    return Component(both[: 1 - own], both[2 - own :], 0.0, 0.0, 0, 0, False)


def dca_score(result: DCAResult, quality: Quality = "raw") -> float:
    """One number from an analysis: the harmonic mean of precision, recall and a quality; 0 if one of them is 0.

    The published code computes no such number, and no reading of it is known to reproduce the published tables.

    Args:
        result: What :func:`dca` returned.
        quality: "raw" takes the network quality q, so perfectly mixed sets score about 0.75; "normalised" takes
            min(1, q / expected quality), so they score about 1; "none" takes precision and recall only.

    Raises:
        ValueError: Unknown ``quality``.
    """
    if quality not in get_args(Quality):
        raise ValueError(unknown_name("quality", quality, get_args(Quality)))
    values = [result.precision, result.recall]
    if quality == "raw":
        values.append(result.network_quality)
    elif quality == "normalised":
        expected = result.expected_quality
        values.append(min(1.0, result.network_quality / expected) if expected else 0.0)
    return len(values) / sum(1 / value for value in values) if min(values) > 0 else 0.0
