import csv
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from scipy.stats import t

from anysense.agents.results import load_results, save_results
from anysense.envs.pendulum.world import PendulumOptions
from anysense.envs.world import world
from anysense.runs.cli import main
from anysense.runs.comparisons.blocks import markers
from anysense.runs.comparisons.evaluate_report import options_in_words
from anysense.runs.next_steps import page_line
from anysense.runs.run_folder import RunFolder, plain
from tests.page_examples import films


@pytest.fixture
def three_seeds(evaluated, tmp_path):
    """The evaluation of the tiny agent, and copies of it that claim other seeds and are a little better."""
    folders = [tmp_path / name for name in "abc"]
    for seed, folder in enumerate(folders):
        shutil.copytree(evaluated / "evaluate" / "a", folder)
        saved = load_results(folder / "results")
        saved.details["facts"]["seed"] = seed
        better = [
            dataclasses.replace(record, value=record.value + 0.1 * seed**2) if record.subset else record
            for record in saved.records
        ]
        save_results(folder / "results", saved.results, better, saved.details)
    return folders


def value(folder, metric="average_reward"):
    return next(record for record in load_results(folder / "results").records if record.metric == metric)


def test_report_of_three_seeds(three_seeds, tmp_path, capsys, read_table):
    readme = tmp_path / "README.md"
    begin, end = markers("pendulum")
    readme.write_text(f"# x\n{begin}\nold\n{end}\nend\n")
    docs = ["--out", str(tmp_path / "docs"), "--name", "pendulum", "--readme", str(readme)]
    assert main(["report", *map(str, three_seeds), *docs]) == 0
    values = [value(folder).value for folder in three_seeds]
    mean, half = np.mean(values), t.ppf(0.975, 2) * np.std(values, ddof=1) / np.sqrt(3)
    cell = f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"
    text = (tmp_path / "docs" / "pendulum.md").read_text()
    for document in (text, readme.read_text()):
        assert read_table(document, "| input |")["complete (image and sound)"]["average reward per step"] == cell
    assert cell in capsys.readouterr().out
    assert readme.read_text().startswith(f"# x\n{begin}\n| input |")
    assert readme.read_text().endswith(f"{end}\nend\n")
    assert "[docs/pendulum.md](docs/pendulum.md)" in readme.read_text()
    assert "- Seeds: training seeds 0, 1, 2; in brackets 95% t intervals over seeds" in text
    assert "- Splits: 8 episodes of at most 100 steps per row" in text
    assert "while it was trained, none missing of image, sound." in text
    assert "- Filled with: nothing, it is left out before anything is encoded." in readme.read_text()
    assert text.count("anysense pretrain --preset smoke") == 3
    assert "trained with image and sound by sac for 1200 steps (seeds 0, 1, 2) on a frozen gmc representation" in text
    single = read_table(text, "## Average reward per step of each seed")["complete"]
    assert [cell.split(" ")[0] for cell in single.values()] == [f"{one:.3f}" for one in values]
    with (tmp_path / "docs" / "pendulum.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "average_reward" and not row["condition"]]
    assert [float(row["value"]) for row in rows if row["subset"] == "complete"] == values
    assert [row["method"] for row in rows if not row["subset"]] == ["optimal", "zero", "random"]
    for name in ("pendulum-learning-curves.png", "pendulum-score.png", "pendulum-score.svg", "pendulum.tex"):
        assert (tmp_path / "docs" / name).is_file()
    content = json.loads((tmp_path / "docs" / "pendulum.json").read_text())
    assert [run["command"] for run in content["runs"]] == ["pretrain", "train", "evaluate"] * 3
    assert content["details"]["curves"]["seed 2"]["steps"] == [600.0, 1200.0]


def test_options_that_differ_from_the_usual_ones_are_named_as_they_are_typed():
    usual = plain(PendulumOptions())
    assert options_in_words(world(options=usual)) == "with the usual options"
    told = options_in_words(world(options={**usual, "sound": "mel", "receivers": ["middle_top", "left_bottom"]}))
    assert told == "with receivers=middle_top,left_bottom sound=mel, else the usual options"
    cart = world("CartPole-v1", {"sutton_barto_reward": True})
    assert options_in_words(cart) == "with sutton_barto_reward=true, else the usual options"


def test_report_of_one_seed_keeps_the_intervals_over_episodes(three_seeds, tmp_path, read_table):
    assert main(["report", str(three_seeds[0]), "--out", str(tmp_path / "docs"), "--name", "one"]) == 0
    row, text = value(three_seeds[0]), (tmp_path / "docs" / "one.md").read_text()
    cell = read_table(text, "| input |")["complete (image and sound)"]["average reward per step"]
    assert cell == f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
    assert "in brackets 95% bootstrap intervals over episodes" in text


def test_report_of_two_seeds_gives_no_interval(three_seeds, tmp_path, read_table):
    assert main(["report", *map(str, three_seeds[:2]), "--out", str(tmp_path / "docs")]) == 0
    text = (tmp_path / "docs" / "agents.md").read_text()
    mean = np.mean([value(folder).value for folder in three_seeds[:2]])
    assert read_table(text, "| input |")["complete (image and sound)"]["average reward per step"] == f"{mean:.3f}"
    assert "no interval of two seeds" in text


def test_nothing_is_written_elsewhere_unless_asked_for(three_seeds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert main(["report", *map(str, three_seeds)]) == 0
    assert not list((tmp_path / "docs").iterdir())
    assert (tmp_path / "out" / "report" / "agents.md").is_file()


def test_bad_input(three_seeds, tmp_path, refused):
    first = str(three_seeds[0])
    docs = ["--out", str(tmp_path / "docs")]
    for arguments, message in (
        ([], "`RUN` is missing"),
        ([first, first, *docs], "`runs` names"),
        ([tmp_path / "nothing", *docs], "is not a folder; expected a run folder"),
        ([first, "--readme", tmp_path / "none.md", *docs], "none.md"),
    ):
        assert message in refused("report", *arguments)
    assert not (tmp_path / "docs").exists()


def changed(folder, change, first=0):
    """Saves the results in a folder again, from a record on, with details that ``change`` has changed."""
    saved = load_results(folder / "results")
    change(saved.details)
    save_results(folder / "results", saved.results, saved.records[first:], saved.details)


def train_settings(details):
    return details["lineage"][-1]["settings"]


@pytest.mark.parametrize(
    ("change", "first", "reason"),
    [
        (lambda details: details["facts"].update(seed=0), 0, "both have the training seed 0"),
        (lambda details: details.update(episodes_seed=7), 0, "the episodes differ (their seed"),
        (lambda details: None, 4, "the inputs that were evaluated differ"),
        (lambda details: train_settings(details)["agent"].update(gamma=0.5), 0, "otherwise (train agent gamma)"),
        (lambda details: details["lineage"].pop(0), 0, "the agents were trained otherwise (the commands)"),
    ],
)
def test_evaluations_that_are_not_of_the_same_training_come_as_parts(
    change, first, reason, three_seeds, tmp_path, capsys
):
    changed(three_seeds[1], change, first)
    assert main(["report", *map(str, three_seeds[:2]), "--out", str(tmp_path / "docs")]) == 0
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["agents.html"]
    page = tmp_path / "docs" / "agents.html"
    world = "Results: anysense/MultimodalPendulum-v0"
    assert headings(page, 2) == [f"{world}, evaluate/a", f"{world}, evaluate/b"]
    (note,) = re.findall('<p class="note">(Not .*?)</p>', page.read_text())
    assert note.startswith("Not gathered over seeds with evaluate/a: ")
    assert reason in note
    assert note.count(";") == 0
    assert note in " ".join(capsys.readouterr().out.split())
    assert "interval of two seeds" not in page.read_text()


def test_only_what_is_of_the_same_training_is_gathered(three_seeds, tmp_path):
    shutil.copytree(three_seeds[0], tmp_path / "again")
    changed(three_seeds[2], lambda details: train_settings(details).update(missing=0.5))
    changed(three_seeds[1], lambda details: train_settings(details).update(name="b", seed=1, representation="x"))
    runs = [three_seeds[0], three_seeds[2], tmp_path / "again", three_seeds[1]]
    assert main(["report", *map(str, runs), "--out", str(tmp_path / "docs")]) == 0
    page = tmp_path / "docs" / "agents.html"
    world = "Results: anysense/MultimodalPendulum-v0"
    assert headings(page, 2) == [f"{world}, evaluate/{name}" for name in ("a, evaluate/b", "c", "again")]
    assert page.read_text().count("no interval of two seeds") == 1


def test_missing_markers(three_seeds, tmp_path, refused):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- agents:begin -->\n")
    message = refused("report", three_seeds[0], "--readme", readme, "--out", tmp_path / "docs")
    assert "needs the lines <!-- agents:begin --> and <!-- agents:end -->, and has not both of them." in message
    assert not (tmp_path / "docs").exists()


def test_a_name_in_another_folder_is_refused(three_seeds, tmp_path, capsys):
    assert main(["report", str(three_seeds[0]), "--out", str(tmp_path / "docs"), "--name", "../elsewhere"]) == 2
    assert "`name` expected one name without separators" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


@pytest.fixture
def classification(tiny, tmp_path, capsys):
    """The run folder of a comparison of two methods on tiny data."""
    options = ["--preset", "smoke", "--data", "tiny", "--jobs", "1", "--seeds", "1", "--missing-rates", "0.5"]
    assert main(["classify", *options, "--out", str(tmp_path / "out"), "--name", "c"]) == 0
    assert f"Page: {tmp_path / 'out' / 'classify' / 'c' / 'results' / 'report.html'}\n" in capsys.readouterr().out
    return tmp_path / "out" / "classify" / "c"


def headings(path, level):
    return re.findall(rf"<h{level}[^>]*>(.*?)</h{level}>", path.read_text().replace("<wbr>", ""))


def test_the_page_of_a_run_is_named_if_it_is_there(tmp_path):
    run = RunFolder(tmp_path, {})
    assert page_line(run) == []
    make(tmp_path / "results")
    (tmp_path / "results" / "report.html").write_text("x")
    assert page_line(run) == [f"Page: {tmp_path / 'results' / 'report.html'}"]


def test_the_report_of_a_comparison_is_made_again_from_its_folder(classification, tmp_path):
    assert main(["report", str(classification), "--out", str(tmp_path / "docs"), "--name", "again"]) == 0
    before, after = classification / "results", tmp_path / "docs"
    assert (after / "again.csv").read_bytes() == (before / "report.csv").read_bytes()
    assert (after / "again.tex").read_bytes() == (before / "report.tex").read_bytes()
    tables = [[line for line in path.read_text().splitlines() if line[:1] == "|"] for path in after.glob("*.md")]
    assert tables == [[line for line in (before / "report.md").read_text().splitlines() if line[:1] == "|"]]
    assert headings(after / "again.html", 2) == headings(before / "report.html", 2)
    assert headings(after / "again.html", 2)[0] == "Results"
    assert "again-subsets.png" in {path.name for path in after.iterdir()}


def test_runs_of_different_commands_come_on_one_page(three_seeds, classification, tmp_path):
    films(make(three_seeds[1] / "clips"))
    runs = [three_seeds[0], classification, three_seeds[1]]
    assert main(["report", *map(str, runs), "--out", str(tmp_path / "docs"), "--name", "all"]) == 0
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["all.html"]
    page = tmp_path / "docs" / "all.html"
    assert headings(page, 1) == ["Results: all"]
    assert headings(page, 2) == ["Results: anysense/MultimodalPendulum-v0", "tiny (example)"]
    assert headings(page, 3).count("Results") == headings(page, 3).count("All values") == 2
    labels = re.findall('<p class="label">(.*?)</p>', page.read_text())
    assert labels == ["seed 1: complete", "seed 1: image", "seed 1: sound"]
    assert "no interval of two seeds" in page.read_text()


def test_the_page_of_an_evaluation_names_clips_that_are_gone(three_seeds, tmp_path):
    record = json.loads((three_seeds[0] / "run.json").read_text())
    record["settings"]["video"] = True
    (three_seeds[0] / "run.json").write_text(json.dumps(record))
    films(make(three_seeds[0] / "clips"))
    (three_seeds[0] / "clips" / "image.mp4").unlink()
    assert main(["report", str(three_seeds[0]), "--out", str(tmp_path / "docs")]) == 0
    labels = re.findall('<p class="label">(.*?)</p>', (tmp_path / "docs" / "agents.html").read_text())
    assert labels == ["complete", "image: the file is missing", "sound"]


def test_runs_that_cannot_be_shown(three_seeds, classification, evaluated, tmp_path, refused):
    docs, readme = ["--out", tmp_path / "docs"], tmp_path / "README.md"
    readme.write_text("<!-- agents:begin -->\n<!-- agents:end -->\n")
    pretrained = evaluated / "pretrain" / "a"
    assert "is a run of `anysense pretrain`, which has no report" in refused("report", pretrained, *docs)
    assert "twice" in refused("report", classification, classification, *docs)
    both = [three_seeds[0], classification]
    assert "`readme` takes the runs of one report, got those of 2" in refused(
        "report", *both, "--readme", readme, *docs
    )
    results = classification / "results" / "report.json"
    whole = results.read_text()
    results.write_text(whole[:-200])
    assert f"`{results}` is damaged" in refused("report", *both, *docs)
    results.unlink()
    assert "has no results: its status is `finished`" in refused("report", *both, *docs)
    results.write_text(whole)
    record = json.loads((classification / "run.json").read_text())
    record["settings"]["data"] = "elsewhere"
    record["arguments"] = ["--data", "elsewhere"]
    (classification / "run.json").write_text(json.dumps(record))
    assert "`data` must be one of" in refused("report", *both, *docs)
    record |= {"command": "compare", "arguments": ["--env", "of_somebody:Room-v0"]}
    record["settings"]["env"] = "of_somebody:Room-v0"
    (classification / "run.json").write_text(json.dumps(record))
    assert "confirm with `--env of_somebody:Room-v0`" in refused("report", *both, *docs)
    assert not (tmp_path / "docs").exists()


def make(folder):
    folder.mkdir()
    return folder
