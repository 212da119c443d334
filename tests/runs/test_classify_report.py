"""Reports on cells whose numbers are known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import t

from anysense.common.machine import describe_machine
from anysense.representations.benchmarks import Benchmark
from anysense.representations.benchmarks.benchmark import PublishedTable
from anysense.representations.modality import Modality
from anysense.runs.comparisons.classify_figures import draw_robustness, draw_subsets
from anysense.runs.comparisons.classify_report import print_report, write_report
from anysense.runs.comparisons.classify_scores import CLASSIFICATION, SENTIMENT, Cell, Score, over_seeds
from anysense.runs.run_folder import RunFolder

MODALITIES = {name: Modality(name, (2,), "float32") for name in ("left", "right")}
SUBSETS = (("left", "right"), ("left",), ("right",))
COST = {"latent_dim": 4, "parameters": 12345, "samples_per_second": 99.6, "training_seconds": 90.0}
COST |= {"evaluation_seconds": 2.4}


def toy(task, **changes):
    fixed = {"name": "toy", "title": "toy (synthetic)", "settings_name": "generic", "modalities": MODALITIES}
    methods = {"a": "gmc", "b": "mvae", "c": "gmc:paper"}
    return Benchmark(**{**fixed, "task": task, "load": None, "methods": methods, "training": {}, **changes})


def half(values):
    """Half of the 95% t interval of the mean."""
    return t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))


def classified(method, seed, accuracies, alignment=True):
    """A cell with one accuracy per subset."""
    rows = [
        {"modalities": list(modalities), "accuracy": value, "knn": value / 2, "linear": value / 4}
        for modalities, value in zip(SUBSETS, accuracies, strict=True)
    ]
    curve = [
        {"rate": rate, "with_label": given, "accuracy": accuracies[0] - rate / 10 - (0 if given else 0.05)}
        for given in (True, False)
        for rate in (0.0, 0.5)
    ]
    result = {"subsets": rows, "robustness": curve, **COST}
    if alignment:
        result["alignment"] = [{"modality": name, "cosine": 0.5, "retrieval": 0.25} for name in MODALITIES]
    return Cell(method, seed, Path(), result)


def rated(method, seed, errors, correlation=0.5):
    rows = []
    for modalities, value in zip(SUBSETS, errors, strict=True):
        scores = dict.fromkeys([score.key for score in SENTIMENT], 0.25)
        rows.append({"modalities": list(modalities), **scores, "mae": value, "correlation": correlation})
    curve = [{"rate": rate, **{score.key: 0.5 for score in SENTIMENT}, "mae": 0.7 + rate} for rate in (0.0, 0.5)]
    return Cell(method, seed, Path(), {"subsets": rows, "robustness": curve, **COST})


@pytest.fixture
def run(tmp_path):
    training = {"epochs": 1, "batch_size": 64, "learning_rate": 0.001, "schedule": "constant"}
    record = {"command_line": "anysense classify --data toy", "settings": {"preset": "smoke", "training": training}}
    record |= {"seed": 0, "started": "now", "versions": {}, "machine": describe_machine()}
    return RunFolder(tmp_path / "run", record)


@pytest.fixture
def report(run):
    """A function that writes the report of some cells and gives its text."""

    def write(found, cells, docs=None):
        write_report(found, cells, run, docs)
        return run.results("report.md").read_text()

    return write


def test_mean_and_interval_over_seeds():
    values = [0.91, 0.95, 0.90]
    estimate = over_seeds(values)
    assert estimate.value == pytest.approx(np.mean(values))
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half(values), rel=1e-6)
    assert CLASSIFICATION[0].text(estimate) == f"92.00 ± {100 * half(values):.2f}"
    assert SENTIMENT[0].text(estimate) == f"0.920 ± {half(values):.3f}"


def test_single_seed_has_no_interval():
    assert Score("x", "x", percent=True).text(over_seeds([0.5])) == "50.00"
    assert Score("x", "x", digits=1).text(over_seeds([0.52])) == "0.5"


@pytest.mark.parametrize("values", [[float("nan")], [0.5, float("nan")]])
def test_undefined_scores(values):
    assert Score("x", "x").text(over_seeds(values)) == "undefined"


def test_headings_keep_the_names_of_quantities():
    assert Score("x", "harmonic mean of P and R").heading == "Harmonic mean of P and R"


def test_layout_of_classification(report, read_table):
    cells = [classified("a", 0, (0.9, 0.8, 0.1)), classified("b", 0, (0.5, 0.4, 0.3))]
    cells += [classified("a", 1, (1.0, 0.7, 0.1)), classified("b", 1, (0.5, 0.2, 0.3))]
    text = report(toy("classification", label="right"), cells)
    assert text.startswith("# toy (synthetic)\n")
    main = read_table(text, "# toy (synthetic)")
    wide = 100 * half([0.9, 1.0])
    assert main == {
        "complete": {"a": f"95.00 ± {wide:.2f}", "b": "50.00 ± 0.00"},
        "left": {"a": f"75.00 ± {wide:.2f}", "b": f"30.00 ± {100 * half([0.4, 0.2]):.2f}"},
        "right": {"a": "10.00 ± 0.00", "b": "30.00 ± 0.00"},
    }
    assert read_table(text, "### Classifier") == main
    assert read_table(text, "### 5 nearest neighbours")["right"] == {"a": "5.00 ± 0.00", "b": "15.00 ± 0.00"}
    assert read_table(text, "### Linear probe")["right"] == {"a": "2.50 ± 0.00", "b": "7.50 ± 0.00"}
    robust = read_table(text, "## Modalities that go missing at random")
    assert {row: values["b"] for row, values in robust.items()} == {
        "0% missing": "50.00 ± 0.00", "50% missing": "45.00 ± 0.00",
        "0% missing, never right": "45.00 ± 0.00", "50% missing, never right": "40.00 ± 0.00",
    }  # fmt: skip
    alignment = read_table(text, "## Alignment")
    assert alignment["cosine, left"]["a"] == "0.500 ± 0.000"
    assert alignment["retrieval, right"]["b"] == "25.00 ± 0.00"
    assert read_table(text, "## Cost")["b"] == {
        "latent size": "4", "parameters": "12,345", "samples/s": "100", "training (min)": "1.50", "evaluation (s)": "2",
    }  # fmt: skip
    assert "Mean over the seeds 0, 1 and half of the 95% t interval. " in text


def test_layout_of_sentiment(report, read_table):
    cells = [rated("a", 0, (0.6, 0.7, 0.8)), rated("b", 0, (0.5, 0.9, 1.0), correlation=None)]
    text = report(toy("sentiment"), cells)
    main = read_table(text, "# toy (synthetic)")
    assert list(main) == ["complete, a", "complete, b", "left, a", "left, b", "right, a", "right, b"]
    assert main["left, b"] == {
        "MAE": "0.900", "Corr": "undefined", "F1": "0.250", "F1 (as published)": "0.250",
        "Acc (%)": "25.00", "Acc with zeros (%)": "25.00", "Acc-7 (%)": "25.00",
    }  # fmt: skip
    assert read_table(text, "## Every subset") == main
    assert read_table(text, "## Modalities that go missing")["50% missing"] == {"a": "1.200", "b": "1.200"}
    assert "## Alignment" not in text
    assert "Seed 0 only, so without intervals. " in text


def test_settings_are_stated(report):
    text = report(toy("classification"), [classified("b", 3, (0.5, 0.5, 0.5)), classified("c", 3, (0.5, 0.5, 0.5))])
    assert "for 1 epoch in batches of 64 with Adam at 0.001 (constant)" in text
    assert "with the settings of preset `smoke` (`c`: of preset `paper`)." in text
    assert "```sh\nanysense classify --data toy\n```" in text


@pytest.mark.parametrize(
    ("title", "words"),
    [("toy (synthetic)", "Not measured here, and not on these data: A paper."), ("TOY", "Not measured here: A paper.")],
)
def test_published_values_are_apart(title, words, report, read_table):
    rows = {"complete": {"a": {"accuracy": "1.0 ± 2.0"}, "b": {"accuracy": "3"}}}
    found = toy("classification", title=title, published=PublishedTable("A paper", "TOY", rows))
    text = report(found, [classified("a", 0, (0.9, 0.8, 0.1))])
    assert words in text
    assert read_table(text, "## Published, on TOY") == {"complete": {"a": "1.0 ± 2.0", "b": "3"}}
    assert list(read_table(text, f"# {title}")["complete"]) == ["a"]


def test_published_values_with_several_scores(report, read_table):
    rows = {"left": {"a": {"mae": "0.6", "f1_swapped": "0.8"}}}
    found = toy("sentiment", published=PublishedTable("A paper", "TOY", rows))
    text = report(found, [rated("a", 0, (0.6, 0.7, 0.8))])
    assert read_table(text, "## Published, on TOY") == {"left, a": {"MAE": "0.6", "F1 (as published)": "0.8"}}


def test_files(report, run, tmp_path):
    cells = [rated("a", 0, (0.6, 0.7, 0.8)), rated("a", 1, (0.6, 0.7, 0.8), correlation=None)]
    docs = tmp_path / "docs" / "results" / "toy"
    text = report(toy("sentiment"), cells, docs)
    with run.results("report.csv").open(newline="") as file:
        values = list(csv.DictReader(file))
    assert [(row["method"], row["seed"], row["modalities"], row["mae"]) for row in values[:4]] == [
        ("a", "0", "left+right", "0.6"), ("a", "0", "left", "0.7"), ("a", "0", "right", "0.8"),
        ("a", "1", "left+right", "0.6"),
    ]  # fmt: skip
    assert [row["correlation"] for row in values] == ["0.5"] * 3 + [""] * 3
    record = json.loads(run.results("report.json").read_text())
    assert record["run"]["command_line"] == "anysense classify --data toy"
    assert record["jobs"] == [{"method": "a", "seed": seed, **cells[seed].result} for seed in (0, 1)]
    for name in ("subsets", "robustness"):
        assert imread(run.figure(f"{name}.png")).std() > 0
        assert f"](../figures/{name}.png)" in text
        assert docs.with_name(f"toy-{name}.png").read_bytes() == run.figure(f"{name}.png").read_bytes()
    copy = docs.with_name("toy.md").read_text()
    assert copy == text.replace("../figures/", "toy-").replace("report.", "toy.")
    for ending in ("csv", "json"):
        assert docs.with_name(f"toy.{ending}").read_bytes() == run.results(f"report.{ending}").read_bytes()


def test_figures_show_the_numbers():
    cells = [classified("a", 0, (0.9, 0.8, 0.1)), classified("a", 1, (1.0, 0.7, 0.1))]
    cells += [classified("b", 0, (0.5, 0.4, 0.3)), classified("b", 1, (0.5, 0.2, 0.3))]
    figure = draw_subsets(toy("classification"), cells)
    (ax,) = figure.axes
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], [95, 75, 10, 50, 30, 30])
    (low, high), *_ = [segment[:, 1] for segment in ax.containers[0].lines[2][0].get_segments()]
    np.testing.assert_allclose([low, high], [95 - 100 * half([0.9, 1.0]), 95 + 100 * half([0.9, 1.0])], rtol=1e-5)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["complete", "left", "right"]
    assert figure.get_suptitle() == "toy (synthetic)"
    (ax,) = draw_robustness(toy("classification", label="right"), cells).axes
    np.testing.assert_allclose([line.get_ydata() for line in ax.lines], [[95, 90], [90, 85], [50, 45], [45, 40]])
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--", "-", "--"]
    assert ax.get_title() == "toy (synthetic); dashed: right never given"


def test_many_subsets_take_several_rows():
    names = ("one", "two", "three", "four")
    found = toy("classification", modalities={name: Modality(name, (2,), "float32") for name in names})
    rows = [{"modalities": list(modalities), "accuracy": 0.5} for modalities in found.subsets()]
    figure = draw_subsets(found, [Cell("a", 0, Path(), {"subsets": rows})])
    assert [len(ax.patches) for ax in figure.axes] == [8, 7]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_table_on_the_terminal(capsys):
    print_report(toy("classification"), [classified("a", 0, (0.9, 0.8, 0.1))])
    printed = capsys.readouterr().out
    for text in ("toy (synthetic)", "complete", "90.00", "right", "10.00"):
        assert text in printed
