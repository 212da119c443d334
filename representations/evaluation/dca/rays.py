"""The Delaunay graph of a point set, approximated by random rays.

Two points are Delaunay neighbours when their Voronoi cells share a facet. A ray from p leaves its cell through the
bisector it crosses first, so the point on the other side is a neighbour: no edge is false, edges whose facets are seen
under small angles may be missed. Poklukar et al. (2022), "Delaunay Component Analysis for Evaluation of Data
Representations".
"""

from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, triu
from scipy.spatial.distance import cdist

from anysense.common.progress import Progress
from anysense.representations.evaluation.dca.graph import Graph
from anysense.representations.evaluation.dca.kernel import LANES, compiled

__all__ = ["delaunay_graph", "random_directions"]

_RAYS_AT_ONCE = 64  # A block of projections of thousands of points then stays in the second-level cache.
_POINTS_AT_ONCE = 256
_EDGES_AT_ONCE = 1 << 14


def random_directions(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Directions uniform on the unit sphere, float32 (count, dim), the same on every machine.

    Normals by Marsaglia's polar method from a 32-bit Mersenne Twister: the stream of the ray-shooting program that the
    published analysis calls, whose seed is 239. A smaller ``count`` gives the first directions of a larger one.
    """
    source = np.random.RandomState(seed)
    wanted = count * dim
    normals: list[NDArray[np.float64]] = []
    found = 0
    while found < wanted:
        raw = source.randint(0, 2**32, size=(wanted - found + 16, 2), dtype=np.uint32)
        normals.append(_polar(raw))
        found += len(normals[-1])
    vectors = np.concatenate(normals)[:wanted].reshape(count, dim)
    directions: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return directions


def _polar(raw: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Standard normals from pairs (n, 2) of raw draws, in their order; about a fifth of the pairs is rejected."""
    pairs = 2 * (raw / (2**32 - 1)) - 1
    square = (pairs**2).sum(axis=1)
    kept = (square > 0) & (square < 1)
    pairs, square = pairs[kept], square[kept]
    normals: NDArray[np.float64] = (pairs * np.sqrt(-2 * np.log(square) / square)[:, None]).ravel()
    return normals


def delaunay_graph(
    points: NDArray[np.floating], directions: NDArray[np.floating], progress: Progress | None = None
) -> Graph:
    """Shoot rays along every direction from every point, and join each point to the neighbours they find.

    Computed in float64 after centring. Uses as many threads as torch does, and memory for a few hundred points times
    all points, besides the edges. Coincident points get no edge between them; of coincident points that a ray could
    hit, the one with the lowest index is hit. Points are float (N, d) and finite, directions (T, d) unit vectors, the
    same for every point; ``progress`` is called after each block of points.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    scale = float(np.abs(centred).max()) or 1.0
    scaled = centred / scale + 0.0  # No negative zeros: coincident points must be equal bit by bit.
    first, copy_of = _distinct(scaled)
    directed = _shoot(scaled[first], directions.astype(np.float64), progress)
    # A copy shoots the same rays from the same place, so it hits what the first of its kind hits.
    spread = directed[copy_of].tocoo()
    hits = csr_array((spread.data, (spread.coords[0], first[spread.coords[1]])), shape=(len(points),) * 2)
    joined = triu(hits + hits.T, k=1, format="csr").tocoo()
    edges = np.stack(joined.coords, axis=1).astype(np.int32)
    return Graph(len(points), edges, joined.data.astype(np.int32), scale * _lengths(scaled, edges))


def _distinct(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the first of each kind of row, increasing, and for every row the position of its kind among them."""
    _, first, kind = np.unique(points, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    return first[order], position[kind.ravel()]


def _shoot(points: NDArray[np.float64], directions: NDArray[np.float64], progress: Progress | None) -> csr_array:
    """Directed hits (p, q) among distinct points as sparse int32 (N, N), block by block of points."""
    count = len(points)
    blocks = [np.arange(start, min(start + _POINTS_AT_ONCE, count)) for start in range(0, count, _POINTS_AT_ONCE)]
    found: list[tuple[NDArray[np.int32], ...]] = []
    threads = ThreadPoolExecutor(torch.get_num_threads())
    try:
        tasks = {threads.submit(_shoot_block, points, own, directions): len(own) for own in blocks}
        done = 0
        for task in as_completed(tasks):
            found.append(task.result())
            done += tasks[task]
            if progress is not None:
                progress(done, count)
    finally:
        threads.shutdown(cancel_futures=True)
    start, end, hits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return csr_array((hits, (start, end)), shape=(count, count))


def _shoot_block(
    points: NDArray[np.float64], own: NDArray[np.int64], directions: NDArray[np.float64]
) -> tuple[NDArray[np.int32], ...]:
    """Start, end and number of the hits from the points ``own``, each pair once."""
    order, weights = _by_distance(points, own)
    hits = np.zeros(order.shape, np.int32)
    kernel = compiled()
    for start in range(0, len(directions), _RAYS_AT_ONCE):
        projections = points @ directions[start : start + _RAYS_AT_ONCE].T
        kernel(projections, projections.max(axis=0), own, order, weights, hits)
    rows, ranks = hits.nonzero()
    return own[rows].astype(np.int32), order[rows, ranks], hits[rows, ranks]


def _by_distance(points: NDArray[np.float64], own: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """All points by increasing distance from each own point and the inverse squares, padded as the kernel wants it."""
    squares = cdist(points[own], points, "sqeuclidean")
    squares[squares == 0] = np.inf
    order = squares.argsort(axis=1, kind="stable")
    padding = ((0, 0), (0, -len(points) % LANES))
    weights = np.pad(1 / np.take_along_axis(squares, order, axis=1), padding)
    return np.pad(order.astype(np.int32), padding), weights


def _lengths(points: NDArray[np.float64], edges: NDArray[np.int32]) -> NDArray[np.float64]:
    lengths = np.empty(len(edges))
    for start in range(0, len(edges), _EDGES_AT_ONCE):
        part = slice(start, start + _EDGES_AT_ONCE)
        lengths[part] = np.linalg.norm(points[edges[part, 0]] - points[edges[part, 1]], axis=1)
    return lengths
