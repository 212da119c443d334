"""Delaunay Component Analysis: do two sets of latents fill the same regions?

Poklukar et al. (2022), "Delaunay Component Analysis for Evaluation of Data Representations". Joint and single-modality
latents are compared with it by Poklukar et al. (2022), "Geometric Multimodal Contrastive Representation Learning".
"""

import numpy as np
from numpy.typing import NDArray

from anysense.common.progress import Progress
from anysense.common.validation import check_integer, check_range, check_seed
from anysense.representations.evaluation.checks import Points, finite_points
from anysense.representations.evaluation.dca.components import find_clusters
from anysense.representations.evaluation.dca.graph import cover_sphere
from anysense.representations.evaluation.dca.rays import delaunay_graph, random_directions
from anysense.representations.evaluation.dca.scores import DCAResult, score

__all__ = ["dca"]

_MOST_RAYS = 10_000_000


def dca(
    reference: Points,
    evaluation: Points,
    *,
    n_rays: int = 10_000,
    sphere_coverage: float = 1.0,
    min_cluster_size: int = 10,
    consistency_threshold: float = 0.0,
    quality_threshold: float = 0.0,
    seed: int = 239,
    allow_single_cluster: bool = False,
    progress: Progress | None = None,
) -> DCAResult:
    """Join both sets into one Delaunay graph, find its components, and score how the sets share them.

    Nothing is normalised or scaled. The components, and with them precision and recall, hardly depend on the rays;
    network quality depends on ``n_rays``, so compare it at equal numbers only. One homogeneous cloud is no component
    unless ``allow_single_cluster``: it falls into pieces, mostly noise, and scores low even against itself. Time grows
    with the square of the number of points; as many threads as torch has are used.

    Reference (n_R, d), such as joint latents, and evaluation (n_E, d), such as those of one modality, are float arrays
    or tensors. ``n_rays`` is T, the rays from each point, at most ten million; below ``sphere_coverage`` 1 long edges
    are dropped, see `cover_sphere`; components of less than ``min_cluster_size`` points are noise, those up to one of
    the thresholds in [0, 1) not fundamental; seed 239 is that of the published analysis. ``progress`` is called with
    (points done, points in all) while rays are shot, the longest part.

    Raises:
        ValueError: Not float matrices of equal width, a value that is not finite, fewer points than
            ``min_cluster_size``, a disconnected graph, or an argument out of its range.
    """
    n_rays = check_integer("n_rays", n_rays, 1, _MOST_RAYS)
    sphere_coverage = check_range("sphere_coverage", sphere_coverage, 0, 1, ends="(]")
    min_cluster_size = check_integer("min_cluster_size", min_cluster_size, 2)
    consistency_threshold = check_range("consistency_threshold", consistency_threshold, 0, 1, ends="[)")
    quality_threshold = check_range("quality_threshold", quality_threshold, 0, 1, ends="[)")
    seed = check_seed("seed", seed)
    points = _stack(reference, evaluation, min_cluster_size)
    graph = delaunay_graph(points, random_directions(n_rays, points.shape[1], seed), progress)
    graph = cover_sphere(graph, sphere_coverage, n_rays)
    pieces = graph.pieces()
    if pieces > 1:
        raise ValueError(_disconnected(pieces, sphere_coverage))
    labels = find_clusters(graph, min_cluster_size, allow_single_cluster)
    return score(graph, labels, len(reference), consistency_threshold, quality_threshold)


def _stack(reference: Points, evaluation: Points, min_cluster_size: int) -> NDArray[np.float64]:
    """Both sets under each other, float64 (N, d)."""
    r, e = finite_points("reference", reference), finite_points("evaluation", evaluation)
    if r.shape[1] != e.shape[1]:
        raise ValueError(
            f"`reference` and `evaluation` must have the same number of features, got {r.shape[1]} and {e.shape[1]}."
        )
    if len(r) + len(e) < min_cluster_size:
        raise ValueError(
            f"`reference` and `evaluation` together must have at least `min_cluster_size` = {min_cluster_size} points, "
            f"got {len(r)} + {len(e)}."
        )
    return np.concatenate([r, e])


def _disconnected(pieces: int, sphere_coverage: float) -> str:
    message = f"The graph falls into {pieces} unconnected pieces, but components need a connected one."
    if sphere_coverage < 1:
        return f"{message} Raise `sphere_coverage` (got {sphere_coverage}), or analyse the pieces one by one."
    return f"{message} Coincident points can be the reason: remove copies, or raise `n_rays`."
