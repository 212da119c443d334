import csv
import json
import shutil

import pytest
import torch
from matplotlib.image import imread

from anysense.representations.benchmarks import Benchmark, DataRequest, benchmark, catalogue, register_benchmark
from anysense.representations.data import Samples, Splits
from anysense.representations.files import load_representation
from anysense.representations.modality import Modality
from anysense.representations.training import PretrainSettings
from anysense.representations.training.module import PretrainingModule
from anysense.runs.cli import main
from anysense.runs.commands.classify import ClassifyCommand, methods_of, read
from anysense.runs.comparisons import classify_job

MODALITIES = {name: Modality(name, (4,), "float32", -4.0, 5.0) for name in ("left", "right")}


def classify(out, *options):
    return main(["classify", "--preset", "smoke", "--jobs", "1", "--out", str(out), *options])


def scores(folder, name):
    """What one job found out; how long it took aside."""
    result = json.loads((folder / "jobs" / name / "result.json").read_text())
    return {key: result[key] for key in ("subsets", "robustness", "alignment", "parameters", "epochs")}


def plain(capsys):
    """The error without the box that it comes in."""
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def load_tiny(request, progress=None):
    """A class that two noisy readings show."""
    generator = torch.Generator().manual_seed(request.data_seed)

    def part(count):
        labels = torch.arange(count) % 3
        noise = {name: 0.3 * torch.randn(count, 4, generator=generator).clamp(-3, 3) for name in MODALITIES}
        values = {name: torch.eye(3, 4)[labels] + noise[name] for name in MODALITIES}
        return Samples(MODALITIES, values, labels)

    return Splits(part(request.train or 48), part(20), part(request.test or 30))


@pytest.fixture
def tiny(monkeypatch):
    """A benchmark of someone's own, known during one test: two small modalities and two epochs."""
    monkeypatch.setattr(catalogue, "_registered", {})
    own = Benchmark(
        name="tiny",
        title="tiny (example)",
        task="classification",
        settings_name="generic",
        modalities=MODALITIES,
        load=load_tiny,
        methods={"gmc": "gmc", "mvae": "mvae"},
        training={"smoke": PretrainSettings(epochs=2, batch_size=24, warmup_steps=0)},
    )
    register_benchmark(own)
    return own


def test_presets_choose_values_and_options_override_them():
    assert read([]) == ClassifyCommand.of("default", "mhd-offline")
    paper = read(["--data", "mosei", "--preset", "paper", "--epochs", "3", "--train", "500"])
    assert (paper.training.epochs, paper.training.batch_size, paper.request.train) == (3, 24, 500)
    assert (paper.evaluation.classifier_epochs, paper.seeds) == (100, 5)


def test_methods_by_name():
    found = benchmark("mhd-offline")
    assert methods_of(found, "all") == ["mvae", "mmvae", "nexus", "muse", "mfm", "gmc", "gram"]
    assert methods_of(found, "muse, gmc-published") == ["muse", "gmc-published"]


def test_run_folder(classified):
    run = classified / "classify" / "a"
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["settings"]["request"]["train"]) == ("finished", 200)
    for method in ("gmc", "mfm"):
        folder = run / "jobs" / f"{method}-0"
        assert load_representation(folder / "representation").method == method
        assert (folder / "metrics.csv").read_text().count("\n") == 2
        assert not (folder / "checkpoints").exists()
    for name in ("subsets", "robustness"):
        assert imread(run / "figures" / f"{name}.png").std() > 0


