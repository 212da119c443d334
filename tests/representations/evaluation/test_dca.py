"""Components, scores and the whole analysis: recorded values, slow twins and what must not change the scores."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import cdist, squareform

from anysense.representations.evaluation.dca import DCAResult, dca, dca_score
from anysense.representations.evaluation.dca.components import find_clusters
from anysense.representations.evaluation.dca.graph import Graph
from anysense.representations.evaluation.dca.kernel import compiled
from anysense.representations.evaluation.dca.scores import score

EXAMPLE = np.load(Path(__file__).parent / "dca_first_example.npz")
seeds = st.integers(0, 10_000)


def cloud(seed: int, points: int, dim: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(points, dim))


def clustered(seed: int, dim: int, kinds: list[int], each: int = 20) -> np.ndarray:
    """Unit normal clusters around some of six centres that lie far apart, ``each`` points per cluster."""
    centres = 40 * np.array([[np.cos(angle), np.sin(angle)] for angle in np.arange(6) * np.pi / 3])
    data = cloud(seed, each * len(kinds), dim)
    data[:, :2] += np.repeat(centres[kinds], each, axis=0)
    return data


def complete_graph(points: np.ndarray) -> Graph:
    edges = np.array(list(itertools.combinations(range(len(points)), 2)), dtype=np.int32)
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    return Graph(len(points), edges, np.ones(len(edges), np.int32), lengths)


def partition(labels) -> set[frozenset[int]]:
    """The clusters as sets of points; noise points alone."""
    groups = {label: frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist()) - {-1}}
    return set(groups.values()) | {frozenset([point]) for point in np.flatnonzero(labels == -1).tolist()}


# The published example


@pytest.mark.parametrize("options", [{}, {"seed": 1}, {"seed": 4}, {"min_cluster_size": 5}])
def test_published_example(options):
    result = dca(EXAMPLE["R"], EXAMPLE["E"], **options)
    assert (result.precision, result.recall, result.network_consistency) == (0.95, 0.4, 1.0)
    assert (sum(part.edges for part in result.components), result.network_quality) == (95, 0.2)
    graph = result.graph
    assert len(graph.edges) == len(graph.hits) == len(graph.lengths) == 107
    assert graph.hits.sum() == 39 * 10_000
    assert (result.n_clusters, len(result.fundamental)) == (2, 1)
    mixed, reference = result.components
    assert [len(part.reference) for part in result.components] == [8, 12]
    assert [len(part.evaluation) for part in result.components] == [19, 0]
    assert mixed.consistency == pytest.approx(0.5926, abs=5e-5)
    assert (mixed.mixed_edges, mixed.edges, mixed.quality) == (19, 70, 19 / 70)
    assert (reference.consistency, reference.quality, reference.edges) == (0, 0, 25)
    assert result.fundamental == (mixed,)
    noise = result.labels < 0
    assert (noise[:20].sum(), noise[20:].sum()) == (0, 1)


def test_published_example_with_filtered_edges():
    result = dca(EXAMPLE["R"], EXAMPLE["E"], sphere_coverage=0.7)
    assert (result.precision, result.recall) == (0.95, 0.4)
    assert result.network_quality == pytest.approx(0.1667, abs=5e-5)


def test_thresholds_are_strict():
    quality = 19 / 70
    sets = EXAMPLE["R"], EXAMPLE["E"]
    assert dca(*sets, n_rays=2000, quality_threshold=quality - 1e-9).precision == 0.95
    assert dca(*sets, n_rays=2000, quality_threshold=quality).precision == 0.0
    assert dca(*sets, n_rays=2000, consistency_threshold=0.59).recall == 0.4
    refused = dca(*sets, n_rays=2000, consistency_threshold=0.6)
    assert (refused.recall, refused.fundamental, refused.network_quality) == (0.0, (), 0.2)


def test_without_numba_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"component analysis needs numba, .*: pip install 'anysense\[dca\]'"):
        dca(EXAMPLE["R"], EXAMPLE["E"], n_rays=10)


# Components


def slow_clusters(points: np.ndarray, smallest: int) -> set[frozenset[int]]:
    """Single linkage, condensed tree and excess of mass, written out recursively."""
    merges = linkage(squareform(cdist(points, points), checks=False), "single")
    count = len(points)

    def members(node: int) -> list[int]:
        if node < count:
            return [node]
        return members(int(merges[node - count, 0])) + members(int(merges[node - count, 1]))

    def best(node: int, birth: float, root: bool) -> tuple[float, list[list[int]]]:
        """Stability and clusters of the best choice in the subtree of a cluster born at ``birth``."""
        start, stability = members(node), 0.0
        while True:
            height = merges[node - count, 2]
            sides = [int(side) for side in merges[node - count, :2]]
            leave = 1 / height
            large = [side for side in sides if len(members(side)) >= smallest]
            if len(large) == 2:
                stability += len(members(node)) * (leave - birth)
                below = [best(side, leave, False) for side in large]
                total = sum(part[0] for part in below)
                chosen = [cluster for part in below for cluster in part[1]]
                if root or total > stability:
                    return total, chosen
                return stability, [start]
            if not large:
                stability += len(members(node)) * (leave - birth)
                return stability, [] if root else [start]
            stability += (len(members(node)) - len(members(large[0]))) * (leave - birth)
            node = large[0]

    clusters = [frozenset(cluster) for cluster in best(2 * count - 2, 0.0, True)[1]]
    return set(clusters) | {frozenset([i]) for i in range(count) if not any(i in cluster for cluster in clusters)}


@given(seeds, st.integers(2, 8), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_clusters_equal_a_slow_twin(seed, smallest, centres):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(36, 2)) + 4 * rng.normal(size=(centres, 2))[rng.integers(0, centres, 36)]
    labels = find_clusters(complete_graph(points), smallest)
    assert partition(labels) == slow_clusters(points, smallest)
    sizes = np.bincount(labels[labels >= 0])
    firsts = [int(np.argmax(labels == label)) for label in range(len(sizes))]
    order = list(zip((-sizes).tolist(), firsts, strict=True))
    assert order == sorted(order)


def test_one_cloud_falls_to_pieces_unless_allowed():
    sets = cloud(0, 100, 3), cloud(1, 100, 3)
    pieces = dca(*sets, n_rays=500)
    assert pieces.noise_share > 0.2
    assert pieces.noise_share > 0.2
    whole = dca(*sets, n_rays=500, allow_single_cluster=True)
    assert whole.n_clusters == 1
    assert whole.noise_share < pieces.noise_share
    assert whole.precision > pieces.precision


def test_all_noise_scores_zero():
    points = np.cumsum(2.0 ** np.arange(12))[:, None]  # Every split takes one point off: no cluster besides the root.
    result = dca(points[::2], points[1::2], n_rays=10, min_cluster_size=6)
    assert (result.n_clusters, result.fundamental, result.components) == (0, (), ())
    assert (result.precision, result.recall, result.network_quality, result.expected_quality) == (0, 0, 0, 0)
    assert result.noise_share == 1
    assert all(dca_score(result, quality) == 0 for quality in ("raw", "normalised", "none"))


# Scores of clusters


@pytest.mark.parametrize("dim", [3, 10, 64])
def test_same_half_and_disjoint_clusters(dim):
    everywhere = list(range(6))
    same = dca(clustered(0, dim, everywhere, 10), clustered(1, dim, everywhere, 10), n_rays=2000)
    assert (same.precision, same.recall, same.network_consistency, same.n_clusters) == (1, 1, 1, 6)
    assert same.network_quality == pytest.approx(same.expected_quality, abs=0.04)
    half = dca(clustered(0, dim, [0, 1, 2, 3]), clustered(1, dim, [2, 3, 4, 5]), n_rays=2000)
    assert (half.precision, half.recall, len(half.fundamental), half.n_clusters) == (0.5, 0.5, 2, 6)
    assert 0.2 < half.network_quality < 0.37
    apart = dca(clustered(0, dim, [0, 1, 2]), clustered(1, dim, [3, 4, 5]), n_rays=2000)
    assert (apart.precision, apart.recall, apart.network_quality) == (0, 0, 0)
    assert apart.expected_quality == 0


def test_quality_of_shared_clusters_in_many_dimensions_counts_pairs():
    # In 64 dimensions nearly all pairs inside a cluster are edges: 40 points of one set, or 20 of each.
    half = dca(clustered(0, 64, [0, 1, 2, 3]), clustered(1, 64, [2, 3, 4, 5]), n_rays=4000)
    shared, alone = 40 * 39 / 2, 20 * 19 / 2
    assert half.expected_quality == pytest.approx(2 * 20 * 20 / (2 * shared + 4 * alone))
    assert half.network_quality == pytest.approx(half.expected_quality, abs=0.005)


def test_copies_have_two_thirds_mixed_edges():
    data = clustered(0, 64, [0, 1, 2])
    result = dca(data, data, n_rays=4000)
    assert (result.precision, result.recall) == (1, 1)
    # Among 20 pairs of twins: 190 edges from R to R, 380 from R to E, none from E to E.
    assert result.network_quality == pytest.approx(2 / 3, abs=0.003)
    edges = result.graph.edges
    assert not ((edges[:, 0] >= 60) & (edges[:, 1] >= 60)).any()
    assert not (edges[:, 1] - edges[:, 0] == 60).any()


def test_nearly_copies_are_mixed():
    data = clustered(0, 10, [0, 1, 2])
    result = dca(data, data + 1e-3 * cloud(5, 60, 10), n_rays=4000)
    assert (result.precision, result.recall) == (1, 1)
    assert result.network_quality == pytest.approx(result.expected_quality, abs=0.02)


def test_one_point_per_cluster_is_perfect_only_when_normalised():
    data = clustered(0, 64, [0, 1, 2, 3], each=40)
    centres = np.stack([part.mean(axis=0) for part in np.split(data, 4)])
    result = dca(data, centres, n_rays=4000)
    assert (result.precision, result.recall) == (1, 1)
    assert result.network_consistency == pytest.approx(1 - 156 / 164)
    assert result.expected_quality == pytest.approx(40 / (41 * 40 / 2))
    assert dca_score(result, "raw") < 0.2
    assert dca_score(result, "normalised") == pytest.approx(1, abs=0.02)
    assert dca_score(result, "none") == 1


# What must not change the scores


def global_scores(result: DCAResult) -> tuple[float, ...]:
    return (result.precision, result.recall, result.network_consistency, result.network_quality)


@given(seeds)
@settings(max_examples=6, deadline=None)
def test_swapping_permuting_and_moving(seed):
    rng = np.random.default_rng(seed)
    reference, evaluation = clustered(seed, 3, [0, 1, 2], 12), clustered(seed + 1, 3, [1, 2, 3], 9)
    result = dca(reference, evaluation, n_rays=300)
    swapped = dca(evaluation, reference, n_rays=300)
    assert global_scores(swapped) == pytest.approx(np.array(global_scores(result))[[1, 0, 2, 3]])
    shuffled = dca(rng.permutation(reference), rng.permutation(evaluation), n_rays=300)
    assert global_scores(shuffled) == pytest.approx(global_scores(result))
    moved = dca(3 * reference - 50, 3 * evaluation - 50, n_rays=300)
    assert global_scores(moved) == pytest.approx(global_scores(result))
    relabelled = dca(np.concatenate([reference, evaluation[:4]]), evaluation[4:], n_rays=300)
    np.testing.assert_array_equal(relabelled.labels, result.labels)


@given(seeds, st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_scores_and_components_are_consistent(seed, n_reference, n_evaluation, dim, smallest):
    sets = cloud(seed, n_reference + 5, dim), cloud(seed + 1, n_evaluation, dim)
    result = dca(*sets, n_rays=50, min_cluster_size=smallest)
    assert all(0 <= value <= 1 for value in (*global_scores(result), result.expected_quality, result.noise_share))
    edges = result.graph.edges
    for label, part in enumerate(result.components):
        inside = (result.labels[edges] == label).all(axis=1)
        mixed = (edges[inside] < result.n_reference).sum(axis=1) == 1
        assert (part.edges, part.mixed_edges) == (inside.sum(), mixed.sum())
        members = np.flatnonzero(result.labels == label)
        assert [*part.reference, *(part.evaluation + result.n_reference)] == members.tolist()
        assert part.size >= smallest


def test_scores_of_a_graph_by_hand():
    # Points 0, 1, 2 are the reference set; one component {0, 1, 3, 4}, one {2, 5}; the edge 2-4 joins them; 6 is noise.
    edges = np.array([[0, 1], [0, 3], [1, 3], [1, 4], [2, 4], [2, 5], [3, 4], [4, 6]], dtype=np.int32)
    graph = Graph(7, edges, np.ones(8, np.int32), np.ones(8))
    result = score(graph, np.array([0, 0, 1, 0, 0, 1, -1]), n_reference=3, quality_threshold=0.7)
    assert [(part.mixed_edges, part.edges, part.quality) for part in result.components] == [
        (3, 5, 0.6),
        (1, 1, 1.0),
    ]
    assert [part.consistency for part in result.components] == [1, 1]
    assert result.fundamental == result.components[1:]
    assert (result.precision, result.recall) == (1 / 4, 1 / 3)
    assert result.network_consistency == pytest.approx(1 - 1 / 7)
    assert result.network_quality == pytest.approx(4 / 6)
    assert result.expected_quality == pytest.approx((4 + 1) / (6 + 1))
    assert dca_score(result) == pytest.approx(3 / (4 + 3 + 6 / 4))
    assert dca_score(result, "normalised") == pytest.approx(3 / (4 + 3 + (5 / 7) / (4 / 6)))
    assert dca_score(result, "none") == pytest.approx(2 / 7)


# Input


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tensors_and_arrays_give_the_same(dtype):
    arrays = EXAMPLE["R"], EXAMPLE["E"]
    tensors = [torch.from_numpy(array).to(dtype).requires_grad_() for array in arrays]
    expected, result = dca(*arrays, n_rays=200), dca(*tensors, n_rays=200)
    np.testing.assert_array_equal(result.graph.hits, expected.graph.hits)
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert global_scores(result) == global_scores(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: dca(x[:, 0], x), r"`reference` must be a floating point matrix.*float64 of shape \(12,\)"),
        (lambda x: dca(x, x.astype(int)), r"`evaluation` must be a floating point matrix.*int64"),
        (lambda x: dca(x, x[:0]), r"`evaluation`.*at least one sample.*\(0, 2\)"),
        (lambda x: dca(x, x[:, :1]), r"same number of features, got 2 and 1"),
        (lambda x: dca(x, np.where(x > 2, np.nan, x) * [[np.inf, 1]]), r"`evaluation` must be finite; 12 of 12 rows"),
        (lambda x: dca(x[:4], x[:5]), r"at least `min_cluster_size` = 10 points, got 4 \+ 5"),
        (lambda x: dca(x, x, n_rays=0), r"`n_rays` must be a whole number from 1 to 10000000, got 0"),
        *((lambda x, it=it: dca(x, x, n_rays=it), r"`n_rays` must be") for it in (1.5, "1", None, True, 10**30)),
        (lambda x: dca(x, x, sphere_coverage=0.0), r"`sphere_coverage` must lie in \(0, 1\], got 0.0"),
        (lambda x: dca(x, x, sphere_coverage=True), r"`sphere_coverage`.*got True"),
        (lambda x: dca(x, x, min_cluster_size=1), r"`min_cluster_size` must be a whole number of at least 2, got 1"),
        (lambda x: dca(x, x, consistency_threshold=1.0), r"`consistency_threshold` must lie in \[0, 1\), got 1.0"),
        (lambda x: dca(x, x, quality_threshold=-0.1), r"`quality_threshold` must lie in .*got -0.1"),
        (lambda x: dca(x, x, seed=-1), r"`seed` must be a whole number from 0 to 4294967295, got -1"),
        (
            lambda x: dca(x, x + 1e6, n_rays=1000, sphere_coverage=0.3),
            r"\d unconnected pieces.*Raise `sphere_coverage`",
        ),
        (lambda x: dca(0 * x, 0 * x), r"24 unconnected pieces.*Coincident points"),
        (lambda x: dca_score(dca(x, x, n_rays=10), "row"), r"`quality` must be one of .*Did you mean 'raw'"),
    ],
)
def test_wrong_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).normal(size=(12, 2)))


@pytest.mark.parametrize("wrong", [None, {"x": [1.0]}, ["x"], 1j])
def test_what_is_no_matrix_is_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="`reference` must"):
        dca(wrong, np.zeros((12, 2)))
