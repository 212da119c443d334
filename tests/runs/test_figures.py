import numpy as np
import pytest
from matplotlib.image import imread

from anysense.runs.figures import Bar, colour_of, draw_bars, draw_learning_curves, save_figure

BARS = [Bar("image", -0.5, -0.52, -0.48), Bar("sound", -0.6, -0.7, -0.5)]


def texts_overlap(figure):
    """Pairs of texts of a drawn figure that cover each other, and texts outside it."""
    figure.canvas.draw()
    renderer, whole = figure.canvas.get_renderer(), figure.bbox
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    texts = [text for ax in figure.axes for text in (*ax.texts, *ax.get_xticklabels(), ax.title, ax.yaxis.label)]
    drawn = [text for text in [*texts, *legends] if text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in drawn]
    outside = [
        text.get_text()
        for text, box in zip(drawn, boxes, strict=True)
        if box.x0 < whole.x0 - 1 or box.y0 < whole.y0 - 1 or box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1
    ]
    straight = [(text, box) for text, box in zip(drawn, boxes, strict=True) if text.get_rotation() in (0.0, 90.0)]
    pairs = [
        (a.get_text(), b.get_text()) for i, (a, x) in enumerate(straight) for b, y in straight[:i] if x.overlaps(y)
    ]
    return outside + pairs


def test_bars_show_means_and_intervals():
    figure, ax = draw_bars(BARS, {"optimal": -0.46}, "reward")
    assert [patch.get_height() for patch in ax.patches] == [-0.5, -0.6]
    segments = ax.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[-0.52, -0.48], [-0.7, -0.5]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["image", "sound"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["optimal -0.460"]


def test_long_labels_and_many_references_cover_nothing():
    labels = ["complete", "complete, image:gaussian_noise:0.1", "sound, sound:salt_and_pepper:0.25", "image", "touch"]
    bars = [Bar(f"{label}, dropout 0.{number} per step", -1.0, -1.2, -0.9) for number, label in enumerate(labels)]
    references = {"optimal (true state)": -0.8, "no torque": -1.1, "random torque": -1.2}
    figure, _ = draw_bars(bars, references, "average reward per step, higher is better")
    assert texts_overlap(figure) == []


def test_references_far_below_do_not_squeeze_the_bars():
    _, ax = draw_bars(BARS, {"optimal": -0.46, "random": -6.07}, "reward")
    assert "random -6.07" in ax.get_title()
    assert ax.get_ylim()[0] > -1.5


def test_early_values_leave_a_learning_curve_and_the_title_says_so():
    values = [-6.0, -5.0, -1.0, -0.6, -0.52, -0.5]
    _, ax = draw_learning_curves({"0": (range(6), values)}, "reward")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), values)
    low, high = ax.get_ylim()
    assert low < -0.6 < -0.5 < high
    assert ax.get_title() == f"{sum(one < low for one in values)} early values lie below the chart"


def test_figures_are_written_as_png(tmp_path):
    path = save_figure(draw_bars(BARS, {}, "reward")[0], tmp_path / "figures" / "bars.png", dpi=50)
    assert imread(path).shape[1] == 350


def test_a_method_has_one_colour():
    names = ["gmc", "gram", "mvae", "mmvae", "nexus", "muse", "mfm", "gmc-published"]
    assert len({colour_of(name) for name in names}) == len(names)
    assert colour_of("somebody-elses") == colour_of("somebody-elses")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_whiskers_of_bars_are_inside_the_chart(sign):
    bars = [
        Bar("complete", sign * 1.0, sign * 1.0 - 2.5, sign * 1.0 + 2.5),
        Bar("sound", sign * 0.2, sign * 0.2, sign * 0.2),
    ]
    _, ax = draw_bars(bars, {}, "return")
    low, high = ax.get_ylim()
    assert low < min(bar.low for bar in bars)
    assert high > max(bar.high for bar in bars)