def test_report(classified, read_table):
    run = classified / "classify" / "a"
    text = (run / "results" / "report.md").read_text()
    assert text.startswith("# mhd-offline (synthetic stand-in for MHD)\n")
    main_table = read_table(text, "# mhd-offline")
    assert list(main_table) == ["complete", "image", "sound", "trajectory", "label"]
    found = {method: scores(run, f"{method}-0") for method in ("gmc", "mfm")}
    for method, result in found.items():
        by_modalities = {tuple(row["modalities"]): row for row in result["subsets"]}
        assert len(by_modalities) == 15
        assert main_table["sound"][method] == f"{100 * by_modalities[('sound',)]['accuracy']:.2f}"
        every = read_table(text, "### 5 nearest neighbours")["image + label"][method]
        assert every == f"{100 * by_modalities[('image', 'label')]['knn']:.2f}"
        rates = [(row["rate"], row["with_label"]) for row in result["robustness"]]
        assert rates == [(0.0, True), (0.5, True), (0.0, False), (0.5, False)]
    with (run / "results" / "report.csv").open(newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 30


def test_published_values_are_labelled(classified, read_table):
    text = (classified / "classify" / "a" / "results" / "report.md").read_text()
    measured, published = text.split("## Published, on MHD\n")
    assert "75.0" not in measured.split("| input |")[0]
    assert published.lstrip().startswith(
        "Not measured here, and not on these data: Poklukar et al., ICML 2022, Table 1"
    )
    assert read_table(text, "## Published, on MHD")["sound"]["gmc"] == "93.04 ± 0.45"


def test_copy_of_the_report(classified):
    docs, run = classified / "docs", classified / "classify" / "a"
    assert sorted(path.name for path in docs.iterdir()) == [
        "digits-robustness.png", "digits-subsets.png", "digits.csv", "digits.json", "digits.md",
    ]  # fmt: skip
    assert (docs / "digits.csv").read_bytes() == (run / "results" / "report.csv").read_bytes()
    assert "![Every subset](digits-subsets.png)" in (docs / "digits.md").read_text()


@pytest.mark.parametrize("data", ["mhd-offline", "mosei-offline"])
def test_all_methods(data, tmp_path, capsys):
    assert classify(tmp_path, "--data", data, "--name", "all") == 0
    folders = sorted(path.name for path in (tmp_path / "classify" / "all" / "jobs").iterdir())
    assert folders == sorted(f"{name}-0" for name in methods_of(benchmark(data), "all"))
    assert f"{data} (synthetic stand-in for " in capsys.readouterr().out
    shutil.rmtree(tmp_path)  # The weights are large, and pytest keeps the folders of three sessions.


def test_a_killed_run_goes_on_where_it_was(tiny, tmp_path, monkeypatch, capsys):
    options = ["--data", "tiny", "--seeds", "2", "--seed", "4"]
    assert classify(tmp_path, *options, "--name", "whole") == 0
    step, steps = PretrainingModule.training_step, []

    def killed(self, batch, batch_idx):
        steps.append(batch_idx)
        if len(steps) == 7:  # 2 steps an epoch, 2 epochs a job: the second epoch of the second job
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", killed)
        assert classify(tmp_path, *options, "--name", "cut") == 130
    cut, whole = (tmp_path / "classify" / name for name in ("cut", "whole"))
    assert json.loads((cut / "run.json").read_text())["status"] == "interrupted"
    assert [path.parent.name for path in cut.glob("jobs/*/result.json")] == ["gmc-4"]
    assert (cut / "jobs" / "mvae-4" / "checkpoints").is_dir()
    assert not (cut / "results").exists()
    first = (cut / "jobs" / "gmc-4" / "result.json").read_bytes()

    def counted(self, batch, batch_idx):
        steps.append(batch_idx)
        return step(self, batch, batch_idx)

    steps.clear()
    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", counted)
        assert main(["classify", "--resume", "--out", str(tmp_path), "--jobs", "1"]) == 0
    assert len(steps) == 2 + 2 * 4  # the second epoch of the second job, and two whole jobs
    assert (cut / "jobs" / "gmc-4" / "result.json").read_bytes() == first
    for name in ("gmc-4", "mvae-4", "gmc-5", "mvae-5"):
        assert scores(cut, name) == scores(whole, name)
    assert (cut / "results" / "report.csv").read_bytes() == (whole / "results" / "report.csv").read_bytes()
    assert "1 of 4 jobs were done before" in capsys.readouterr().err


def test_a_run_killed_in_the_evaluation_does_not_train_again(tiny, tmp_path, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(classify_job, "evaluate_classification", killed)
        assert classify(tmp_path, "--data", "tiny", "--methods", "gmc", "--name", "cut") == 130
    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", killed)
        assert main(["classify", "--resume", "--out", str(tmp_path)]) == 0


def test_resume_keeps_the_settings(tiny, tmp_path, monkeypatch, capsys):
    def killed(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(classify_job, "evaluate_classification", killed)
        assert classify(tmp_path, "--data", "tiny", "--methods", "gmc", "--name", "x") == 1
    assert json.loads((tmp_path / "classify" / "x" / "run.json").read_text())["status"] == "failed"
    assert main(["classify", "--resume", "--out", str(tmp_path), "--epochs", "9", "--seeds", "3"]) == 2
    error = capsys.readouterr().err
    assert "(seeds: 1 -> 3; training.epochs: 2 -> 9). Leave these options out or start a new run." in error
    docs = tmp_path / "elsewhere" / "tiny"
    assert main(["classify", "--resume", "--out", str(tmp_path), "--jobs", "3", "--docs", str(docs)]) == 0
    assert docs.with_name("tiny.md").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "gmc,mfn"], "`methods` must be one of 'mvae', 'mmvae', 'nexus', 'muse', 'mfm'"),
        (["--methods", "gmc,mfn"], "got 'mfn'. Did you mean 'mfm'?"),
        (["--methods", ""], "got ''."),
        (["--methods", "gmc,mfm,gmc"], "`methods` names a method twice: gmc,mfm,gmc."),
        (
            ["--data", "mosei-offline", "--methods", "muse"],
            "`methods` must be one of 'baseline', 'dropout', 'gmc', 'gram', 'all'; got 'muse'",
        ),
        (["--seeds", "0"], "`seeds` must be at least 1; got 0."),
        (["--jobs", "0"], "`jobs` must be at least 1; got 0."),
        (["--data", "mhd-ofline"], "got 'mhd-ofline'. Did you mean 'mhd-offline'?"),
        (["--train", "5"], "`train` must be at least 20 samples; got 5."),
        (["--epochs", "0"], "`epochs` must be an integer of at least 1"),
        (["--missing-rates", "1.5"], "`missing_rates` must lie between 0 and 1; got 1.5."),
        (["--resume"], "`--resume` found no unfinished run"),
    ],
)
def test_bad_input(options, message, tmp_path, capsys):
    assert classify(tmp_path, *options) == 2
    assert message in plain(capsys)
    assert not (tmp_path / "classify").exists()


def test_missing_data(tmp_path, capsys):
    assert classify(tmp_path, "--data", "mhd", "--folder", str(tmp_path / "nowhere"), "--name", "x") == 2
    assert "anysense data mhd" in capsys.readouterr().err
    assert json.loads((tmp_path / "classify" / "x" / "run.json").read_text())["status"] == "failed"


def test_a_benchmark_without_the_preset(tiny, tmp_path, capsys):
    assert main(["classify", "--data", "tiny", "--out", str(tmp_path)]) == 2
    assert "`preset` must be one of 'smoke'" in capsys.readouterr().err
    assert read(["--data", "tiny", "--preset", "smoke"]).request == DataRequest()
