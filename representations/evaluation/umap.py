"""Pictures of latents: several sets of points in one plane."""

import warnings
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anysense.common.extras import import_extra
from anysense.common.validation import check_choice
from anysense.representations.evaluation.checks import Points, finite_points

__all__ = ["Metric", "umap_embedding"]

Metric = Literal["euclidean", "cosine"]


def umap_embedding(
    latents: Mapping[str, Points],
    seed: int,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: Metric = "euclidean",
) -> dict[str, NDArray[np.float32]]:
    """Embed several sets of latents together in the plane, so that near points of any sets stay near.

    UMAP (McInnes et al., 2018) of all sets at once, from exact neighbours and on one thread: the same seed gives the
    same picture on one machine. The first call of a process takes several seconds more.

    Args:
        latents: By name, for example of the modalities that were given, float (n, d), array or tensor.
        seed: Seed of the layout.
        n_neighbors: Neighbours that count as near, 2 to the number of all points - 1; more shows coarser structure.
        min_dist: How close points may lie in the plane, at least 0.
        metric: Distance between latents.

    Returns:
        By name, in the order given, float32 (n, 2).

    Raises:
        ValueError: No set, not float matrices of one width, a value that is not finite, too few points, or unknown
            ``metric``.
        ModuleNotFoundError: UMAP is not installed.
    """
    check_choice("metric", metric, get_args(Metric))
    sets = {name: finite_points(name, points) for name, points in latents.items()}
    if len({points.shape[1] for points in sets.values()}) != 1:
        widths = ", ".join(f"{name!r}: {points.shape[1]}" for name, points in sets.items())
        raise ValueError(f"`latents` must hold sets with the same number of features, got {{{widths}}}.")
    points = np.concatenate(list(sets.values())).astype(np.float32)
    if not 2 <= n_neighbors < len(points):
        raise ValueError(
            f"`n_neighbors` must lie between 2 and the number of points - 1 ({len(points) - 1}), got {n_neighbors}."
        )
    plane = _layout(points, seed, n_neighbors, min_dist, metric)
    ends = np.cumsum([len(part) for part in sets.values()])
    return dict(zip(sets, np.split(plane, ends[:-1]), strict=True))


def _layout(
    points: NDArray[np.float32], seed: int, n_neighbors: int, min_dist: float, metric: Metric
) -> NDArray[np.float32]:
    from sklearn.neighbors import NearestNeighbors  # Takes a second to import.

    distances, indices = NearestNeighbors(n_neighbors=n_neighbors, metric=metric).fit(points).kneighbors(points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Deprecations inside UMAP, a note on transforming: nothing a user can act on.
        model = import_extra("umap", "umap", "drawing latents").UMAP(
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            metric=metric,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(indices, distances),
            init="spectral" if len(points) > 3 else "random",  # Needs more points than eigenvectors, which are 3.
        )
        return np.asarray(model.fit_transform(points), np.float32)
