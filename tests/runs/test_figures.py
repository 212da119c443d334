import numpy as np
import pytest
from matplotlib.image import imread

from anysense.runs.figures import Bar, draw_bars, draw_episode, draw_learning_curves, new_axes, save_figure

BARS = [Bar("image", -0.5, -0.52, -0.48), Bar("sound", -0.6, -0.7, -0.5)]


def test_bars_show_means_and_intervals():
    figure, ax = draw_bars(BARS, {"optimal": -0.46}, "reward")
    assert ax.figure is figure
    assert [patch.get_height() for patch in ax.patches] == [-0.5, -0.6]
    segments = ax.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[-0.52, -0.48], [-0.7, -0.5]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["image", "sound"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["optimal -0.460"]


def test_references_far_below_do_not_squeeze_the_bars():
    _, ax = draw_bars(BARS, {"optimal": -0.46, "random": -6.07}, "reward")
    assert "random -6.07" in ax.get_title()
    assert ax.get_ylim()[0] > -1.5


def test_learning_curves_on_given_axes():
    figure, ax = new_axes()
    assert draw_learning_curves({"0": ([0, 10], [-6.0, -0.5])}, "reward", ax) == (figure, ax)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, -6.0], [10, -0.5]])
    np.testing.assert_allclose(ax.get_ylim(), (-0.65, -0.485))


def test_figures_are_written_as_png(tmp_path):
    path = save_figure(draw_bars(BARS, {}, "reward")[0], tmp_path / "figures" / "bars.png", dpi=50)
    assert imread(path).shape[:2] == (200, 350)


def test_episode_strip():
    frames = np.zeros((20, 60, 60), np.uint8)
    sounds = np.stack([np.full((20, 3), 440.0), np.full((20, 3), 0.2)], axis=-1).astype(np.float32)
    figure = draw_episode(frames, sounds, ("a", "b", "c"), time_step=0.05, every=5)
    assert figure.axes[0].images[0].get_array().shape == (60, 240)
    assert len(figure.axes[1].lines) == 3


def test_axes_must_be_of_a_figure():
    figure, _ = new_axes()
    child = figure.subfigures(1, 2)[0].subplots()
    with pytest.raises(TypeError, match="`ax` expected axes of a figure, got axes of SubFigure"):
        draw_bars(BARS, {}, "reward", child)
