"""`anysense tune` as it is typed: runs, reports, what is refused, kills, and what it found used elsewhere."""

import contextlib
import dataclasses
import json
import shutil
import sys

import pytest

pytest.importorskip("optuna")

from anysense.representations.benchmarks import BENCHMARKS
from anysense.representations.training.module import PretrainingModule
from anysense.runs.cli import main
from anysense.runs.commands import tune
from anysense.runs.commands.tune import read
from anysense.runs.comparisons import report as reports
from anysense.runs.comparisons.report import write_report
from anysense.runs.launching.local import Local
from anysense.runs.run_folder import RunFolder
from anysense.runs.tuning.on_data import TuneOnData
from anysense.runs.tuning.settings import given_subsets

TINY = ("--data", "tiny", "--preset", "smoke", "--jobs", "1")


def trials(run):
    """What every trial came to, by the name of its folder."""
    return {path.parent.name: json.loads(path.read_text()) for path in run.glob("jobs/*/result.json")}


def of_interest(found):
    return {name: {key: one[key] for key in ("values", "value", "records")} for name, one in found.items()}


@pytest.fixture
def plainly(monkeypatch):
    """Reports without figures and page, which take most of the time of a tiny search."""

    def write(report, run, docs=None, readme=None):
        write_report(dataclasses.replace(report, figures={}), run.results("report"))

    monkeypatch.setattr(reports, "write_run_report", write)


@pytest.fixture(scope="module")
def searched(tiny_benchmark, tmp_path_factory):
    """A finished search of two methods, named `a`."""
    out = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BENCHMARKS, "_registered", {"tiny": tiny_benchmark})
        space = ("--space", "default", "latent_dim=2..6", "gmc.batch_size=16,24")
        assert main(["tune", *TINY, "--trials", "2", *space, "--out", str(out), "--name", "a"]) == 0
    return out / "tune" / "a"


def test_run_folder_and_report(searched, tiny, read_table):
    found = trials(searched)
    assert sorted(found) == [f"{method}-{number}" for method in ("gmc", "mvae") for number in range(2)]
    assert {name for name, one in found.items() if one["values"] == {}} == {"gmc-0", "mvae-0"}
    assert set(found["gmc-1"]["values"]) == {"temperature", "learning_rate", "latent_dim", "batch_size"}
    for one in found.values():
        assert one["value"] == pytest.approx(sum(it["value"] for it in one["records"]) / 2)
        assert [it["subset"] for it in one["records"]] == ["left", "right"]
        assert one["samples"] == {"train": 48, "validation": 20}
        assert one["latent_dim"] == one["values"].get("latent_dim", 4)
    report = (searched / "results" / "report.md").read_text()
    best = max(found[f"gmc-{number}"]["value"] for number in range(2))
    row = read_table(report, "# Search on tiny")["gmc"]
    assert (row["best"], row["trials"], row["failed"]) == (f"{100 * best:.2f}", "2", "0")
    assert row["without a search"] == f"{100 * found['gmc-0']['value']:.2f}"
    assert read_table(report, "## All trials of mvae")["0"]["latent_dim"] == "4"
    assert {path.name for path in (searched / "figures").glob("*.png")} == {"history.png", "settings.png"}
    assert {path.suffix for path in (searched / "results").iterdir()} == {".md", ".csv", ".json", ".tex", ".html"}
    values = (searched / "results" / "report.csv").read_text().splitlines()
    assert len(values) == 1 + 4 * 2
    assert not list(searched.glob("jobs/*/checkpoints"))


