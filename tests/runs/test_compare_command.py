import csv
import json
import shutil

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import t

from anysense.agents.results import load_results
from anysense.common.machine import describe_machine
from anysense.representations.evaluation.records import Record
from anysense.runs.cli import main
from anysense.runs.commands import compare as module
from anysense.runs.commands import stages
from anysense.runs.commands.compare import CompareCommand, read
from anysense.runs.comparisons.compare_report import compare_report
from anysense.runs.comparisons.done import Done
from anysense.runs.run_folder import RunFolder

TINY = ["--methods", "gmc", "muse", "--samples", "200", "--steps", "300", "--episodes", "2", "--jobs", "1"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """An `out` folder with a run `a` that was killed when its second agent was to be evaluated."""
    out, evaluate, seen = tmp_path_factory.mktemp("out"), stages.evaluate_agent, []

    def second_is_killed(*args):
        seen.append(args)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return evaluate(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "evaluate_agent", second_is_killed)
        assert main(["compare", "--preset", "smoke", "--out", str(out), *TINY, "--name", "a"]) == 130
    assert [path.parent.name for path in out.glob("compare/a/jobs/*/result.json")] == ["gmc-0"]
    return out


@pytest.fixture(scope="module")
def compared(killed):
    """The same folder; the run went on, without training or evaluating again what was done."""
    first = killed / "compare" / "a" / "jobs" / "gmc-0" / "result.json"
    before = first.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anysense.agents.training.write_checkpoint", None)
        assert main(["compare", "--resume", "--out", str(killed), "--docs", str(killed / "docs" / "methods")]) == 0
    assert first.read_bytes() == before
    return killed


def test_presets_choose_values_and_options_override_them():
    assert read([]) == CompareCommand.of("default")
    assert read(["--preset", "smoke", "--steps", "70"]) == CompareCommand(
        preset="smoke", seeds=1, samples=300, epochs=1, steps=70, episodes=4
    )
    assert set(read([]).chosen()) == {"gmc", "gram", "mfm", "mvae", "mmvae", "muse", "nexus"}


def test_every_job_gets_the_same_budget():
    command = read(["--preset", "paper", "--samples", "70", "--epochs", "3", "--steps", "900", "--episodes", "5"])
    for method in command.chosen():
        job = command.stages(method, 4, "cpu", 1)
        assert (job.pretraining.method, job.pretraining.seed, job.training.seed) == (method, 4, 4)
        assert (job.pretraining.collection.samples, job.pretraining.training.epochs) == (70, 3)
        assert (job.training.algorithm, job.training.agent.total_steps, job.evaluation.episodes) == ("ddpg", 900, 5)
        assert job.episodes_seed == 0


def test_table_shows_what_the_evaluations_found(compared, read_table):
    folder = compared / "compare" / "a"
    text = (folder / "results" / "report.md").read_text()
    table = read_table(text, "# Representations of an agent")
    assert list(table) == ["gmc", "muse", "optimal (true state)", "no torque", "random torque"]
    for method in ("gmc", "muse"):
        saved = load_results(folder / "jobs" / f"{method}-0" / "results")
        means = {result.modalities: result.average_reward.mean() for result in saved.results if result.modalities}
        subsets = {"complete": ("image", "sound"), "image": ("image",), "sound": ("sound",)}
        assert table[method].keys() == subsets.keys()
        for name, modalities in subsets.items():
            assert table[method][name].startswith(f"{means[modalities]:.3f} ± ")
    assert set(read_table(text, "## Gap to the optimum")["optimal (true state)"].values()) == {"0.000"}
    assert read_table(text, "## Cost")["muse"]["latent size"] == "8"
    assert "± is half of the 95% bootstrap interval over episodes" in text
    assert "the same 200 samples of anysense/MultimodalPendulum-v0 (those of its seed), all modalities present" in text
    assert "- Filled with: nothing, it is left out" in text
    assert "drawn with the seed 0, the same for all, references included." in text


def test_files(compared):
    folder = compared / "compare" / "a"
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    with (folder / "results" / "report.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "average_reward"]
    assert [(row["method"], row["subset"]) for row in rows] == [
        ("gmc", "complete"), ("gmc", "image"), ("gmc", "sound"), ("optimal", ""), ("zero", ""), ("random", ""),
        ("muse", "complete"), ("muse", "image"), ("muse", "sound"),
    ]  # fmt: skip
    details = json.loads((folder / "results" / "report.json").read_text())["details"]
    assert [job["method"] for job in details["jobs"]] == ["gmc", "muse"]
    assert imread(folder / "figures" / "score.png").std() > 0
    assert sorted(path.name for path in (compared / "docs").iterdir()) == [
        "methods-score.pdf", "methods-score.png", "methods-score.svg",
        "methods.csv", "methods.json", "methods.md", "methods.tex",
    ]  # fmt: skip
    assert "](methods-score.png)" in (compared / "docs" / "methods.md").read_text()
    assert not (folder / "jobs" / "gmc-0" / "pretrain" / "checkpoints").exists()


def test_a_finished_run_is_not_done_again_and_keeps_its_settings(compared, monkeypatch, capsys, refused):
    monkeypatch.setattr(stages, "evaluate_agent", None)
    assert main(["compare", "--resume", "--name", "a", "--out", str(compared)]) == 0
    assert "2 of 2 jobs were done before" in capsys.readouterr().err
    message = refused("compare", "--resume", "--name", "a", "--out", compared, "--steps", "70")
    assert "(steps: 300 -> 70). Leave these options out" in message


def test_a_report_that_holds_all_jobs_is_written_again_without_running_one(compared, monkeypatch, refused):
    docs = compared / "docs" / "methods.json"
    monkeypatch.setattr(module, "run_stages", None)
    monkeypatch.setattr("anysense.runs.comparisons.report.write_figure", lambda draw, path: None)
    options = ["compare", "--preset", "smoke", "--out", str(compared), *TINY, "--extend", str(docs), "--name", "again"]
    assert main(options) == 0
    for ending in ("json", "csv", "tex"):
        again = compared / "compare" / "again" / "results" / f"report.{ending}"
        assert again.read_bytes() == docs.with_suffix(f".{ending}").read_bytes()
    options[-1] = "other"
    assert "(seed: 0 -> 1; steps: 300 -> 70)" in refused(*options, "--seed", "1", "--steps", "70")
    content = json.loads(docs.read_text())
    agent = content["details"]["jobs"][1]["settings"]["agent"]
    del agent["weight_average"]  # as in a file of a version without this setting
    options[options.index(str(docs))] = str(compared / "older.json")
    (compared / "older.json").write_text(json.dumps(content))
    options[-1] = "grown"
    assert main(options) == 0
    agent["weight_average"] = 0.9
    (compared / "older.json").write_text(json.dumps(content))
    options[-1] = "refused"
    assert "(agent.weight_average: 0.9 -> 0.0)" in refused(*options)
    del agent["weight_average"]
    options[options.index(str(compared / "older.json"))] = str(docs)
    agent["learning_rate"] = 7.0
    options[options.index(str(docs))] = str(compared / "altered.json")
    (compared / "altered.json").write_text(json.dumps(content))
    message = refused(*options)
    assert "holds jobs of `muse` with other settings than this run has for it" in message
    assert "(agent.learning_rate: 7.0 -> " in message


def test_mean_and_interval_over_seeds(tmp_path, read_table):
    references = [Record("", "average_reward", value, method=name) for name, value in (("optimal", -0.5), ("zero", -6))]
    values = (-1.0, -1.2, -0.9)

    def job(seed):
        records = [Record("complete", "average_reward", values[seed], low=-2.0, high=0.0, method="agent")]
        records += [Record("sound", "average_reward", -2.0, method="agent"), *references]
        result = {"latent_dim": 8, "parameters": 1000, "pretraining_minutes": 1.0}
        return Done("gmc", seed, {"records": [record.to_json() for record in records], **result}, [])

    record = {"command": "compare", "command_line": "anysense compare", "seed": 0, "machine": describe_machine()}
    settings = read([])
    stages = settings.stages("gmc", 0, "cpu", None)
    report = compare_report([job(seed) for seed in range(3)], settings, stages, RunFolder(tmp_path, record))
    assert report.about.startswith("trained with all modalities by sac for 25000 steps on a frozen representation")
    rows = {row[0]: row[1:] for row in report.main.rows}
    half = t.ppf(0.975, 2) * np.std(values, ddof=1) / np.sqrt(3)
    assert rows["gmc"] == (f"{np.mean(values):.3f} ± {half:.3f}", "-2.000 ± 0.000")
    assert rows["no torque"] == ("-6.000", "-6.000")
    assert report.protocol.seeds == "Mean over the seeds 0, 1, 2 and half of the 95% t interval."
    assert [one.method for one in report.records].count("optimal") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "gmc", "musee"], "got 'musee'. Did you mean 'muse'?"),
        (["--methods", "transformer"], "`methods` must be one of 'gmc'"),
        (["--methods", "gmc", "gmc"], "`methods` names a method twice: gmc gmc."),
        (["--seeds", "0"], "`seeds` must be at least 1; got 0."),
        (["--jobs", "0"], "`jobs` must be at least 1; got 0."),
        (["--episodes", "0"], "`episodes` must be at least 1; got 0."),
        (["--env-option", "physics=newton"], "newton"),
        (["--resume"], "`--resume` found no unfinished run"),
    ],
)
def test_wrong_input_leaves_nothing(options, message, tmp_path, refused):
    assert message in refused("compare", "--preset", "smoke", "--out", tmp_path, *options)
    assert not list(tmp_path.iterdir())


def test_a_record_does_not_decide_where_files_go(compared, tmp_path, refused):
    run = shutil.copytree(compared / "compare" / "a", tmp_path / "out" / "compare" / "a") / "run.json"
    elsewhere = tmp_path / "elsewhere"
    record = json.loads(run.read_text())
    hostile = ["--docs", str(elsewhere / "report"), "--out", str(elsewhere), "--name", "../b"]
    run.write_text(json.dumps(record | {"arguments": [*record["arguments"], *hostile]}))
    again = ["--resume", "--name", "a", "--out", str(tmp_path / "out")]
    assert main(["compare", *again]) == 0
    assert not elsewhere.exists()
    run.write_text(json.dumps(record | {"arguments": [*record["arguments"], "--env", "evil:Name-v0"]}))
    assert "give it again: --resume --env evil:Name-v0" in refused("compare", *again)
    run.write_text(json.dumps(record))
    elsewhere.mkdir()
    shutil.rmtree(run.parent / "figures")
    (run.parent / "figures").symlink_to(elsewhere)
    assert "figures` is a link out of the run folder; remove it" in refused("compare", *again)
    assert not list(elsewhere.iterdir())
