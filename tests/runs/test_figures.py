import itertools
import math

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imread

from anysense.agents.summary import columns_of
from anysense.envs.world import world
from anysense.representations.benchmarks import presets
from anysense.representations.evaluation.records import Column, Record
from anysense.runs.charts import Bar, draw_bars, draw_learning_curves, show_all
from anysense.runs.comparisons.figures import draw_inputs, draw_rates
from anysense.runs.comparisons.subset_figure import draw_subsets
from anysense.runs.evaluation_figures import draw_evaluation, draw_robustness, evaluation_figures, levels_in
from anysense.runs.figures import FORMATS, look_of, save_figure, write_figure

BARS = [Bar("image", -0.5, -0.52, -0.48), Bar("sound", -0.6, -0.7, -0.5)]
ACCURACY = Column("accuracy", "accuracy", percent=True, chance=0.1)
ERROR = Column("mae", "MAE", better="lower")
RANK = Column("rank_volume", "median rank", better="lower")
LONG = "a_method_of_somebody_else_with_a_very_long_name"


def comparison(methods, inputs, metric="accuracy", seeds=3, value=0.5):
    """Records of methods x inputs x seeds, with t intervals that leave the range of percentages."""
    return [
        Record(subset, metric, value + 0.25 * (seed - 1), condition, method=method, seed=seed)
        for method in methods for subset, condition in inputs for seed in range(seeds)
    ]  # fmt: skip


def subsets_of(names):
    return [one for size in range(1, len(names) + 1) for one in itertools.combinations(names, size)]


def inputs_of(names):
    """All subsets of modalities."""
    return [(" + ".join(one), "") for one in subsets_of(names)]


def many_inputs():
    inputs = inputs_of(["camera_of_the_left_hand", "microphone", "touch"])
    methods = ["gmc", "gram", "mvae", "mmvae", "nexus", LONG]
    return draw_inputs(comparison(methods, inputs), ACCURACY, inputs, lambda one: one[0], "A title " * 30)


def many_subsets():
    """Five modalities have 31 subsets; one value is undefined."""
    names = ["camera_of_the_left_hand", "microphone", "touch", "a", "b"]
    inputs = [*inputs_of(names)[:-1], ("complete", "")]
    records = comparison(["gmc", "gram", "mvae", "nexus", LONG], inputs)
    records += [Record("touch", "accuracy", math.nan, method="mvae", seed=3)]
    return draw_subsets(records, ACCURACY, subsets_of(names), names, "A title " * 30)


def many_rates():
    points = [(rate, f"missing {rate}") for rate in (0.0, 0.5, 1.0)]
    methods = ["gmc", "gram", *(f"{LONG}_{number}" for number in range(5))]
    records = comparison(methods, [("", condition) for _, condition in points])
    return draw_rates(records, ACCURACY, [("any modality", points), ("label never given", points)], "A title " * 30)


def evaluation():
    """Records of an agent with corruptions at several levels, one at a single level, and dropouts."""
    noise = [(one, f"image:gaussian_noise:{level}") for one in ("complete", "image") for level in (0.1, 0.3)]
    dropout = [("complete", f"dropout {chance} per step") for chance in (0, 0.5, 0.9)]
    inputs = [("complete", ""), ("image", ""), ("sound", ""), *noise, ("sound", "sound:dead_sensor"), *dropout]
    agent = [
        Record(subset, "average_reward", -1.0 - 0.1 * place, condition, -2.0 - place, -0.5, "agent")
        for place, (subset, condition) in enumerate(inputs)
    ]
    return [*agent, Record("", "average_reward", -0.4, "", -0.5, -0.3, "optimal")]


def many_bars():
    labels = ["complete", "complete, image:gaussian_noise:0.1", "sound, sound:salt_and_pepper:0.25", "image", "touch"]
    bars = [Bar(f"{label}, dropout 0.{number} per step", -1.0, -1.2, -0.9) for number, label in enumerate(labels)]
    references = {"optimal (true state)": -0.8, "no torque": -1.1, "random torque": -1.2, f"a {LONG}": -60.0}
    return draw_bars(bars, references, "average reward per step, higher is better")[0]


