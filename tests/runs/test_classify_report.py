"""Reports on records whose numbers are known."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import t

from anysense.common.machine import describe_machine
from anysense.representations.benchmarks import Benchmark, Presets
from anysense.representations.benchmarks.benchmark import PublishedTable
from anysense.representations.evaluation.records import Record
from anysense.representations.evaluation.tasks import Classification, Sentiment
from anysense.representations.modality import Modality
from anysense.runs.comparisons.cells import estimate
from anysense.runs.comparisons.classify_report import classify_report
from anysense.runs.comparisons.done import Done
from anysense.runs.comparisons.report import print_report, write_run_report
from anysense.runs.run_folder import RunFolder

MODALITIES = {name: Modality(name, (2,), "float32") for name in ("left", "right")}
SUBSETS = ("complete", "left", "right")
COST = {"latent_dim": 4, "parameters": 12345, "samples_per_second": 99.6, "training_minutes": 1.5}
COST |= {"evaluation_seconds": 2.4}
RUN = {"command": "classify", "command_line": "anysense classify --data toy", "machine": describe_machine()}
METHODS = {"a": "gmc", "b": "mvae", "c": "gmc:paper"}


def toy(task, **changes):
    fixed = {"name": "toy", "title": "toy (synthetic)", "modalities": MODALITIES, "load": None, "methods": METHODS}
    return Benchmark(**{**fixed, "task": task, "presets": Presets("toy", "generic", {}), **changes})


def half(values):
    """Half of the 95% t interval of the mean."""
    return t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))


def done(method, seed, records):
    return Done(method, seed, {"records": [record.to_json() for record in records], **COST}, [RUN])


def classified(method, seed, accuracies, alignment=True):
    """What a job with one accuracy per subset gives."""
    records = []
    for subset, value in zip(SUBSETS, accuracies, strict=True):
        scores = {"accuracy": value, "knn": value / 2, "linear": value / 4}
        records += [Record(subset, metric, score) for metric, score in scores.items()]
    for ending, loss in (("", 0.0), (", right never", 0.05)):
        for rate in (0.0, 0.5):
            records.append(Record("", "accuracy", accuracies[0] - rate / 10 - loss, f"missing {rate:g}{ending}"))
    if alignment:
        records += [Record(name, metric, 0.25) for name in MODALITIES for metric in ("cosine", "retrieval")]
    return done(method, seed, records)


def rated(method, seed, errors, correlation=0.5):
    keys = [column.key for column in Sentiment().columns]
    records = []
    for subset, value in zip(SUBSETS, errors, strict=True):
        scores = {**dict.fromkeys(keys, 0.25), "mae": value, "correlation": correlation}
        records += [Record(subset, metric, score) for metric, score in scores.items()]
    records += [Record("", "mae", 0.7 + rate, f"missing {rate:g}") for rate in (0.0, 0.5)]
    return done(method, seed, records)


@pytest.fixture
def run(tmp_path):
    training = {"epochs": 1, "batch_size": 64, "learning_rate": 0.001, "schedule": "constant"}
    evaluation = {"missing_rates": [0.0, 0.5]}
    settings = {
        "preset": "smoke",
        "evaluation": evaluation,
        "training": training,
        "request": {"folder": None, "train": 7, "test": None},
    }
    return RunFolder(tmp_path / "run", {**RUN, "settings": settings, "seed": 0, "started": "now", "versions": {}})


@pytest.fixture
def report(run):
    """A function that writes the report of finished jobs and gives its text."""

    def write(found, jobs, docs=None):
        write_run_report(classify_report(found, METHODS, jobs, run), run, docs)
        return run.results("report.md").read_text()

    return write


def test_mean_and_interval_over_seeds():
    values = [0.91, 0.95, 0.90]
    records = [Record("left", "accuracy", value, method="a", seed=seed) for seed, value in enumerate(values)]
    found = estimate(records, "a", "left", "accuracy")
    assert found.value == pytest.approx(np.mean(values))
    assert (found.high - found.low) / 2 == pytest.approx(half(values))
    assert np.isnan(
        [estimate(records[:2], "a", "left", "accuracy").low, estimate(records, "b", "left", "mae").value]
    ).all()


def test_tables_of_classification(report, read_table):
    values = {"a": [(0.90, 0.8, 0.1), (0.96, 0.7, 0.1), (0.93, 0.9, 0.1)], "b": [(0.5, 0.4, 0.3)] * 3}
    jobs = [classified(method, seed, row) for method, rows in values.items() for seed, row in enumerate(rows)]
    text = report(toy(Classification(label="right", classes=10)), jobs)
    table = read_table(text, "# toy (synthetic)")
    for place, subset in enumerate(SUBSETS):
        column = [row[place] for row in values["a"]]
        assert table["a"][subset] == f"{100 * np.mean(column):.2f} ± {100 * half(column):.2f}"
    assert table["b"]["right"] == "30.00 ± 0.00"
    assert read_table(text, "## Accuracy of nearest neighbours")["left"]["b"] == "20.00 ± 0.00"
    rates = read_table(text, "## Modalities that go missing at random")
    assert list(rates) == ["missing 0", "missing 0.5", "missing 0, right never", "missing 0.5, right never"]
    assert rates["missing 0.5, right never"]["b"] == "40.00 ± 0.00"
    assert read_table(text, "## Alignment")["retrieval, left"]["a"] == "25.00 ± 0.00"
    assert read_table(text, "## Cost")["a"] == {
        "latent size": "4", "parameters": "12,345", "samples/s": "100", "training (min)": "1.50", "evaluation (s)": "2",
    }  # fmt: skip
    for words in (
        "Mean over the seeds 0, 1, 2 and half of the 95% t interval.",
        "1 epoch in batches of 64",
        "(train 7)",
    ):
        assert words in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_no_interval(seeds, report, read_table):
    text = report(toy(Classification()), [classified("a", seed, (0.9, 0.8, 0.1)) for seed in range(seeds)])
    assert read_table(text, "# toy")["a"]["complete"] == "90.00"
    assert ("without intervals" if seeds == 1 else "no interval, which two values do not give") in text


def test_tables_of_sentiment(report, read_table):
    jobs = [rated("a", seed, (0.6 + seed / 10, 0.7, 0.8)) for seed in range(3)]
    text = report(toy(Sentiment()), jobs)
    assert read_table(text, "# toy")["a"]["complete"] == f"0.700 ± {half([0.6, 0.7, 0.8]):.3f}"
    assert "MAE; lower is better" in text
    assert read_table(text, "## F1, higher is better")["left"]["a"] == "0.250 ± 0.000"
    assert "## Alignment" not in text


def test_the_protocol_says_what_was_missing_when_and_how_it_was_filled(run):
    jobs = [classified("a", seed, (0.9, 0.8, 0.1)) for seed in range(3)] + [classified("b", 0, (0.9, 0.8, 0.1))]
    sizes = {"samples": {"train": 6, "validation": 1, "test": 9}}
    jobs = [dataclasses.replace(job, result={**job.result, **sizes}) for job in jobs]
    methods = {"a": "gmc", "b": "transformer:paper"}
    report = classify_report(toy(Classification(), split="other writers in the test"), methods, jobs, run)
    found = dict(report.protocol.points())
    assert list(found) == ["Measured", "Training", "Missing in the test", "Filled with", "Rates", "Seeds", "Splits"]
    assert "all modalities present, for 1 epoch" in found["Training"]
    assert "(`b`: of preset `paper`)" in found["Training"]
    assert found["Missing in the test"].startswith("each input is the named modalities of all test samples")
    assert found["Filled with"].endswith("before anything is encoded; `b` gets frames of zeros in its place.")
    assert "with the chance 0.0, 0.5, at least one is left" in found["Rates"]
    assert "Mean over the seeds 0, 1, 2 for a; 0 for b" in found["Seeds"]
    assert found["Splits"] == (
        "toy (synthetic) (train 7): 6 to train on, 1 for validation, 9 to test on; other writers in the test."
    )


def test_the_protocol_stands_below_the_table_everywhere(report, run, capsys):
    text = report(toy(Classification()), [classified("a", 0, (0.9, 0.8, 0.1))])
    table, rest = text.index("| a | 90.00 | 80.00 | 10.00 |"), text.index("## Every subset")
    latex = run.results("report.tex").read_text()
    print_report(classify_report(toy(Classification()), METHODS, [classified("a", 0, (0.9, 0.8, 0.1))], run))
    shown = capsys.readouterr().out
    for name in ("Measured", "Training", "Missing in the test", "Filled with", "Rates", "Seeds", "Splits"):
        assert table < text.index(f"\n- {name}: ") < rest
        assert f"\n% {name}: " in latex
        assert f"\n{name}: " in shown


def test_undefined_values_are_said(report, read_table):
    jobs = [rated("a", seed, (0.6, 0.7, 0.8), correlation=float("nan") if seed else 0.5) for seed in range(3)]
    assert read_table(report(toy(Sentiment()), jobs), "## Corr")["left"]["a"] == "undefined"


def test_settings_of_another_preset_are_said(report):
    text = report(toy(Classification()), [classified(method, 0, (0.9, 0.8, 0.1)) for method in ("a", "c")])
    assert "with the settings of preset `smoke` (`c`: of preset `paper`)" in text


@pytest.mark.parametrize(
    ("title", "words"),
    [("TOY", "Not measured here: A paper."), ("toy (synthetic)", "Not measured here, and not on these data: A paper.")],
)
def test_published_values_are_apart(title, words, report, read_table):
    rows = {"complete": {"a": {"accuracy": "1.0 ± 2.0"}, "b": {"accuracy": "3"}}}
    found = toy(Classification(), title=title, published=PublishedTable("A paper", "TOY", rows))
    text = report(found, [classified("a", 0, (0.9, 0.8, 0.1))])
    assert words in text
    assert read_table(text, "## Published, on TOY") == {"complete": {"a": "1.0 ± 2.0", "b": "3"}}
    assert list(read_table(text, f"# {title}")) == ["a"]


def test_published_values_with_several_scores(report, read_table):
    rows = {"left": {"a": {"mae": "0.6", "f1_swapped": "0.8"}}}
    text = report(toy(Sentiment(), published=PublishedTable("A paper", "TOY", rows)), [rated("a", 0, (0.6, 0.7, 0.8))])
    assert read_table(text, "## Published, on TOY") == {"left, a": {"MAE": "0.6", "F1 (as published)": "0.8"}}


def test_files(report, run, tmp_path):
    jobs = [rated("a", 0, (0.6, 0.7, 0.8)), rated("a", 1, (0.6, 0.7, 0.8), correlation=float("nan"))]
    docs = tmp_path / "docs" / "results" / "toy"
    text = report(toy(Sentiment()), jobs, docs)
    with run.results("report.csv").open(newline="") as file:
        values = list(csv.DictReader(file))
    of_error = [(row["seed"], row["subset"], row["value"]) for row in values if row["metric"] == "mae"]
    assert of_error == [
        (str(seed), subset, str(value))
        for seed in (0, 1)
        for subset, value in (*zip(SUBSETS, (0.6, 0.7, 0.8), strict=True), ("", 0.7), ("", 1.2))
    ]
    assert [row["value"] for row in values if row["metric"] == "correlation"] == ["0.5"] * 3 + [""] * 3
    record = json.loads(run.results("report.json").read_text())
    assert record["runs"][0]["command_line"] == "anysense classify --data toy"
    own = {"records": 23, "runs": [0]}
    assert record["details"]["jobs"] == [{"method": "a", "seed": seed, **COST, **own} for seed in (0, 1)]
    latex = run.results("report.tex").read_text()
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == text.count("\n|---|")
    for name in ("subsets", "robustness"):
        assert imread(run.figure(f"{name}.png")).std() > 0
        assert f"](../figures/{name}.png)" in text
        assert docs.with_name(f"toy-{name}.png").read_bytes() == run.figure(f"{name}.png").read_bytes()
    assert docs.with_name("toy.md").read_text() == text.replace("../figures/", "toy-").replace("report.", "toy.")


def test_figures_show_the_numbers(run):
    jobs = [classified("a", seed, (value, 0.8, 0.1)) for seed, value in enumerate((0.9, 1.0, 0.95))]
    jobs += [classified("b", seed, (0.5, value, 0.3)) for seed, value in enumerate((0.4, 0.2, 0.3))]
    figures = classify_report(toy(Classification(label="right", classes=10)), METHODS, jobs, run).figures
    subsets = figures["subsets"]()
    (ax,) = subsets.axes
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], [95, 80, 10, 50, 30, 30])
    (low, high), *_ = [segment[:, 1] for segment in ax.containers[0].lines[2][0].get_segments()]
    wide = 100 * half([0.9, 1.0, 0.95])
    assert 95 + wide > 100  # which no share is
    np.testing.assert_allclose([low, high], [95 - wide, 100], rtol=1e-5)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["complete", "left", "right"]
    assert subsets.get_suptitle() == "toy (synthetic)"
    dots = [line.get_ydata() for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots[0], [90, 100, 95])
    (ax,) = figures["robustness"]().axes
    lines = [bar.lines[0] for bar in ax.containers]
    np.testing.assert_allclose([line.get_ydata() for line in lines], [[95, 90], [90, 85], [50, 45], [45, 40]])
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-", "--"]
    assert ax.get_title() == "toy (synthetic)"
    strokes = {line.get_label(): line.get_linestyle() for line in ax.lines}
    assert (strokes["any modality"], strokes["right never"]) == ("-", "--")
    chance = next(line for line in ax.lines if line.get_label() == "chance")
    assert list(chance.get_ydata()) == [10, 10]


def test_many_subsets_take_several_rows(run):
    names = ("one", "two", "three", "four")
    found = toy(Classification(), modalities={name: Modality(name, (2,), "float32") for name in names})
    subsets = ["complete" if len(one) == 4 else " + ".join(one) for one in found.subsets()]
    records = [Record(subset, key, 0.5) for subset in subsets for key in ("accuracy", "knn", "linear")]
    records.append(Record("", "accuracy", 0.5, "missing 0.5"))
    figure = classify_report(found, METHODS, [done("a", 0, records)], run).figures["subsets"]()
    assert [len(ax.patches) for ax in figure.axes] == [8, 7]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_table_on_the_terminal(run, capsys):
    print_report(classify_report(toy(Classification()), METHODS, [classified("a", 0, (0.9, 0.8, 0.1))], run))
    printed = capsys.readouterr().out
    for text in ("toy (synthetic)", "complete", "90.00", "right", "10.00"):
        assert text in printed
