import sys

import numpy as np
import pytest
import torch

from anysense.representations.evaluation.umap import umap_embedding


def two_clusters(seed: int, each: int = 15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(2 * each, 5)) + np.repeat([[0.0], [50.0]], each, axis=0)).astype(np.float32)


def test_sets_share_one_plane_that_depends_on_the_seed_only():
    sets = {"sound": torch.from_numpy(two_clusters(0)).double(), "image": two_clusters(1)}
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    plane = umap_embedding(sets, seed=3, n_neighbors=8)
    assert list(plane) == ["sound", "image"]
    assert all(
        part.shape == (30, 2) and part.dtype == np.float32 and np.isfinite(part).all() for part in plane.values()
    )
    centres = {(name, side): part[rows].mean(axis=0) for name, part in plane.items() for side, rows in _SIDES.items()}
    within = np.linalg.norm(centres["sound", "low"] - centres["image", "low"])
    across = np.linalg.norm(centres["sound", "low"] - centres["sound", "high"])
    assert within < across / 3
    again, other = (umap_embedding(sets, seed=seed, n_neighbors=8) for seed in (3, 4))
    np.testing.assert_array_equal(plane["image"], again["image"])
    assert not np.array_equal(plane["image"], other["image"])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("points", range(3, 9))
def test_as_many_neighbours_as_allowed(points):
    for neighbours in {2, points - 1}:
        plane = umap_embedding({"image": two_clusters(0)[:points]}, 0, n_neighbors=neighbours)["image"]
        assert plane.shape == (points, 2)
        assert np.isfinite(plane).all()


def test_without_umap_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ModuleNotFoundError, match=r"drawing latents needs umap, .*: pip install 'anysense\[umap\]'"):
        umap_embedding({"image": two_clusters(0)}, 0)


_SIDES = {"low": slice(0, 15), "high": slice(15, 30)}


@pytest.mark.parametrize(
    ("latents", "options", "message"),
    [
        ({}, {}, r"`latents` must hold sets with the same number of features, got \{\}"),
        ({"a": np.ones((9, 2)), "b": np.ones((9, 3))}, {}, r"same number of features, got \{'a': 2, 'b': 3\}"),
        ({"a": np.ones(9)}, {}, r"`a` must be a floating point matrix.*\(9,\)"),
        ({"a": np.ones((9, 2), int)}, {}, r"`a` must be a floating point matrix.*int64"),
        ({"a": np.full((20, 2), np.nan)}, {}, r"`a` must be finite; 20 of 20 rows hold NaN"),
        ({"a": np.ones((9, 2))}, {}, r"`n_neighbors` must lie between 2 and .* - 1 \(8\), got 15"),
        ({"a": np.ones((9, 2))}, {"n_neighbors": 1}, r"`n_neighbors`.*got 1"),
        ({"a": np.ones((20, 2))}, {"metric": "cosin"}, r"`metric` must be one of .*Did you mean 'cosine'"),
    ],
)
def test_wrong_input_is_refused(latents, options, message):
    with pytest.raises(ValueError, match=message):
        umap_embedding(latents, seed=0, **options)
