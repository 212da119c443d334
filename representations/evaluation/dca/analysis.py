"""Delaunay Component Analysis: do two sets of latents fill the same regions?

Poklukar et al. (2022), "Delaunay Component Analysis for Evaluation of Data Representations". Joint and single-modality
latents are compared with it by Poklukar et al. (2022), "Geometric Multimodal Contrastive Representation Learning".
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysense.representations.evaluation.dca.components import find_clusters
from anysense.representations.evaluation.dca.filter import cover_sphere
from anysense.representations.evaluation.dca.rays import Progress, delaunay_graph, random_directions
from anysense.representations.evaluation.dca.scores import DCAResult, score

__all__ = ["Points", "dca"]

Points = NDArray[np.floating] | Tensor


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
    """Join both sets into one Delaunay graph, distil it into components and score how the sets share them.

    Nothing is normalised or scaled. Which set a point belongs to plays no part before the scores. The components, and
    with them precision and recall, hardly depend on the rays; network quality depends on ``n_rays``, so compare it at
    equal numbers only. One homogeneous cloud is no component unless ``allow_single_cluster``: it falls to pieces,
    mostly noise, and scores low even against itself.

    Runs on the processor, with as many threads as torch uses. Time grows with the square of the number of points.

    Args:
        reference: Float (n_R, d), array or tensor, for example joint latents.
        evaluation: Float (n_E, d), for example latents of one modality.
        n_rays: Rays from each point, T.
        sphere_coverage: In (0, 1]; below 1, long edges are dropped, see :func:`cover_sphere`.
        min_cluster_size: Points of the smallest component that is not noise, at least 2.
        consistency_threshold: In [0, 1); components up to this consistency are not fundamental.
        quality_threshold: In [0, 1); components up to this quality are not fundamental.
        seed: Seed of the rays, 0 to 2^32 - 1; 239 is that of the published analysis.
        allow_single_cluster: Whether one cloud may be one component, but for its sparse fringe.
        progress: Called with (points done, points in all) while rays are shot, the longest part.

    Raises:
        ValueError: Not float matrices of equal width, a value that is not finite, fewer points than
            ``min_cluster_size``, a disconnected graph, or an argument out of its range.
    """
    _check_arguments(n_rays, sphere_coverage, min_cluster_size, consistency_threshold, quality_threshold, seed)
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
    r, e = _matrix("reference", reference), _matrix("evaluation", evaluation)
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


def _matrix(name: str, points: Points) -> NDArray[np.float64]:
    tensor = torch.as_tensor(points).detach()
    if tensor.ndim != 2 or tensor.numel() == 0 or not tensor.is_floating_point():
        raise ValueError(
            f"`{name}` must be a floating point matrix (points, features) with at least one point, "
            f"got {tensor.dtype} of shape {tuple(tensor.shape)}."
        )
    bad = ~tensor.isfinite().all(dim=1)
    if bad.any():
        raise ValueError(f"`{name}` must be finite; {int(bad.sum())} of {len(bad)} rows hold NaN or infinity.")
    array: NDArray[np.float64] = tensor.cpu().double().numpy()
    return array


def _check_arguments(
    n_rays: int,
    sphere_coverage: float,
    min_cluster_size: int,
    consistency_threshold: float,
    quality_threshold: float,
    seed: int,
) -> None:
    if n_rays < 1:
        raise ValueError(f"`n_rays` must be at least 1, got {n_rays}.")
    if not 0 < sphere_coverage <= 1:
        raise ValueError(f"`sphere_coverage` must lie above 0 and not above 1, got {sphere_coverage}.")
    if min_cluster_size < 2:
        raise ValueError(f"`min_cluster_size` must be at least 2, got {min_cluster_size}.")
    for name, value in (("consistency_threshold", consistency_threshold), ("quality_threshold", quality_threshold)):
        if not 0 <= value < 1:
            raise ValueError(f"`{name}` must be at least 0 and below 1, got {value}.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must lie between 0 and 2^32 - 1, got {seed}.")


def _disconnected(pieces: int, sphere_coverage: float) -> str:
    message = f"The graph falls into {pieces} unconnected pieces, but components need a connected one."
    if sphere_coverage < 1:
        return f"{message} Raise `sphere_coverage` (got {sphere_coverage}), or analyse the pieces one by one."
    return f"{message} Coincident points can be the reason: remove copies, or raise `n_rays`."
