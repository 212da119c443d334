"""Scores of the components and of the whole: how well two point sets cover each other."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anysense.common.validation import check_choice
from anysense.representations.evaluation.dca.graph import Graph

__all__ = ["Component", "DCAResult", "Quality", "dca_score", "score"]

Quality = Literal["raw", "normalised", "none"]


@dataclass(frozen=True)
class Component:
    """One cluster: its rows of the reference and of the evaluation set, its edges, and those that join both sets."""

    reference: NDArray[np.int64]
    evaluation: NDArray[np.int64]
    edges: int
    mixed_edges: int

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.reference) + len(self.evaluation)

    @property
    def consistency(self) -> float:
        """1 - |r - e| / (r + e) with the numbers r, e of both sets; 1 is balanced, 0 is one set alone."""
        return 1 - abs(len(self.reference) - len(self.evaluation)) / self.size

    @property
    def quality(self) -> float:
        """Share of its edges that join both sets; 0 without edges."""
        return self.mixed_edges / max(self.edges, 1)


@dataclass(frozen=True)
class DCAResult:
    """Scores, graph and components of one analysis of N points, first the reference set, then the evaluation set."""

    graph: Graph
    """After filtering."""
    labels: NDArray[np.int64]
    """(N,), component of each point, or -1 for noise."""
    components: tuple[Component, ...]
    """By decreasing size."""
    fundamental: tuple[Component, ...]
    """Those of them whose consistency and quality exceed the thresholds."""
    n_reference: int

    @property
    def n_evaluation(self) -> int:
        """Points of the evaluation set."""
        return len(self.labels) - self.n_reference

    @property
    def precision(self) -> float:
        """Share of the evaluation set in fundamental components."""
        return sum(len(part.evaluation) for part in self.fundamental) / self.n_evaluation

    @property
    def recall(self) -> float:
        """Share of the reference set in fundamental components."""
        return sum(len(part.reference) for part in self.fundamental) / self.n_reference

    @property
    def network_consistency(self) -> float:
        """1 - |n_R - n_E| / (n_R + n_E); depends on the sizes of the sets only."""
        return 1 - abs(self.n_reference - self.n_evaluation) / len(self.labels)

    @property
    def network_quality(self) -> float:
        """Share of edges that join both sets, over all components; 0 without edges.

        Perfectly mixed sets reach about 0.5, not 1: see `expected_quality`.
        """
        edges = sum(part.edges for part in self.components)
        return sum(part.mixed_edges for part in self.components) / edges if edges else 0.0

    @property
    def expected_quality(self) -> float:
        """Network quality of complete graphs over these components; 0 without edges."""
        edges = sum(part.size * (part.size - 1) // 2 for part in self.components)
        return sum(len(part.reference) * len(part.evaluation) for part in self.components) / edges if edges else 0.0

    @property
    def n_clusters(self) -> int:
        """Number of components."""
        return len(self.components)

    @property
    def noise_share(self) -> float:
        """Share of points in no component."""
        return float((self.labels < 0).mean())


def score(
    graph: Graph,
    labels: NDArray[np.int64],
    n_reference: int,
    consistency_threshold: float = 0.0,
    quality_threshold: float = 0.0,
) -> DCAResult:
    """Score the components, by ``labels`` (N,), of a graph whose first ``n_reference`` points are the reference set.

    Fundamental components are more consistent, and of a higher quality, than the thresholds.
    """
    start, end = graph.edges.T
    inside = (labels[start] == labels[end]) & (labels[start] >= 0)
    mixed = inside & (start < n_reference) & (end >= n_reference)  # Edges run from the lower to the higher index.
    clusters = int(labels.max(initial=-1)) + 1
    edges, mixed_edges = (np.bincount(labels[start[chosen]], minlength=clusters).tolist() for chosen in (inside, mixed))
    components = []
    for label in range(clusters):
        members = np.flatnonzero(labels == label)
        reference, evaluation = members[members < n_reference], members[members >= n_reference] - n_reference
        components.append(Component(reference, evaluation, edges[label], mixed_edges[label]))
    fundamental = (
        part for part in components if part.consistency > consistency_threshold and part.quality > quality_threshold
    )
    return DCAResult(graph, labels, tuple(components), tuple(fundamental), n_reference)


def dca_score(result: DCAResult, quality: Quality = "raw") -> float:
    """One number from an analysis: the harmonic mean of precision, recall and a quality; 0 if one of them is 0.

    The published code computes no such number, and no reading of it is known to reproduce the published tables.
    "raw" takes the network quality q, so perfectly mixed sets score about 0.75; "normalised" takes min(1, q / expected
    quality), so they score about 1; "none" takes precision and recall only; ValueError for others.
    """
    check_choice("quality", quality, get_args(Quality))
    expected = result.expected_quality
    normalised = min(1.0, result.network_quality / expected) if expected else 0.0
    third = {"raw": [result.network_quality], "normalised": [normalised], "none": []}[quality]
    values = [result.precision, result.recall, *third]
    return len(values) / sum(1 / value for value in values) if min(values) > 0 else 0.0
