"""Comparisons that grow: only what a report does not hold is run, and what does not fit is refused."""

import json
import shutil
from pathlib import Path

import pytest

from anysense.representations.benchmarks import BENCHMARKS
from anysense.representations.data import Samples
from anysense.runs.cli import main
from anysense.runs.commands.classify import read as read_command


def classify(out, *options):
    return main(
        ["classify", "--preset", "smoke", "--data", "tiny", "--jobs", "1", "--out", str(out), *map(str, options)]
    )


def read(path):
    return json.loads(path.read_text())


def values(path):
    """Values by job and place."""
    return {
        (one["method"], one["seed"], one["subset"], one["condition"], one["metric"]): one["value"]
        for one in read(path)["records"]
    }


@pytest.fixture(scope="module", autouse=True)
def known(tiny_benchmark):
    """The benchmark `tiny` is known; figures, which take long, are left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BENCHMARKS, "_registered", {"tiny": tiny_benchmark})
        patch.setattr("anysense.runs.comparisons.report.write_figure", lambda draw, path: None)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An `out` folder with a comparison of one job, and with one of two methods and two seeds."""
    out = tmp_path_factory.mktemp("made")
    assert classify(out, "--methods", "gmc", "--seeds", "1", "--name", "one", "--docs", out / "one") == 0
    assert classify(out, "--methods", "gmc", "mvae", "--seeds", "2", "--name", "whole", "--docs", out / "whole") == 0
    return out


@pytest.fixture
def first(made, tmp_path):
    """A copy of the report with one job: the method gmc, seed 0."""
    return Path(shutil.copy(made / "one.json", tmp_path / "one.json"))


def test_only_what_is_missing_is_run_and_all_is_reported(made, first, tmp_path, read_table):
    wanted = ["--methods", "gmc", "mvae", "--seeds", "2", "--extend", first, "--docs", tmp_path / "grown"]
    assert classify(tmp_path, *wanted, "--name", "b") == 0
    run, grown = tmp_path / "classify" / "b", tmp_path / "grown.json"
    assert sorted(path.name for path in (run / "jobs").iterdir()) == ["gmc-1", "mvae-0", "mvae-1"]
    assert list(values(grown)) == list(values(made / "whole.json"))
    assert values(grown) == values(made / "whole.json")
    found, runs = read(grown), [read(made / "classify" / "one" / "run.json"), read(run / "run.json")]
    assert [one["started"] for one in found["runs"]] == [run["started"] for run in runs]
    places = {(job["method"], job["seed"]): job["runs"] for job in found["details"]["jobs"]}
    assert places == {("gmc", 0): [0], ("mvae", 0): [1], ("gmc", 1): [1], ("mvae", 1): [1]}
    assert {job["settings"]["method"]["latent_dim"] for job in found["details"]["jobs"]} == {4}
    text = grown.with_suffix(".md").read_text()
    assert list(read_table(text, "# tiny")) == ["gmc", "mvae"]
    assert all(run["command_line"] in text for run in runs)


def test_nothing_is_read_or_run_where_nothing_is_missing(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Samples, "__init__", None)
    monkeypatch.setattr("anysense.runs.comparisons.more_seeds.FEWEST_SEEDS", 2)
    wanted = ["--methods", "gmc", "mvae", "--seeds", "2", "--extend", made / "whole.json"]
    assert classify(tmp_path, *wanted, "--docs", tmp_path / "whole") == 0
    for ending in ("json", "csv", "tex", "md"):
        assert (tmp_path / f"whole.{ending}").read_bytes() == (made / f"whole.{ending}").read_bytes()
    said = capsys.readouterr().out
    assert "anysense align" not in said  # nothing was trained here
    assert "More seeds: anysense classify --resume" in said


