import csv
import json

import pytest
from matplotlib.image import imread

from anysense.agents.results import load_results
from anysense.agents.summary import Row
from anysense.common.machine import describe_machine
from anysense.common.statistics import Estimate
from anysense.representations.registry import method_names
from anysense.runs.cli import main
from anysense.runs.commands.compare import CompareCommand, read
from anysense.runs.comparisons import compare_job
from anysense.runs.comparisons.compare_report import Compared, write_comparison
from anysense.runs.run_folder import RunFolder

TINY = ["--methods", "gmc,muse", "--samples", "200", "--steps", "300", "--episodes", "2", "--jobs", "1"]


def compare(out, *options):
    return main(["compare", "--preset", "smoke", "--out", str(out), *options])


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """An `out` folder with a run `a` that was killed when its second agent was to be evaluated."""
    out, evaluate, seen = tmp_path_factory.mktemp("out"), compare_job.evaluate_agent, []

    def second_is_killed(*args):
        seen.append(args)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return evaluate(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_job, "evaluate_agent", second_is_killed)
        assert compare(out, *TINY, "--name", "a") == 130
    assert [path.parent.name for path in out.glob("compare/a/jobs/*/result.json")] == ["gmc-0"]
    return out


@pytest.fixture(scope="module")
def compared(killed):
    """The same folder; the run went on, without training or evaluating again what was done."""
    first = killed / "compare" / "a" / "jobs" / "gmc-0" / "result.json"
    before = first.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anysense.agents.training.save_checkpoint", None)
        assert main(["compare", "--resume", "--out", str(killed), "--docs", str(killed / "docs" / "methods")]) == 0
    assert first.read_bytes() == before
    return killed


def test_presets_choose_values_and_options_override_them():
    assert read([]) == CompareCommand.of("default")
    assert read(["--preset", "smoke", "--steps", "70"]) == CompareCommand(
        preset="smoke", seeds=1, samples=300, epochs=1, steps=70, episodes=4
    )
    assert set(read([]).method_list()) == {"gmc", "gram", "mfm", "mvae", "mmvae", "muse", "nexus"}
    assert "transformer" not in method_names("pendulum")


def test_every_job_gets_the_same_budget():
    command = read(["--preset", "paper", "--samples", "70", "--epochs", "3", "--steps", "900", "--episodes", "5"])
    for method in command.method_list():
        job = command.job(method, 4, "cpu")
        assert (job.pretraining.method, job.pretraining.seed, job.training.seed) == (method, 4, 4)
        assert (job.pretraining.collection.samples, job.pretraining.training.epochs) == (70, 3)
        assert (job.training.algorithm, job.training.agent.total_steps, job.evaluation.episodes) == ("ddpg", 900, 5)
        assert job.starts_seed == 0


def test_table(compared, read_table):
    folder = compared / "compare" / "a"
    text = (folder / "results" / "report.md").read_text()
    table = read_table(text, "# Representations as modalities")
    assert list(table) == ["gmc", "muse", "optimal (true state)", "no torque", "random torque"]
    for method in ("gmc", "muse"):
        saved = load_results(folder / "jobs" / f"{method}-0" / "results")
        rows = {tuple(row["modalities"]): row for row in saved.summary if row["modalities"]}
        found = {name: f"{rows[tuple(name.split(' and '))]['average_reward']['value']:.3f}" for name in table[method]}
        assert table[method] == found
        assert list(found) == ["image and sound", "image", "sound"]
    assert set(read_table(text, "## Gap to the optimal")["optimal (true state)"].values()) == {"0.000"}
    assert read_table(text, "## Cost")["muse"]["latent size"] == "8"
    assert "the same 200 samples for 1 epoch and frozen" in text
    assert "2 episodes of 100 steps" in text


def test_files(compared):
    folder = compared / "compare" / "a"
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    with (folder / "results" / "report.csv").open(newline="") as file:
        assert [row["condition"] for row in csv.DictReader(file)][:4] == [
            "image and sound", "image", "sound", "optimal (true state)",
        ]  # fmt: skip
    assert [job["method"] for job in json.loads((folder / "results" / "report.json").read_text())["jobs"]] == [
        "gmc", "muse",
    ]  # fmt: skip
    assert imread(folder / "figures" / "average_reward.png").std() > 0
    assert sorted(path.name for path in (compared / "docs").iterdir()) == [
        "methods.csv", "methods.json", "methods.md", "methods.png",
    ]  # fmt: skip
    assert "](methods.png)" in (compared / "docs" / "methods.md").read_text()
    assert not (folder / "jobs" / "gmc-0" / "pretrain" / "checkpoints").exists()


def test_a_finished_run_is_not_done_again(compared, monkeypatch, capsys):
    monkeypatch.setattr(compare_job, "evaluate_agent", None)
    assert main(["compare", "--resume", "--name", "a", "--out", str(compared)]) == 0
    assert "2 of 2 jobs were done before" in capsys.readouterr().err


def row(name, modalities, value):
    estimate = Estimate(value, value, value)
    return Row(name, modalities, (), "", 2, 100, estimate, 0.0, estimate, Estimate(-0.5 - value, 0, 0), estimate)


def test_mean_and_interval_over_seeds(tmp_path, read_table):
    record = {"command_line": "anysense compare", "seed": 0, "started": "", "versions": {}}
    record |= {"settings": {"samples": 1, "epochs": 2, "steps": 3}, "machine": describe_machine()}
    references = (row("optimal", (), -0.5), row("zero", (), -6.0), row("random", (), -6.5))
    result = {"latent_dim": 8, "parameters": 1000, "pretraining_seconds": 60.0}
    cells = [
        Compared(
            "gmc", seed, (row("sac", ("image", "sound"), value), row("sac", ("sound",), -2.0), *references), result
        )
        for seed, value in ((0, -1.0), (1, -1.2))
    ]
    write_comparison(cells, RunFolder(tmp_path, record), None)
    text = (tmp_path / "results" / "report.md").read_text()
    table = read_table(text, "# Repr")
    assert table["gmc"] == {"image and sound": "-1.100 ± 1.271", "sound": "-2.000 ± 0.000"}  # t = 12.706
    assert table["no torque"] == {"image and sound": "-6.000", "sound": "-6.000"}
    assert "Mean over the seeds 0, 1 and half of the 95% t interval." in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "gmc,musee"], "got 'musee'. Did you mean 'muse'?"),
        (["--methods", "transformer"], "`methods` must be one of 'gmc'"),
        (["--methods", "gmc,gmc"], "`methods` names a method twice: gmc,gmc."),
        (["--seeds", "0"], "`seeds` must be at least 1; got 0."),
        (["--jobs", "0"], "`jobs` must be at least 1; got 0."),
        (["--episodes", "0"], "`episodes` must be at least 1; got 0."),
        (["--resume"], "`--resume` found no unfinished run"),
    ],
)
def test_bad_input(options, message, tmp_path, capsys):
    assert compare(tmp_path, *options) == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "compare").exists()


def test_resume_keeps_the_settings(compared, capsys):
    assert main(["compare", "--resume", "--name", "a", "--out", str(compared), "--steps", "70"]) == 2
    assert "(steps: 300 -> 70). Leave these options out" in capsys.readouterr().err