def test_the_printed_command_does_what_the_trial_did(searched, tiny, tmp_path, read_table, plainly):
    table = read_table((searched / "results" / "report.md").read_text(), "## To use what was found")
    words = table["gmc"]["command"].split()[1:]
    assert words[:3] == ["classify", "--data", "tiny"]
    best = max((one for name, one in trials(searched).items() if "gmc" in name), key=lambda one: one["value"])
    assert [word for word in words if word.startswith("gmc.")] == [f"gmc.{k}={v}" for k, v in best["values"].items()]
    assert main([*words, "--seeds", "1", "--jobs", "1", "--out", str(tmp_path), "--name", "b"]) == 0
    again = (tmp_path / "classify" / "b" / "jobs" / "gmc-0").rglob("*.safetensors")
    kept = (searched / "jobs" / f"gmc-{best['number']}").rglob("*.safetensors")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in kept] != []
    report = (tmp_path / "classify" / "b" / "results" / "report.md").read_text()
    assert f"but `gmc.temperature={best['values'].get('temperature')}`" in report or not best["values"]


def test_report_of_a_finished_search_needs_no_optuna(searched, tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    write_report(dataclasses.replace(tune.report_of(RunFolder.open(searched)), figures={}), tmp_path / "report")
    for ending in ("csv", "tex"):
        assert (tmp_path / f"report.{ending}").read_bytes() == (searched / "results" / f"report.{ending}").read_bytes()


def test_a_search_that_was_cut_off_goes_on_and_grows(searched, tiny, tmp_path, monkeypatch, capsys, refused, plainly):
    step, steps = PretrainingModule.training_step, []

    def killed(self, batch, batch_idx):
        steps.append(batch_idx)
        if len(steps) == 3:  # in the second epoch
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    space = ("--space", "default", "latent_dim=2..6", "gmc.batch_size=16,24")
    with monkeypatch.context() as patch:
        patch.setattr(PretrainingModule, "training_step", killed)
        options = ["--trials", "1", "--methods", "gmc", *space, "--out", str(tmp_path), "--name", "a"]
        assert main(["tune", *TINY, *options]) == 130
    assert "to go on with it, type: anysense tune --resume --name a" in capsys.readouterr().err
    run = tmp_path / "tune" / "a"
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    again = ["tune", "--resume", "--name", "a", "--out", str(tmp_path), "--jobs", "1"]
    assert "(sampler: 'tpe' -> 'random')" in refused(*again, "--sampler", "random")
    assert main(again) == 0
    assert main([*again, "--trials", "2", "--methods", "gmc", "mvae"]) == 0
    assert of_interest(trials(run)) == of_interest(trials(searched))
    before = trials(run)
    assert main(again) == 0
    assert trials(run) == before
    assert "4 of 4 trials were done before" in capsys.readouterr().err


def test_a_second_driver_joins_and_finishes_what_the_first_one_does_not(tiny, tmp_path, monkeypatch, capsys, plainly):
    run = tmp_path / "tune" / "a"
    again = ["tune", "--resume", "--name", "a", "--out", str(tmp_path), "--jobs", "1"]
    usual, asked = Local._one_by_one, []

    def joined(self, jobs):
        """After its first trial the first driver waits for the second one, which meets nobody at the end."""
        ended = usual(self, jobs)
        yield next(ended)
        if asked:
            yield from ended
            return
        asked.append("more trials")
        assert main([*again, "--trials", "4"]) == 2
        monkeypatch.setattr(tune, "is_free", lambda lock: len(asked) > 1 or asked.append("joined"))
        monkeypatch.setattr(RunFolder, "working", contextlib.nullcontext)
        assert main(again) == 0
        asked.append("done")
        raise KeyboardInterrupt

    monkeypatch.setattr(Local, "_one_by_one", joined)
    options = ["--trials", "3", "--methods", "gmc", "--space", "temperature=0.1..1", "--out", str(tmp_path)]
    assert main(["tune", *TINY, *options, "--name", "a"]) == 130
    said = capsys.readouterr()
    assert "it can be joined as it is, and asked for more once it has ended" in said.err
    assert "is being worked on: joining in" in said.err
    assert len(trials(run)) == 3
    assert (run / "results" / "report.md").is_file()
    assert asked[-1] == "done"


def test_failed_trials_are_named_and_the_others_count(tiny, tmp_path, monkeypatch, read_table, plainly):
    options = ["--trials", "2", "--methods", "gmc", "--space", "latent_dim=4,6", "--out", str(tmp_path)]

    def broken(self, *arguments):
        raise FloatingPointError("the loss became nan")

    usual = TuneOnData.measured

    def measured(self, cell, given, folder):
        return broken(self) if given else usual(self, cell, given, folder)

    monkeypatch.setattr(TuneOnData, "measured", measured)
    assert main(["tune", *TINY, *options, "--name", "some"]) == 0
    report = (tmp_path / "tune" / "some" / "results" / "report.md").read_text()
    assert read_table(report, "# Search on tiny")["gmc"]["failed"] == "1"
    assert (
        read_table(report, "## Trials that failed")["gmc, trial 1"]["why"] == "FloatingPointError: the loss became nan"
    )
    monkeypatch.setattr(TuneOnData, "measured", broken)
    assert main(["tune", *TINY, *options, "--name", "none"]) == 1
    assert (tmp_path / "tune" / "none" / "results" / "report.md").is_file()


@pytest.mark.parametrize(
    "error",
    [MemoryError("no"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 5 PB"), RuntimeError("other")],
)
def test_a_trial_that_needs_too_much_memory_fails_alone(error, tiny, tmp_path, monkeypatch, capsys):
    usual = TuneOnData.measured

    def measured(self, cell, given, folder):
        if given:
            raise error
        return usual(self, cell, given, folder)

    monkeypatch.setattr(TuneOnData, "measured", measured)
    options = ["--trials", "2", "--methods", "gmc", "--space", "latent_dim=4,6", "--out", str(tmp_path)]
    assert main(["tune", *TINY, *options, "--name", "a"]) == ("other" in str(error))
    capsys.readouterr()
    found = tmp_path / "tune" / "a" / "jobs" / "gmc-1" / "result.json"
    assert found.exists() == ("other" not in str(error))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--space", "temprature=0.1..1"], "got 'temprature'. Did you mean 'temperature'?"),
        (["--space", "temperature=1..0.1"], "the lower end comes first"),
        (["--space", "temperature=0..1:log"], "must begin above 0"),
        (["--space", "latent_dim=0..8"], "`latent_dim` must be positive; got 0."),
        (["--trials", "0"], "`trials` must be at least 1; got 0."),
        (["--trials", "20000"], "`trials` must be at most 10000, got 20000."),
        (["--methods", "gmc", "mfn"], "`methods` must be one of"),
        (["--given", "both"], "given"),
        (["--score", "agent"], "`--score` is an option of --env NAME"),
        (["--missing-rates", "0.1"], "missing-rates"),
    ],
)
def test_wrong_input_leaves_nothing(options, message, tiny, tmp_path, refused):
    given = [*TINY, *(() if "--methods" in options else ("--methods", "gmc")), "--out", tmp_path / "out", *options]
    assert message in refused("tune", *given)
    assert not (tmp_path / "out").exists()


def test_without_optuna_nothing_begins(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["tune", *TINY, "--out", str(tmp_path / "out")]) == 2
    assert (
        "`anysense tune` needs optuna, which is not installed: pip install 'anysense[tune]'" in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_damaged_journals_and_those_of_others_are_refused(searched, tiny, tmp_path, capsys, plainly):
    shutil.copytree(searched, tmp_path / "tune" / "a")
    journal, again = tmp_path / "tune" / "a" / "journal.jsonl", ["tune", "--resume", "--name", "a", "--jobs", "1"]
    whole, before = journal.read_text(), trials(journal.parent)
    for text, message in {
        whole.replace('"study_name":"gmc"', '"study_name":"gcm"', 1): "holds another search: a study 'gcm'",
        whole[:200] + whole[230:]: "is damaged in line 2",
    }.items():
        journal.write_text(text)
        assert main([*again, "--out", str(tmp_path), "--trials", "4"]) in (1, 2)
        said = capsys.readouterr().err
        assert message in said
        assert "move it away, and go on: trials that were finished are then taken from their folders" in said
    assert "to go on with it, type: anysense tune --resume --name a" in said
    journal.unlink()
    assert main([*again, "--out", str(tmp_path)]) == 0
    assert {name: one for name, one in trials(journal.parent).items() if name in before} == before


def test_dry_run_lists_and_writes_nothing(searched, tiny, tmp_path, capsys):
    assert main(["tune", *TINY, "--dry-run", "--trials", "2", "--out", str(tmp_path / "out")]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "gmc: temperature 0.05..1:log 0.3" in text
    assert "gmc 0 0 2 mvae 0 0 2" in text
    assert not (tmp_path / "out").exists()
    again = ["tune", "--resume", "--name", "a", "--out", str(searched.parents[1]), "--dry-run", "--trials", "4"]
    assert main(again) == 0
    assert "gmc 2 0 2 mvae 2 0 2" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_settings_of_a_search_in_a_world(refused):
    options = ["--env", "anysense/MultimodalPendulum-v0", "--methods", "gmc"]
    found = read([*options, "--score", "agent", "--space", "agent.gamma=0.9..0.99", "frame_widths=32,64"])
    assert [str(one) for one in found.spaces()["gmc"]] == ["agent.gamma=0.9..0.99", "frame_widths=32,64"]
    lines = found.commands({"gmc": {"agent.gamma": 0.95, "frame_widths": 32, "learning_rate": 0.001}})
    assert lines[0].startswith("anysense pretrain --method gmc --env anysense/MultimodalPendulum-v0 --samples 10000")
    assert " && " not in lines[0]
    assert "--frame-widths 32 32" in lines[0]
    assert lines[1] == "anysense train --algorithm sac --total-steps 25000 --gamma 0.95"
    both = read([*options, "mvae"]).commands({"gmc": {"temperature": 0.2}, "mvae": {}})
    assert both[0].endswith("--methods gmc mvae --method-option gmc.temperature=0.2")
    assert "has an effect with --score agent only" in refused("tune", *options, "--steps", "77")
    message = refused("tune", *options, "--space", "agent.gamma=0.9..0.99", "--dry-run")
    assert "settings of agents are searched with --score agent" in message


def test_scores_by_what_is_given():
    names = ("image", "sound", "label")
    assert given_subsets(names, "single", "label") == [("image",), ("sound",)]
    assert given_subsets(names, "subsets", "label") == [("image", "sound"), ("image",), ("sound",)]
    assert given_subsets(names, "complete", "label") == [names]
    assert given_subsets(("a",), "single", None) == [("a",)]


def test_a_search_in_a_world(tmp_path, read_table, plainly):
    world = ["--env", "anysense/MultimodalPendulum-v0", "--preset", "smoke", "--samples", "64", "--jobs", "1"]
    options = ["--methods", "gmc", "--trials", "1", "--space", "frame_dim=8,16", "--out", str(tmp_path)]
    assert main(["tune", *world, *options, "--name", "probe"]) == 0
    found = trials(tmp_path / "tune" / "probe")
    assert {record["subset"] for record in found["gmc-0"]["records"]} == {"complete", "image", "sound"}
    single = [record["value"] for record in found["gmc-0"]["records"] if record["subset"] != "complete"]
    assert found["gmc-0"]["value"] == pytest.approx(sum(single) / 2)
    agent = ["--score", "agent", "--steps", "48", "--episodes", "2", "--given", "complete"]
    assert main(["tune", *world, *options, *agent, "--name", "agent"]) == 0
    report = (tmp_path / "tune" / "agent" / "results" / "report.md").read_text()
    (one,) = trials(tmp_path / "tune" / "agent").values()
    assert read_table(report, "# Search on")["gmc"]["best"] == f"{one['value']:.3f}"
    assert RunFolder.open(tmp_path / "tune" / "agent").status == "finished"
