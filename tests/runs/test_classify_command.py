import csv
import json

import pytest
from matplotlib.image import imread

from anysense.representations.benchmarks import benchmark
from anysense.representations.evaluation.tasks import Classification
from anysense.representations.files import load_representation
from anysense.representations.training.module import PretrainingModule
from anysense.runs.cli import main
from anysense.runs.commands.classify import ClassifyCommand, read


def classify(out, *options):
    return main(["classify", "--preset", "smoke", "--jobs", "1", "--out", str(out), *options])


def results(folder, name):
    """What one job found out; how long it took aside."""
    result = json.loads((folder / "jobs" / name / "result.json").read_text())
    return {key: result[key] for key in ("records", "parameters", "epochs")}


def test_presets_choose_values_and_options_override_them():
    assert read([]) == ClassifyCommand.of("default", "digits")
    paper = read(["--data", "mosei", "--preset", "paper", "--epochs", "3", "--train", "500"])
    assert (paper.training.epochs, paper.training.batch_size, paper.request.train) == (3, 24, 500)
    assert read(["--preset", "paper"]).evaluation.classifier_epochs == 100
    assert read(["--methods", "muse", "gmc-published"]).chosen() == ["muse", "gmc-published"]
    assert read([]).chosen() == ["mvae", "mmvae", "nexus", "muse", "mfm", "gmc", "gram"]


def test_help_names_what_can_be_chosen(capsys):
    assert main(["classify", "--data", "mosei-offline", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--data {digits,digits-speakers,mfeat,mhd,mhd-offline,mosei,mosi,mosei-offline}" in text
    assert "--methods [{baseline,dropout,gmc,gram} ...]" in text


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


def test_report_shows_what_the_jobs_found(classified, read_table):
    run = classified / "classify" / "a"
    text = (run / "results" / "report.md").read_text()
    assert text.startswith("# mhd-offline (synthetic stand-in for MHD)\n")
    main_table = read_table(text, "# mhd-offline")
    assert list(main_table) == ["gmc", "mfm"]
    assert list(main_table["mfm"]) == ["complete", "image", "sound", "trajectory", "label"]
    for method in ("gmc", "mfm"):
        records = {
            (one["subset"], one["metric"], one["condition"]): one for one in results(run, f"{method}-0")["records"]
        }
        accuracies = [key for key in records if key[1] == "accuracy"]
        assert sum(not condition for _, _, condition in accuracies) == 15
        assert main_table[method]["sound"] == f"{100 * records['sound', 'accuracy', '']['value']:.2f}"
        neighbours = read_table(text, "## Accuracy of nearest neighbours")["image + label"][method]
        assert neighbours == f"{100 * records['image + label', 'knn', '']['value']:.2f}"
    with (run / "results" / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows if (row["subset"], row["metric"]) == ("sound", "accuracy")] == ["gmc", "mfm"]


def test_published_values_are_labelled(classified, read_table):
    text = (classified / "classify" / "a" / "results" / "report.md").read_text()
    measured, published = text.split("## Published, on MHD\n")
    assert "99.75" not in measured
    assert published.lstrip().startswith(
        "Not measured here, and not on these data: Poklukar et al., ICML 2022, Table 1"
    )
    assert read_table(text, "## Published, on MHD")["sound"]["gmc"] == "93.04 ± 0.45"


def test_copy_of_the_report(classified):
    docs, run = classified / "docs", classified / "classify" / "a"
    figures = {f"digits-{name}.{ending}" for name in ("robustness", "subsets") for ending in ("pdf", "png", "svg")}
    texts = {f"digits.{ending}" for ending in ("csv", "json", "md", "tex")}
    assert {path.name for path in docs.iterdir()} == figures | texts
    for ending in ("csv", "json", "tex"):
        assert (docs / f"digits.{ending}").read_bytes() == (run / "results" / f"report.{ending}").read_bytes()
    text = (run / "results" / "report.md").read_text()
    assert (docs / "digits.md").read_text() == text.replace("../figures/", "digits-").replace("report.", "digits.")


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
        assert results(cut, name) == results(whole, name)
    assert (cut / "results" / "report.csv").read_bytes() == (whole / "results" / "report.csv").read_bytes()
    assert "1 of 4 jobs were done before" in capsys.readouterr().err


def test_a_run_killed_in_the_evaluation_does_not_train_again(tiny, tmp_path, monkeypatch, refused):
    def full(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Classification, "evaluate", full)
        assert classify(tmp_path, "--data", "tiny", "--methods", "gmc", "--name", "x") == 1
    assert json.loads((tmp_path / "classify" / "x" / "run.json").read_text())["status"] == "failed"
    message = refused("classify", "--resume", "--out", tmp_path, "--epochs", "9", "--seeds", "3")
    assert "(training.epochs: 2 -> 9). Leave these options out or start a new run." in message
    docs = tmp_path / "elsewhere" / "tiny"
    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", full)
        assert main(["classify", "--resume", "--out", str(tmp_path), "--jobs", "3", "--docs", str(docs)]) == 0
    assert docs.with_name("tiny.md").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "gmc", "mfn"], "`methods` must be one of 'mvae', 'mmvae', 'nexus', 'muse', 'mfm'"),
        (["--methods", "gmc", "mfn"], "got 'mfn'. Did you mean 'mfm'?"),
        (["--methods", "gmc", "mfm", "gmc"], "`methods` names a method twice: gmc mfm gmc."),
        (
            ["--data", "mosei-offline", "--methods", "muse"],
            "`methods` must be one of 'baseline', 'dropout', 'gmc', 'gram'; got 'muse'",
        ),
        (["--seeds", "0"], "`seeds` must be at least 1; got 0."),
        (["--jobs", "0"], "`jobs` must be at least 1; got 0."),
        (["--data", "mhd-ofline"], "got 'mhd-ofline'. Did you mean 'mhd-offline'?"),
        (["--data", "generic"], "`data` must be one of 'digits', 'digits-speakers'"),
        (["--train", "5"], "`train` must be at least 20 samples; got 5."),
        (["--epochs", "0"], "`epochs` must be at least 1"),
        (["--missing-rates", "0.5", "1.5"], "`missing_rates` must lie in [0, 1], got 1.5"),
        (["--resume"], "`--resume` found no unfinished run"),
        (["--data", "mhd", "--folder", "nowhere"], "anysense data mhd"),
        ([], "does not exist. `anysense data digits` fetches the published files; the data set mhd-offline needs no"),
        (["--folder", "my files"], "`anysense data digits --folder 'my files'` fetches"),
        (["--readme", "README.md"], "`readme` needs --docs: its file name is the name of the block"),
        (["--readme", "none.md", "--docs", "digits"], "`readme` none.md does not exist"),
        (["--data", "mosei", "--folder", "nowhere"], "has no file of CMU-MOSEI"),
    ],
)
def test_wrong_input_leaves_nothing(options, message, tmp_path, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused("classify", "--preset", "smoke", "--out", tmp_path, *options)
    assert not list(tmp_path.iterdir())


def test_methods_of_the_benchmark_come_in_its_order(tiny):
    assert benchmark("tiny") is tiny
    assert ClassifyCommand.of("smoke", "tiny").chosen() == ["gmc", "mvae"]