def test_the_table_with_its_protocol_goes_into_a_document(made, tmp_path, read_table, refused):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- whole:begin -->\nold\n<!-- whole:end -->\nafter\n")
    wanted = ["--seeds", "2", "--extend", made / "whole.json", "--docs", tmp_path / "docs" / "whole"]
    assert classify(tmp_path, *wanted, "--readme", readme) == 0
    text = readme.read_text()
    assert text.startswith("before\n<!-- whole:begin -->\n| method | complete |")
    assert text.endswith("\n<!-- whole:end -->\nafter\n")
    assert "old" not in text
    assert read_table(text, "before") == read_table((made / "whole.md").read_text(), "# tiny")
    assert "- Seeds: Mean over the seeds 0, 1" in text
    assert "- Splits: tiny (example) (data_seed 0): 48 to train on, 20 for validation, 30 to test on." in text
    assert "[docs/whole.md](docs/whole.md)" in text
    command = [
        "classify",
        "--preset",
        "smoke",
        "--data",
        "tiny",
        "--out",
        tmp_path / "new",
        *wanted,
        "--readme",
        readme,
    ]
    command[command.index(wanted[-1])] = tmp_path / "docs" / "other"
    assert "needs the lines <!-- other:begin --> and <!-- other:end -->" in refused(*command)


def test_reports_of_several_machines_become_one(made, first, tmp_path):
    content, other = read(made / "whole.json"), tmp_path / "other.json"
    content["runs"][0]["machine"]["cpu"] = "Another Processor"
    for record in content["records"]:
        record["value"] /= 2
    other.write_text(json.dumps(content))
    assert classify(tmp_path, "--seeds", "2", "--extend", first, other, "--name", "c") == 0
    report = tmp_path / "classify" / "c" / "results" / "report.json"
    assert values(report) == {**values(other), **values(first)}
    assert values(report) != {**values(first), **values(other)}
    assert "; Another Processor, " in report.with_suffix(".md").read_text()


def test_jobs_in_several_files_are_said_once(made, first, tmp_path, capsys):
    assert classify(tmp_path, "--seeds", "2", "--extend", first, made / "whole.json", "--name", "c") == 0
    assert capsys.readouterr().err.count("In several files, taken from the first: gmc, seed 0\n") == 1


def test_a_method_that_is_run_again_keeps_its_column(made, tmp_path, monkeypatch):
    results = {(job["method"], job["seed"]): job for job in read(made / "whole.json")["details"]["jobs"]}
    own = [one for one in read(made / "whole.json")["records"] if one["method"] == "gmc"]

    def again(cell, folder):
        return {"records": [one for one in own if one["seed"] == cell.seed]}

    monkeypatch.setattr("anysense.runs.commands.classify.classify_one", again)
    wanted = ["--methods", "mvae", "gmc", "--seeds", "2", "--extend", made / "whole.json", "--again", "gmc"]
    assert classify(tmp_path, *wanted, "--name", "c") == 0
    report = read(tmp_path / "classify" / "c" / "results" / "report.json")
    assert [(job["method"], job["seed"]) for job in report["details"]["jobs"]] == list(results)


def test_a_killed_run_that_extends_goes_on(first, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("anysense.runs.comparisons.grid.peak_memory", lambda: 1 / 0)
        assert classify(tmp_path, "--seeds", "1", "--extend", first, "--name", "b") == 1
    moved = first.rename(tmp_path / "moved.json")
    resumed = ["classify", "--resume", "--out", str(tmp_path), "--jobs", "1"]
    assert main(resumed) == 2
    assert main([*resumed, "--extend", str(moved)]) == 0
    jobs = read(tmp_path / "classify" / "b" / "results" / "report.json")["details"]["jobs"]
    assert [job["method"] for job in jobs] == ["gmc", "mvae"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "3"], "(training.epochs: 2 -> 3). Ask for the same settings, or start a new comparison."),
        (["--train", "60"], "(request.train: None -> 60)"),
        (["--data-seed", "1"], "(request.data_seed: 0 -> 1)"),
        (["--missing-rates", "0.1"], "(evaluation.missing_rates: [0.0, 0.5] -> [0.1])"),
        (["--again", "gmx"], "`again` must be one of 'gmc'; got 'gmx'. Did you mean 'gmc'?"),
        (["--methods", "gmx"], "`methods` must be one of"),
    ],
)
def test_other_settings_are_refused(options, message, first, tmp_path, refused):
    out = tmp_path / "new"
    command = ["classify", "--preset", "smoke", "--data", "tiny", "--out", out, "--extend", first]
    assert message in refused(*command, *options)
    assert not out.exists()


