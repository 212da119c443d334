"""Rays, approximate Delaunay graph and edge filter, against slow twins, closed forms and exact Delaunay edges."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import Delaunay
from scipy.spatial.distance import cdist

from anysense.representations.evaluation.dca import rays
from anysense.representations.evaluation.dca.graph import Graph, cover_sphere
from anysense.representations.evaluation.dca.kernel import count_first_crossings
from anysense.representations.evaluation.dca.rays import delaunay_graph, random_directions

seeds = st.integers(0, 10_000)


def cloud(seed: int, points: int, dim: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(points, dim))


def pairs(edges) -> set[tuple[int, int]]:
    return {(int(min(edge)), int(max(edge))) for edge in edges}


def exact_edges(points: np.ndarray) -> set[tuple[int, int]]:
    corners = Delaunay(points).simplices
    return pairs([(a, b) for corner in corners for a in corner for b in corner if a != b])


def slow_hits(points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Directed hits (N, N): the first bisector that each ray crosses, one ray at a time."""
    hits = np.zeros((len(points), len(points)), int)
    for p, own in enumerate(points):
        for u in directions.astype(float):
            distances = np.full(len(points), np.inf)
            for q, other in enumerate(points):
                ahead = u @ (other - own)
                if ahead > 0:
                    distances[q] = ((other - own) ** 2).sum() / (2 * ahead)
            if np.isfinite(distances).any():
                hits[p, distances.argmin()] += 1
    return hits


def assert_graph_has_hits(graph: Graph, directed: np.ndarray) -> None:
    both = np.triu(directed + directed.T, k=1)
    np.testing.assert_array_equal(graph.edges, np.argwhere(both))
    np.testing.assert_array_equal(graph.hits, both[both > 0])


# Rays


def raw_stream(seed: int, count: int) -> np.ndarray:
    generator = np.random.MT19937()
    generator._legacy_seeding(seed)
    return generator.random_raw(count)


def test_the_raw_stream_is_the_classical_twister():
    # What the C++ standard requires of std::mt19937 with its default seed.
    assert raw_stream(5489, 10_000)[-1] == 4_123_659_995


@pytest.mark.parametrize("seed", [239, 0, 2**32 - 1])
def test_directions_equal_a_slow_polar_method(seed):
    raw = iter(raw_stream(seed, 2000).tolist())
    normals = []
    while len(normals) < 70 * 3:
        u, v = (2 * (next(raw) / (2**32 - 1)) - 1 for _ in range(2))
        square = u * u + v * v
        if 0 < square < 1:
            factor = math.sqrt(-2 * math.log(square) / square)
            normals += [u * factor, v * factor]
    expected = np.array(normals[: 70 * 3]).reshape(70, 3)
    expected /= np.sqrt((expected**2).sum(axis=1, keepdims=True))
    directions = random_directions(70, 3, seed)
    assert directions.dtype == np.float32
    np.testing.assert_allclose(directions, expected, rtol=2e-7, atol=1e-9)


