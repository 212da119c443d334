"""The rod's picture against golden counts, a supersampled rod and the stated error of the table."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.envs.pendulum.raster import FrameTable, rod_frame, shared_frame_table

# theta: pixels set, first and last row, first and last column
GOLDEN_MASKS = [
    (0.0, 106, (5, 31), (28, 31)),
    (math.pi / 2, 106, (28, 31), (5, 31)),
    (math.pi, 106, (28, 54), (28, 31)),
    (-math.pi / 2, 106, (28, 31), (28, 54)),
    (0.3, 120, (6, 31), (21, 31)),
]


@pytest.mark.parametrize(("theta", "count", "rows", "columns"), GOLDEN_MASKS)
@pytest.mark.parametrize("draw", [rod_frame, lambda theta, antialias: shared_frame_table(antialias).lookup(theta)])
def test_golden_masks(draw, theta, count, rows, columns):
    frame = draw(theta, antialias=False)
    assert frame.shape == (60, 60)
    assert frame.dtype == np.uint8
    assert set(np.unique(frame)) == {0, 255}
    set_rows, set_columns = np.nonzero(frame)
    assert (set_rows.min(), set_rows.max()) == rows
    assert (set_columns.min(), set_columns.max()) == columns
    assert len(set_rows) == count


def sampled_coverage(theta, samples=8):
    """Return the share of each pixel in the rod, by testing samples^2 points of each pixel."""
    steps = (np.arange(60 * samples) + 0.5) / samples * 0.044 - 1.32
    x, y = steps[None, :], -steps[:, None]
    tip = (-math.sin(theta), math.cos(theta))
    along = np.clip(x * tip[0] + y * tip[1], 0, 1)
    inside = (x - along * tip[0]) ** 2 + (y - along * tip[1]) ** 2 <= 0.1**2
    return inside.reshape(60, samples, 60, samples).mean(axis=(1, 3))


@pytest.mark.parametrize("theta", [0.0, 0.3, math.pi / 4, 2.5, -1.1])
def test_antialiased_frame_shows_the_covered_share(theta):
    difference = rod_frame(theta) / 255 - sampled_coverage(theta)
    assert np.abs(difference).max() < 0.13
    assert abs(difference.sum()) < 0.02 * 116  # the rod covers about 116 pixels


@given(st.floats(-100, 100))
@settings(max_examples=50)
def test_a_mask_is_the_antialiased_frame_cut_at_one_half(theta):
    mask, smooth = rod_frame(theta, antialias=False), rod_frame(theta)
    assert (smooth[mask == 255] >= 127).all()
    assert (smooth[mask == 0] <= 128).all()


def test_any_shape_of_angles():
    angles = np.linspace(-3, 3, 6).reshape(2, 3)
    for draw in (rod_frame, shared_frame_table().lookup):
        frames = draw(angles)
        assert frames.shape == (2, 3, 60, 60)
        np.testing.assert_array_equal(frames[1, 2], draw(angles[1, 2]))


class TestFrameTable:
    def test_error_bound_over_random_angles(self):
        table = shared_frame_table()
        angles = np.random.default_rng(0).uniform(-60, 60, 1500)
        error = np.abs(table.lookup(angles).astype(int) - rod_frame(angles))
        assert error.max() <= table.max_error == 3

    @given(st.integers(0, 8191), st.floats(-0.5, 0.5))
    @settings(max_examples=60)
    def test_error_bound_between_two_angles(self, number, offset):
        angle = (number + offset) * 2 * np.pi / 8192
        table = shared_frame_table()
        assert np.abs(table.lookup(angle).astype(int) - rod_frame(angle)).max() <= table.max_error

    @pytest.mark.parametrize("antialias", [True, False])
    def test_exact_at_its_own_angles(self, antialias):
        numbers = np.random.default_rng(1).integers(0, 8192, 400)
        frames = shared_frame_table(antialias).frames(numbers)
        np.testing.assert_array_equal(frames, rod_frame(numbers * 2 * np.pi / 8192, antialias))

    def test_binary_frames_differ_only_at_the_edge(self):
        angles = np.random.default_rng(2).uniform(-3, 3, 500)
        differing = shared_frame_table(False).lookup(angles) != rod_frame(angles, antialias=False)
        # within 0.42 mm (1% of a pixel) of the edge the coverage is within 1% of one half
        assert np.abs(rod_frame(angles)[differing].astype(int) - 127.5).max(initial=0.0) <= 4

    def test_coarser_tables_have_larger_errors(self):
        table = FrameTable(angles=512)
        angles = np.random.default_rng(3).uniform(-4, 4, 300)
        error = np.abs(table.lookup(angles).astype(int) - rod_frame(angles)).max()
        assert 3 < error <= table.max_error == math.ceil(255 * 1.122 / 0.044 * math.pi / 512)

    def test_lookups_are_fresh(self):
        table = shared_frame_table()
        first = table.lookup(0.5)
        first[:] = 7
        assert table.lookup(0.5).max() == 255
        assert not np.shares_memory(table.lookup(0.5), table.lookup(0.5))

    def test_copies_are_the_shared_table(self):
        table = shared_frame_table()
        assert copy.deepcopy(table) is table
        data = pickle.dumps(table)
        assert len(data) < 1000
        assert pickle.loads(data) is table

    @pytest.mark.parametrize("angles", [0, -8, 12.5, True])
    def test_number_of_angles_is_positive(self, angles):
        with pytest.raises(ValueError, match="`angles` must be a whole number of at least 1"):
            FrameTable(angles=angles)

    def test_number_of_angles_has_eighths(self):
        with pytest.raises(ValueError, match=r"`angles` must be a multiple of 8.*got 12"):
            FrameTable(angles=12)