def rename(content):
    for one in (*content["records"], *content["details"]["jobs"]):
        one["method"] = "gmx"


ABSURD = {
    "an absurd value": lambda content: content["records"][0].update(value=1e9),
    "an absurd interval": lambda content: content["records"][0].update(low=-3.0, high=0.5),
    "NaN": lambda content: content["records"][0].update(value=float("nan")),
    "a negative count": lambda content: content["details"]["jobs"][0].update(parameters=-1),
    "an unknown method": rename,
}


def altered(content, change):
    if change in ABSURD:
        ABSURD[change](content)
    elif change == "another method":
        content["details"]["jobs"][0]["settings"]["method"]["latent_dim"] = 5
    elif change == "another command":
        content["runs"][0]["command"] = "retrieve"
    elif change == "a run that is not there":
        content["details"]["jobs"][0]["runs"] = [7]
    elif change == "a job without values":
        content["records"] = [one for one in content["records"] if one["method"] != "gmc"]
    elif change == "fewer values":
        del content["records"][0]
    elif change == "costs in words":
        content["details"]["jobs"][0]["training_minutes"] = "long"
    elif change == "no records":
        del content["records"]
    elif change == "no numbers":
        content["records"][0]["value"] = "high"
    return json.dumps(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "an absurd value",
            "`records[0].value` (accuracy of gmc, seed 0, complete) must be from 0 to 1; got 1000000000",
        ),
        ("an absurd interval", "`records[0].low` (accuracy of gmc, seed 0, complete) must be from 0 to 1; got -3.0"),
        ("a negative count", "`jobs[0].parameters` (gmc, seed 0) must be at least 0; got -1"),
        ("an unknown method", "holds jobs of another method: `method` must be one of 'gmc', 'mvae'"),
        ("NaN", "NaN is no number of JSON"),
        ("another method", "(method.latent_dim: 5 -> 4). Ask for the same ones with --method-option, or `--again gmc`"),
        ("another command", "is a report of `anysense retrieve`, expected one of `anysense classify`"),
        ("a run that is not there", "a job names a run that the file does not hold"),
        ("a job without values", "is damaged: it holds 0 values of gmc, seed 0; expected"),
        ("fewer values", "is damaged: it holds"),
        ("costs in words", "`details.jobs[0].training_minutes` must be a finite number; got 'long'"),
        ("no records", "the content lacks ['records']"),
        ("no numbers", "`records[0].value` must be a finite number; got 'high'"),
    ],
)
def test_other_files_are_refused(change, message, first, tmp_path, refused):
    first.write_text(altered(read(first), change))
    out = tmp_path / "new"
    command = ["classify", "--preset", "smoke", "--data", "tiny", "--out", out, "--extend"]
    error = refused(*command, first)
    assert message in error
    assert str(first) in error
    assert "expected the JSON file of a report, as --docs writes it" in refused(*command, tmp_path / "nothing.json")
    assert not out.exists()


def test_a_method_is_run_again_where_that_is_asked_for(first, tmp_path):
    first.write_text(altered(read(first), "another method"))
    before, folder = values(first), tmp_path / "classify" / "b"
    wanted = ["--methods", "gmc", "--seeds", "1", "--extend", first, "--again", "gmc", "--name", "b"]
    assert classify(tmp_path, *wanted) == 0
    assert values(folder / "results" / "report.json") == before
    assert (folder / "jobs" / "gmc-0" / "result.json").is_file()
    (run,) = read(folder / "results" / "report.json")["runs"]
    assert run["started"] == read(folder / "run.json")["started"]