def test_directions_are_uniform_and_fewer_are_the_first_of_more():
    directions = random_directions(4000, 5, 239)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(directions.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(directions.T @ directions / 4000, np.eye(5) / 5, atol=0.02)
    np.testing.assert_array_equal(directions[:37], random_directions(37, 5, 239))
    assert not np.array_equal(directions[:37], random_directions(37, 5, 240))


# Graph


@pytest.mark.parametrize(("dim", "points"), [(1, 9), (2, 30), (3, 45), (8, 38)])
def test_hits_equal_a_slow_loop(dim, points):
    data, directions = cloud(dim, points, dim), random_directions(70, dim, 1)
    graph = delaunay_graph(data, directions)
    assert_graph_has_hits(graph, slow_hits(data, directions))
    expected = [math.dist(data[a], data[b]) for a, b in graph.edges]
    np.testing.assert_allclose(graph.lengths, expected, rtol=1e-12)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_hits_of_coincident_points_go_to_the_lowest_index(seed):
    rng = np.random.default_rng(seed)
    data, directions = cloud(seed, 9, 3)[rng.integers(0, 9, size=20)], random_directions(40, 3, seed)
    graph = delaunay_graph(data, directions)
    assert_graph_has_hits(graph, slow_hits(data, directions))
    assert (graph.lengths > 0).all()


def test_plain_and_compiled_inner_loop_agree():
    points = np.concatenate([cloud(0, 60, 3), 30 + cloud(1, 61, 3)])  # Two clusters: the far one can be left out.
    points -= points.mean(axis=0)
    own, directions = np.arange(0, 121, 7), random_directions(64, 3, 5).astype(float)
    start, end, counts = rays._shoot_block(points, own, directions)
    order, weights = rays._by_distance(points, own)
    hits = np.zeros(order.shape, np.int32)
    projections = points @ directions.T
    count_first_crossings(projections, projections.max(axis=0), own, order, weights, hits)
    rows, ranks = hits.nonzero()
    np.testing.assert_array_equal(start, own[rows])
    np.testing.assert_array_equal(end, order[rows, ranks])
    np.testing.assert_array_equal(counts, hits[rows, ranks])


@given(seeds, st.integers(2, 40), st.integers(2, 12), st.integers(1, 100))
@settings(max_examples=25, deadline=None)
def test_one_point_per_direction_hits_nothing(seed, points, dim, count):
    data, directions = cloud(seed, points, dim), random_directions(count, dim, seed)
    graph = delaunay_graph(data, directions)
    assert graph.hits.sum() == (points - 1) * count
    assert graph.pieces() == 1
    tree = delaunay_graph(data, directions[:1])
    assert len(tree.edges) == points - 1
    assert tree.pieces() == 1


@given(seeds, st.integers(2, 30), st.integers(1, 20))
@settings(max_examples=15, deadline=None)
def test_on_a_line_neighbours_form_a_chain(seed, points, count):
    data = cloud(seed, points, 1)
    order = np.argsort(data[:, 0])
    assert pairs(delaunay_graph(data, random_directions(count, 1, seed)).edges) == pairs(itertools.pairwise(order))


@pytest.mark.parametrize(("dim", "few", "many"), [(2, 0.971, 0.996), (3, 0.827, 0.951), (4, 0.640, 0.824)])
def test_edges_are_delaunay_edges_and_more_rays_find_more(dim, few, many):
    data, directions = cloud(1, 400, dim), random_directions(1000, dim, 239)
    exact = exact_edges(data)
    for count, share in ((100, few), (1000, many)):
        found = pairs(delaunay_graph(data, directions[:count]).edges)
        assert found <= exact
        assert len(found) / len(exact) == pytest.approx(share, abs=0.02)  # Other clouds differ by up to 0.015.


@pytest.mark.parametrize("dim", [2, 10, 64])
def test_the_minimum_spanning_tree_is_found(dim):
    data = cloud(3, 150, dim)
    tree = minimum_spanning_tree(cdist(data, data)).tocoo()
    found = pairs(delaunay_graph(data, random_directions(1000, dim, 239)).edges)
    assert pairs(zip(*tree.coords, strict=True)) <= found


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_moving_turning_and_scaling_change_nothing(seed):
    data, directions = cloud(seed, 30, 4), random_directions(200, 4, seed).astype(float)
    graph = delaunay_graph(data, directions)
    turn = np.linalg.qr(cloud(seed + 1, 4, 4))[0]
    moved = delaunay_graph(7.0 * data @ turn + 1000.0, directions @ turn)
    np.testing.assert_array_equal(moved.edges, graph.edges)
    np.testing.assert_array_equal(moved.hits, graph.hits)
    np.testing.assert_allclose(moved.lengths, 7 * graph.lengths, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_units_change_nothing(scale):
    data, directions = cloud(0, 30, 3), random_directions(100, 3, 239)
    graph, scaled = delaunay_graph(data, directions), delaunay_graph(scale * data, directions)
    np.testing.assert_array_equal(scaled.edges, graph.edges)
    np.testing.assert_allclose(scaled.lengths / scale, graph.lengths, rtol=1e-9)


def test_blocks_threads_and_progress(monkeypatch):
    data, directions = cloud(0, 70, 3), random_directions(150, 3, 239)
    whole, calls = delaunay_graph(data, directions), []
    monkeypatch.setattr(rays, "_POINTS_AT_ONCE", 16)
    monkeypatch.setattr(rays, "_RAYS_AT_ONCE", 7)
    monkeypatch.setattr(rays, "_EDGES_AT_ONCE", 10)
    monkeypatch.setattr(rays.torch, "get_num_threads", lambda: 3)
    parts = delaunay_graph(data, directions, lambda done, total: calls.append((done, total)))
    for name in ("edges", "hits", "lengths"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)
    assert len(calls) == 5
    assert calls[-1] == (70, 70)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_an_error_in_progress_ends_the_work(monkeypatch):
    monkeypatch.setattr(rays, "_POINTS_AT_ONCE", 4)

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        delaunay_graph(cloud(0, 60, 3), random_directions(10, 3, 239), stop)


# Filter


def slow_cover(graph: Graph, coverage: float, count: int) -> set[tuple[int, int]]:
    kept = set()
    for point in range(graph.points):
        incident = sorted(
            (graph.lengths[i], tuple(edge), graph.hits[i]) for i, edge in enumerate(graph.edges) if point in edge
        )
        total = 0.0
        for _, edge, hits in incident:
            if total >= coverage:
                break
            kept.add(edge)
            total += hits / (2 * count)
    return pairs(kept)


@given(seeds, st.sampled_from([1e-6, 0.2, 0.5, 0.7, 0.95, 0.999]))
@settings(max_examples=20, deadline=None)
def test_coverage_equals_a_slow_loop(seed, coverage):
    graph = delaunay_graph(cloud(seed, 25, 3), random_directions(64, 3, seed))
    filtered = cover_sphere(graph, coverage, 64)
    assert pairs(filtered.edges) == slow_cover(graph, coverage, 64)
    lengths = {tuple(edge): length for edge, length in zip(graph.edges.tolist(), graph.lengths, strict=True)}
    assert [lengths[tuple(edge)] for edge in filtered.edges.tolist()] == filtered.lengths.tolist()


def test_full_coverage_keeps_all_and_almost_none_keeps_nearest_neighbours():
    data = cloud(0, 60, 3)
    graph = delaunay_graph(data, random_directions(2000, 3, 239))
    assert cover_sphere(graph, 1.0, 2000) is graph
    distances = cdist(data, data) + np.diag(np.full(60, np.inf))
    assert pairs(cover_sphere(graph, 1e-9, 2000).edges) == pairs(enumerate(distances.argmin(axis=1)))
