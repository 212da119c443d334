import csv
import json
import shutil

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from anysense.representations.evaluation.dca import dca
from anysense.runs.cli import main
from anysense.runs.commands import align as module
from anysense.runs.commands.align import AlignCommand, read

EVALUATION = "anysense.representations.evaluation"
MODALITIES = ("image", "sound", "trajectory", "label")


def align(out, *options):
    return main(["align", "--preset", "smoke", "--out", str(out), "--jobs", "1", *map(str, options)])


@pytest.fixture(scope="module")
def aligned(classified):
    """The `out` folder of the tiny comparison with its analysis, named `a`, pictures included.

    UMAP is tested elsewhere; here the first two features stand for its picture, because it takes long to compile.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            f"{EVALUATION}.umap.umap_embedding", lambda sets, seed: {name: z[:, :2] for name, z in sets.items()}
        )
        options = ["--umap", "--name", "a", "--docs", classified / "geometry" / "digits"]
        assert align(classified, classified / "classify" / "a", *options) == 0
    return classified


@pytest.fixture
def copied(classified, tmp_path):
    """An `out` folder with the tiny comparison only."""
    shutil.copytree(classified / "classify", tmp_path / "classify", ignore=shutil.ignore_patterns("tensorboard"))
    return tmp_path


def records(out, name, method):
    found = json.loads((out / "align" / name / "jobs" / f"{method}-0" / "result.json").read_text())["records"]
    return {(one["condition"].removeprefix("against "), one["subset"], one["metric"]): one["value"] for one in found}


def test_presets_choose_values_and_options_override_them():
    assert read([]) == AlignCommand.of("default")
    assert (read([]).points, read(["--preset", "paper"]).points, read([]).umap) == (1000, 10_000, True)
    assert read(["--preset", "smoke", "--rays", "7", "--umap"]).umap


def test_table(aligned, read_table):
    text = (aligned / "align" / "a" / "results" / "report.md").read_text()
    assert text.startswith("# Geometry of the latents: mhd-offline (synthetic stand-in for MHD)\n")
    for heading, key, digits in (
        ("## Harmonic mean of P, R and q, higher", "score_raw", 2),
        ("## Harmonic mean of P and R, higher", "score_without_quality", 2),
        ("## Precision P, higher", "precision", 2),
        ("## Network quality q, higher", "network_quality", 3),
        ("## Share of points in no component, lower", "noise", 2),
    ):
        table = read_table(text, heading)
        assert list(table) == [*MODALITIES, "complete (halves)"]
        for method in ("mfm", "gmc"):
            values = records(aligned, "a", method)
            for name in (*MODALITIES, "complete"):
                cell = table["complete (halves)" if name == "complete" else name][method]
                assert cell == f"{values['complete', name, key]:.{digits}f}"
    published = "## Published DCA score, on MHD\n\nNot measured here, and not on these data"
    assert published in text
    assert read_table(text, published)["sound"]["gmc"] == "0.87 ± 0.16"
    assert "- Splits: 40 test samples" in text
    assert "`mfm` gets a code of zeros" in text
    assert "\nanysense classify --preset smoke --methods gmc mfm --jobs 1" in text
    assert "\nanysense align --preset smoke" in text


def test_pairs_of_sets(aligned):
    with (aligned / "align" / "a" / "results" / "report.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "gmc"]
    assert [(row["condition"], row["subset"]) for row in rows if row["metric"] == "precision"] == [
        *[("against complete", name) for name in MODALITIES],
        *[(f"against {name}", "label") for name in MODALITIES[:3]],
        ("against complete", "complete"),
    ]
    shares = ("precision", "recall", "score_raw", "network_consistency", "noise")
    assert all(0 <= float(row["value"]) <= 1 for row in rows if row["metric"] in shares)


def test_pictures(aligned):
    folder = aligned / "align" / "a"
    assert imread(folder / "figures" / "umap.png").std() > 0
    assert "![UMAP](../figures/umap.png)" in (folder / "results" / "report.md").read_text()
    with np.load(folder / "jobs" / "gmc-0" / "embedding.npz", allow_pickle=False) as points:
        assert {name: points[name].shape for name in ("complete", *MODALITIES)} == dict.fromkeys(
            ("complete", *MODALITIES), (40, 2)
        )
        assert points["targets"].shape == (40,)
    assert sorted(path.name for path in (aligned / "geometry").iterdir()) == [
        "digits-umap.pdf", "digits-umap.png", "digits-umap.svg", "digits.csv", "digits.json", "digits.md", "digits.tex",
    ]  # fmt: skip


def test_the_record_names_both_runs(aligned):
    runs = json.loads((aligned / "align" / "a" / "results" / "report.json").read_text())["runs"]
    assert [run["command"] for run in runs] == ["classify", "align"]
    assert runs[0]["settings"]["methods"] == ["gmc", "mfm"]
    assert runs[1]["settings"]["run"] == str(aligned / "classify" / "a")


def test_newest_comparison_and_no_picture(aligned, monkeypatch, capsys):
    monkeypatch.setattr(f"{EVALUATION}.dca.dca", lambda r, e, **options: dca(r, e, **{**options, "n_rays": 1}))
    assert align(aligned, "--name", "newest", "--points", "20") == 0
    comparison = aligned / "classify" / "a"
    assert f"Taking the newest comparison: {comparison}" in capsys.readouterr().err
    assert "UMAP" not in (aligned / "align" / "newest" / "results" / "report.md").read_text()
    assert not (aligned / "align" / "newest" / "figures").exists()
    record = json.loads((aligned / "align" / "newest" / "run.json").read_text())
    assert record["arguments"][:3] == [str(comparison), "--preset", "smoke"]


def test_a_killed_run_goes_on(aligned, monkeypatch, capsys):
    analyse, seen = dca, []

    def killed(*args, **options):
        seen.append(args)
        if len(seen) == 9:  # 8 pairs of sets for each of 2 representations
            raise KeyboardInterrupt
        return analyse(*args, **options)

    monkeypatch.setattr(f"{EVALUATION}.dca.dca", killed)
    assert align(aligned, "--name", "cut") == 130
    assert main(["align", "--resume", "--name", "cut", "--out", str(aligned), "--jobs", "1"]) == 0
    assert len(seen) == 9 + 8
    assert "1 of 2 jobs were done before" in capsys.readouterr().err
    reports = [aligned / "align" / name / "results" / "report.csv" for name in ("a", "cut")]
    assert reports[0].read_bytes() == reports[1].read_bytes()


def test_only_what_a_report_does_not_hold_is_analysed(aligned, copied, monkeypatch, read_table, refused):
    whole = json.loads((aligned / "geometry" / "digits.json").read_text())
    half = {**whole, "records": [record for record in whole["records"] if record["method"] == "mfm"]}
    half["details"] = {"jobs": [job for job in whole["details"]["jobs"] if job["method"] == "mfm"]}
    (copied / "half.json").write_text(json.dumps(half))
    monkeypatch.setattr("anysense.runs.comparisons.report.write_figure", lambda draw, path: None)
    assert align(copied, "--extend", copied / "half.json", "--name", "b") == 0
    run = copied / "align" / "b"
    assert [path.name for path in (run / "jobs").iterdir()] == ["gmc-0"]
    report = json.loads((run / "results" / "report.json").read_text())
    assert {tuple(record.items()) for record in report["records"]} == {tuple(one.items()) for one in whole["records"]}
    assert [one["command"] for one in report["runs"]] == ["classify", "align", "align"]
    assert list(read_table((run / "results" / "report.md").read_text(), "# Geometry")) == ["mfm", "gmc"]
    command = ["align", "--preset", "smoke", "--out", copied, "--extend", copied / "half.json"]
    assert "(points: 40 -> 30)" in refused(*command, "--points", "30")
    half["runs"][0]["settings"]["training"]["epochs"] = 9
    (copied / "half.json").write_text(json.dumps(half))
    assert "(training.epochs: 9 -> 1)" in refused(*command)


def test_latents_that_differ_in_nothing_count_once():
    latents = torch.tensor([[1.0, 2.0], [1.00001, 2.0], [1.0, 2.1]])
    torch.testing.assert_close(module._unique(latents), torch.tensor([[1.0, 2.0], [1.0, 2.1]]))


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_unfinished_comparison(status, copied, refused):
    path = copied / "classify" / "a" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": status}))
    message = refused("align", "--out", copied, path.parent)
    assert f"is {status}; finish it with `anysense classify --resume` first." in message
    assert "holds no finished run of `anysense classify`; run it first." in refused("align", "--out", copied)
    assert not (copied / "align").exists()


def test_run_of_another_command(copied, refused):
    path = copied / "classify" / "a" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "command": "train"}))
    message = refused("align", "--out", copied, path.parent)
    assert "is a run of `anysense train`, expected one of `anysense classify`" in message


def test_lost_or_altered_weights(copied, refused):
    weights = copied / "classify" / "a" / "jobs" / "gmc-0" / "representation" / "representation.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    assert "representation.safetensors" in refused("align", "--preset", "smoke", "--out", copied)
    weights.unlink()
    assert "representation.safetensors" in refused("align", "--preset", "smoke", "--out", copied)
    assert not (copied / "align").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--points", "61"], "`points` must be at most 60, the number of test samples; got 61."),
        (["--points", "0"], "`points` must be at least 1; got 0."),
        (["--rays", "0"], "`rays` must be at least 1; got 0."),
        (["--jobs", "0"], "`jobs` must be at least 1; got 0."),
        (["nowhere"], "`nowhere` is not a folder; expected a run folder"),
        (["--resume"], "`--resume` found no unfinished run"),
    ],
)
def test_wrong_input_leaves_nothing(options, message, copied, refused):
    assert message in refused("align", "--preset", "smoke", "--out", copied, *options)
    assert not (copied / "align").exists()


def test_a_comparison_that_has_trained_nothing(copied, refused):
    """All its jobs were in the files of --extend."""
    shutil.rmtree(copied / "classify" / "a" / "jobs")
    assert "holds no trained representation in `jobs`; name" in refused("align", "--preset", "smoke", "--out", copied)
    assert not (copied / "align").exists()


def test_a_missing_extra_is_named_before_anything_is_written(copied, monkeypatch, capsys):
    monkeypatch.setattr("anysense.runs.commands.align.importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    assert align(copied, "--umap") == 2
    assert "pip install 'anysense[umap]'" in capsys.readouterr().err
    assert not (copied / "align").exists()