def test_options_of_methods_that_only_the_file_holds_are_those_of_its_jobs(tmp_path, refused):
    changed = ["--method-option", "gmc.latent_dim=5"]
    assert classify(tmp_path, "--methods", "gmc", "--seeds", "1", *changed, "--docs", tmp_path / "first") == 0
    wanted = ["--methods", "mvae", "--seeds", "1", "--extend", tmp_path / "first.json"]
    command = ["classify", "--preset", "smoke", "--data", "tiny", "--out", tmp_path]
    assert "(method.latent_dim: 5 -> 4)" in refused(*command, *wanted)
    assert classify(tmp_path, *wanted, *changed, "--docs", tmp_path / "grown") == 0
    before, grown = values(tmp_path / "first.json"), values(tmp_path / "grown.json")
    assert {key[0] for key in grown} == {"gmc", "mvae"}
    assert before == {key: value for key, value in grown.items() if key[0] == "gmc"}
    assert "`gmc.latent_dim=5`" in (tmp_path / "grown.md").read_text()
    message = "`method-option` must be one of 'mvae', 'gmc'; got 'nexus'"
    assert message in refused(*command, *wanted, "--method-option", "nexus.latent_dim=5")
    settings = read_command(["--preset", "smoke", "--data", "tiny", *map(str, wanted), *changed])
    (tmp_path / "first.json").unlink()  # as on another machine, where a job is done
    assert settings.parts("gmc")["method"].latent_dim == 5


def test_a_setting_of_a_later_version_has_its_usual_value(first, tmp_path, refused):
    content = read(first)
    del content["runs"][0]["settings"]["training"]["keep"]
    first.write_text(json.dumps(content))
    wanted = ["--methods", "gmc", "--seeds", "1", "--extend", first]
    assert classify(tmp_path, *wanted) == 0
    message = refused("classify", "--preset", "smoke", "--data", "tiny", "--out", tmp_path, *wanted, "--keep", "last")
    assert "(training.keep: 'best' -> 'last')" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--again", "gmc"], "`again` needs --extend"),
        (["--docs", ""], "`docs` is empty; expected the name of a file"),
        (["--docs", "/proc/x/report"], "Cannot write `/proc/x`"),
    ],
)
def test_what_cannot_be_reported_is_refused_before_the_work(options, message, tmp_path, refused):
    command = ["classify", "--preset", "smoke", "--data", "tiny", "--out", tmp_path / "new"]
    assert message in refused(*command, *options)
    assert not (tmp_path / "new").exists()


def test_a_finished_run_gets_more_seeds_and_methods(made, tmp_path, capsys):
    run = Path(shutil.copytree(made / "classify" / "one", tmp_path / "classify" / "one"))
    first, record = run / "jobs" / "gmc-0" / "result.json", (run / "run.json").read_bytes()
    before = first.read_bytes(), first.stat().st_mtime_ns
    more = ["classify", "--resume", "--name", "one", "--out", str(tmp_path), "--jobs", "1", "--seeds", "2"]
    more += ["--methods", "gmc", "mvae"]
    assert main([*more, "--dry-run"]) == 0
    listed = [line.split("│")[1:3] for line in capsys.readouterr().out.splitlines() if "seed" in line]
    assert [[cell.strip() for cell in line] for line in listed] == [
        ["gmc, seed 0", "done"],
        ["mvae, seed 0", "would run"],
        ["gmc, seed 1", "would run"],
        ["mvae, seed 1", "would run"],
    ]
    assert (run / "run.json").read_bytes() == record
    assert main(more) == 0
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    assert values(run / "results" / "report.json") == values(made / "whole.json")
    grown = read(run / "run.json")
    assert (grown["settings"]["seeds"], grown["settings"]["methods"]) == (2, ["gmc", "mvae"])
    assert grown["command_line"].endswith("--seeds 2 --methods gmc mvae")
    assert main(["classify", "--resume", "--name", "one", "--out", str(tmp_path), "--seeds", "1"]) == 2
    assert "(seeds: 2 -> 1)" in capsys.readouterr().err


def test_a_dry_run_of_a_new_comparison_writes_nothing(tmp_path, first, capsys):
    out = tmp_path / "out"
    assert classify(out, "--methods", "gmc", "mvae", "--seeds", "1", "--extend", first, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "done, in a file of --extend" in said
    assert said.count("would run") == 1
    assert not out.exists()