def many_curves():
    curves = {f"seed {seed} of {LONG}": (range(6), [-6.0, -1.0, -0.6, -0.55, -0.52, -0.5]) for seed in range(9)}
    return draw_learning_curves(curves, "average reward per step on evaluation episodes " * 3, look_of("gmc"))


FIGURES = {
    "inputs": many_inputs, "subsets": many_subsets, "rates": many_rates, "bars": many_bars, "curves": many_curves,
    "evaluation": lambda: draw_evaluation(evaluation(), world(), "gmc"),
    "robustness": lambda: draw_robustness(evaluation(), world()),
}  # fmt: skip


def texts_of(figure):
    """All texts that a figure shows, with their boxes."""
    renderer = figure.canvas.get_renderer()
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    texts = [*figure.texts, *legends]
    for ax in figure.axes:
        texts += [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    shown = [text for text in texts if text.get_text() and text.get_visible()]
    return [(text, text.get_window_extent(renderer)) for text in shown]


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped_or_covered(name, tmp_path):
    figure = FIGURES[name]()
    save_figure(figure, tmp_path / "x.png", dpi=figure.dpi, formats=("png",))
    figure.canvas.draw()
    whole, texts = figure.bbox, texts_of(figure)
    assert len(texts) > 5
    for text, box in texts:
        inside = box.x0 >= whole.x0 - 1 and box.x1 <= whole.x1 + 1 and box.y0 >= whole.y0 - 1 and box.y1 <= whole.y1 + 1
        assert inside, text.get_text()
    straight = [(text, box) for text, box in texts if text.get_rotation() in (0.0, 90.0)]
    for (a, x), (b, y) in itertools.combinations(straight, 2):
        assert not x.padded(-1).overlaps(y.padded(-1)), (a.get_text(), b.get_text())


@pytest.mark.parametrize("name", FIGURES)
def test_limits_hold_all_points_and_intervals(name):
    for ax in FIGURES[name]().axes:
        if ax.get_title().endswith("enlarged"):
            continue
        drawn = [lines for lines in ax.collections if isinstance(lines, LineCollection)]
        ends = [segment[:, 1] for lines in drawn for segment in lines.get_segments()]
        ends += [line.get_ydata() for line in ax.lines] + [[bar.get_height()] for bar in ax.patches]
        values = np.concatenate([np.asarray(one, float) for one in ends if len(one)] or [[0.0]])
        low, high = sorted(ax.get_ylim())
        assert low <= np.nanmin(values)
        assert np.nanmax(values) <= high


REWARD, RETURN = columns_of(world())[:2]


@pytest.mark.parametrize(
    ("column", "value", "possible"),
    [
        (ACCURACY, 0.5, (0, 100)), (ERROR, 0.5, (0, math.inf)), (RANK, 0.5, (0, math.inf)),
        (REWARD, -0.25, (-16.27361, 0)), (REWARD, -16.0, (-16.27361, 0)), (RETURN, -0.25, (-math.inf, 0)),
    ],
)  # fmt: skip
def test_nothing_is_drawn_where_no_value_can_be(column, value, possible):
    inputs, points = [("complete", ""), ("image", "")], [(0.0, "missing 0"), (0.5, "missing 0.5")]
    records = comparison(["gmc"], [*inputs, *(("", condition) for _, condition in points)], column.key, value=value)
    for figure in (
        draw_inputs(records, column, inputs, lambda one: one[0], "x"), draw_rates(records, column, [("", points)], "x")
    ):  # fmt: skip
        (ax,) = figure.axes
        ends = np.concatenate([part[:, 1] for lines in ax.collections for part in lines.get_segments()])
        assert possible[0] <= ends.min()
        assert ends.max() <= possible[1]
        low, high = sorted(ax.get_ylim())
        assert low >= possible[0] - 0.05 * (high - low)
        assert high <= possible[1] + 0.05 * (high - low)


def test_rewards_of_an_evaluation_are_not_drawn_where_none_can_be():
    levels = [("complete", condition) for condition in ("", "dropout 0.1 per step", "dropout 0.2 per step")]
    records = [Record(*one[:1], "average_reward", -0.3, one[1], -20.0, 0.4, "agent") for one in levels]
    for figure in (draw_evaluation(records, world()), draw_robustness(records, world())):
        (ax,) = figure.axes
        ends = np.concatenate([part[:, 1] for lines in ax.collections for part in lines.get_segments()])
        np.testing.assert_allclose((ends.min(), ends.max()), (-16.2736044, 0.0), rtol=1e-8)
    assert columns_of(world("anysense/Hyperhot-v0"))[0].limits == (-math.inf, math.inf)  # games are won or lost


def test_limits_of_equal_values():
    for value, limits in ((0.0, (0.0, 0.5)), (2.0, (1.5, 2.5))):
        ax = Figure().subplots()
        show_all(ax, [value, value])
        assert ax.get_ylim() == limits


def test_better_is_up_and_the_axis_says_so():
    inputs = [("complete", ""), ("image", "")]
    points = [(0.0, "missing 0"), (0.5, "missing 0.5")]
    records = comparison(["gmc"], [*inputs, ("", "missing 0"), ("", "missing 0.5")], "mae")
    bars = draw_inputs(records, ERROR, inputs, lambda one: one[0], "x").axes[0]
    rates = draw_rates(records, ERROR, [("any", points)], "x").axes[0]
    for ax in (bars, rates):
        low_end, high_end = ax.get_ylim()
        assert low_end > high_end
        assert ax.get_ylabel() == "MAE, lower is better, axis upside down"
    records = comparison(["gmc"], inputs)
    up = draw_inputs(records, ACCURACY, inputs, lambda one: one[0], "x").axes[0]
    assert up.get_ylim()[0] < up.get_ylim()[1]
    assert up.get_ylabel() == "accuracy (%), higher is better"
    assert [line.get_ydata()[0] for line in up.lines if line.get_label() == "chance"] == [10.0]


def test_many_subsets_are_a_map_that_fits_on_a_page():
    figure = many_subsets()
    width, height = figure.get_size_inches()
    assert height < 2 * width
    given, scores, _ = figure.axes
    values = [text.get_text() for text in scores.texts]
    assert values.count("50.0") == 31 * 5 - 1
    assert values.count("undefined") == 1
    headings = [text.get_text() for text in given.texts]
    assert headings == [*(f"{size} modalities" for size in range(5, 1, -1)), "1 modality"]
    dots = [sorted(line.get_xdata()) for line in given.lines if line.get_color() != "#dddddd"]
    assert sorted(map(tuple, dots)) == sorted(subsets_of(range(5)))
    few, inputs = [("a",), ("b",)], [("a", ""), ("complete", "")]
    assert len(draw_subsets(comparison(["gmc"], inputs), ACCURACY, few, "ab", "x").axes) == 1  # bars


def test_undefined_values_are_no_zeros():
    records = [Record("image", "accuracy", math.nan, method="gmc"), Record("sound", "accuracy", 0.5, method="gmc")]
    ax = draw_inputs(records, ACCURACY, [("image", ""), ("sound", "")], lambda one: one[0], "x").axes[0]
    assert [text.get_text() for text in ax.texts] == ["undefined"]


def test_bars_show_means_intervals_and_numbers():
    figure, ax = draw_bars(BARS, {"optimal": -0.46}, "reward")
    assert [patch.get_height() for patch in ax.patches] == [-0.5, -0.6]
    segments = ax.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[-0.52, -0.48], [-0.7, -0.5]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["image", "sound"]
    assert [text.get_text() for text in ax.texts] == ["-0.500", "-0.600"]
    assert all(text.get_bbox_patch() is not None for text in ax.texts)  # lines end before a number
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["optimal -0.460"]


def test_references_far_below_do_not_squeeze_the_bars():
    _, ax = draw_bars(BARS, {"optimal": -0.46, "random": -6.07}, "reward")
    assert "random -6.07" in ax.get_title()
    assert ax.get_ylim()[0] > -1.5


def test_the_end_of_a_learning_curve_is_enlarged():
    values = [-6.0, -5.0, -0.6, -0.55, -0.52, -0.5]
    whole, part = draw_learning_curves({"0": (range(6), values)}, "reward", look_of("gmc")).axes
    assert whole.get_ylim()[0] < -6.0
    assert -1.2 < part.get_ylim()[0] < -0.6 < -0.5 < part.get_ylim()[1]
    assert part.get_title() == "the same, the upper 10% of the range enlarged"
    assert len(draw_learning_curves({"0": (range(5), range(5))}, "reward", look_of("gmc")).axes) == 1


def test_levels_of_corruption_and_dropout_are_curves_with_intervals():
    records = evaluation()
    assert levels_in(records) == {
        "image:gaussian_noise": {
            subset: [(0.0, ""), (0.1, "image:gaussian_noise:0.1"), (0.3, "image:gaussian_noise:0.3")]
            for subset in ("complete", "image")
        },
        "dropout per step": {"complete": [(chance, f"dropout {chance} per step") for chance in (0, 0.5, 0.9)]},
    }
    noise, dropout = draw_robustness(records, world()).axes
    drawn = [(bar.get_label(), bar.lines[0].get_ydata().tolist()) for bar in noise.containers]
    assert drawn == [("complete", pytest.approx([-1.0, -1.3, -1.4])), ("image", pytest.approx([-1.1, -1.5, -1.6]))]
    ends = [segment[:, 1].tolist() for segment in noise.containers[0].lines[2][0].get_segments()]
    assert ends == [pytest.approx([-2.0 - place, -0.5]) for place in (0, 3, 4)]
    assert [ax.get_title() for ax in (noise, dropout)] == ["image:gaussian_noise", "dropout per step"]
    labels = [label.get_text() for label in draw_evaluation(records, world()).axes[0].get_xticklabels()]
    assert [label.replace("\n", " ") for label in labels] == ["complete", "image", "sound", "sound, sound:dead_sensor"]
    assert list(evaluation_figures(records[:3], world(), None)) == ["score"]


def test_files_are_the_same_bytes_twice(tmp_path):
    for name in ("one", "two"):
        save_figure(draw_robustness(evaluation(), world()), tmp_path / name / "x.png", dpi=50)
    for kind in FORMATS:
        one, two = ((tmp_path / name / f"x.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two
    assert imread(tmp_path / "one" / "x.png").std() > 0
    assert b"<dc:date>" not in (tmp_path / "one" / "x.svg").read_bytes()
    assert b"CreationDate" not in (tmp_path / "one" / "x.pdf").read_bytes()


def test_names_are_drawn_as_they_are_written(tmp_path):
    figure = write_figure(
        lambda: draw_bars([Bar("a$b^$ 日本", 1.0, 0.9, 1.1)], {}, "50% of $1$")[0], tmp_path / "x.png"
    )
    assert figure == tmp_path / "x.png"


def test_a_figure_that_fails_is_one_warning(tmp_path, capsys):
    (tmp_path / "figures").write_text("no folder")
    assert write_figure(lambda: draw_bars(BARS, {}, "reward")[0], tmp_path / "figures" / "x.png") is None
    assert write_figure(lambda: 1 / 0, tmp_path / "y.png") is None
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" was not written (")[0] for line in lines] == [
        f"Warning: the figure {tmp_path / 'figures' / 'x.png'}", f"Warning: the figure {tmp_path / 'y.png'}",
    ]  # fmt: skip


def seen_by(kind, colour):
    """CIELAB of a colour as somebody with complete dichromacy sees it (Machado et al., IEEE TVCG 15(6), 2009)."""
    matrix = {
        "all": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }[kind]
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.cbrt(to_xyz @ np.clip(matrix @ linear, 0, 1) / [0.95047, 1.0, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_methods_of_one_figure_can_be_told_apart_by_everybody():
    for name in ("pendulum", "mhd", "mosei"):
        looks = [look_of(method) for method in presets(name).methods]
        assert len({look.marker for look in looks}) == len(looks)
        for kind, hatch in itertools.product(("all", "protan", "deutan", "tritan"), {look.hatch for look in looks}):
            seen = [seen_by(kind, look.colour) for look in looks if look.hatch == hatch]
            assert min((np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)), default=99) > 15


def test_a_method_has_one_look_whatever_others_there_are():
    inputs = [("image", "")]
    alone = draw_inputs(comparison([LONG], inputs), ACCURACY, inputs, lambda one: one[0], "x").axes[0].patches[0]
    among = draw_inputs(comparison(["gmc", LONG], inputs), ACCURACY, inputs, lambda one: one[0], "x").axes[0].patches[1]
    assert alone.get_facecolor() == among.get_facecolor()
    assert alone.get_hatch() == among.get_hatch() == look_of(LONG).hatch != ""
    assert len({look_of(f"own {number}") for number in range(30)}) > 15
