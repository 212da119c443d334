"""The page of claims: verdicts follow from small result files whose figures are known."""

import json
from pathlib import Path

import pytest

from anysense.common.machine import describe_machine
from anysense.runs.cli import main
from anysense.runs.comparisons.claims import CLAIMS
from anysense.runs.comparisons.reproduction import (
    HOLDS,
    HOLDS_NOT,
    IN_PART,
    NOT_MEASURED,
    NOT_TESTABLE,
    reproduction_page,
    result_files,
)

ROOT = Path(__file__).parents[2]
UNSUPERVISED, SUPERVISED, REINFORCEMENT, DCA, MANY, AT_ONCE, INSTEAD, VIDEOS, TRANSFER = (
    claim.title for claim in CLAIMS
)


def write(folder, name, command, settings, values):
    """A result file; values by (method, subset, metric, condition), one per seed."""
    records = [
        {"subset": subset, "metric": metric, "value": value, "condition": condition, "method": method, "seed": seed}
        for (method, subset, metric, condition), found in values.items()
        for seed, value in enumerate(found)
    ]
    run = {"command": command, "command_line": f"anysense {command} --typed", "settings": settings}
    run["machine"] = describe_machine()
    jobs = sorted({(one["method"], one["seed"]) for one in records if one["subset"] or one["condition"]})
    details = {"jobs": [{"method": method, "seed": seed} for method, seed in jobs]}
    content = {"title": name, "runs": [run], "details": details, "records": records}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / f"{name}.md").touch()


def alone(metric, values, condition=""):
    """Values of methods on modalities alone, three seeds without spread."""
    return {(method, name, metric, condition): [value] * 3 for method, name, value in values}


@pytest.fixture
def page(tmp_path, read_table, capsys):
    """Writes the page of the files in `results` and gives its text and its first table."""

    def make():
        assert main(["report", "--reproduction", str(tmp_path / "results"), "--out", str(tmp_path)]) == 0
        text = (tmp_path / "reproduction.md").read_text()
        lines = [
            line.strip("| ").split(" | ")
            for line in text.splitlines()
            if line.startswith(("| GMC", "| GRAM", "| Workspace"))
        ]
        return text, {line[1]: line for line in lines}

    (tmp_path / "results").mkdir()
    return make


def test_what_no_file_speaks_of_is_not_measured(page, tmp_path):
    write(tmp_path / "results", "any", "classify", {"data": "other"}, alone("accuracy", [("gmc", "image", 0.9)]))
    text, table = page()
    assert [table[claim.title][2] for claim in CLAIMS] == [NOT_MEASURED] * 7 + [NOT_TESTABLE, NOT_MEASURED]
    assert "To measure it: `anysense classify --docs NAME`." in text
    assert "| image | gmc 99.75 ± 0.03; nexus 95.89 ± 0.34 |" in text
    assert "not obtained" in text.replace("could not be obtained", "not obtained")


@pytest.mark.parametrize(
    ("image", "sound", "expected"),
    [((0.9, 0.8), (0.9, 0.8), HOLDS), ((0.9, 0.8), (0.7, 0.8), IN_PART), ((0.7, 0.8), (0.8, 0.8), HOLDS_NOT)],
)
def test_verdict_of_robustness(image, sound, expected, page, tmp_path, read_table):
    values = [("gmc", "image", image[0]), ("gmc", "sound", sound[0]), ("gmc", "label", 0.0)]
    values += [("mvae", "image", 0.1), ("mvae", "sound", sound[1]), ("mfm", "image", image[1]), ("mfm", "sound", 0.1)]
    values += [("gmc", "complete", 1.0), ("gmc", "image + sound", 1.0), ("gram", "image", 1.0), ("gram", "sound", 1.0)]
    write(tmp_path / "results", "any", "classify", {"data": "digits"}, alone("accuracy", values))
    text, table = page()
    won = sum(ours > other for ours, other in (image, sound))
    assert table[UNSUPERVISED][2:] == [expected, f"{won} of 2", "digits"]
    rows = read_table(text, "## GMC: robust to missing modalities, unsupervised")
    assert list(rows) == ["image", "sound"]
    assert rows["image"] == {
        "published": "gmc 99.75 ± 0.03; nexus 95.89 ± 0.34",
        "ours": f"gmc {100 * image[0]:.1f} ± 0.0", "against": f"mfm {100 * image[1]:.1f} ± 0.0",
        "won": "yes" if image[0] > image[1] else "no",
    }  # fmt: skip
    assert "```sh\nanysense classify --typed\n```\n\nReport: [results/any.md](results/any.md)." in text
    assert "Mean over the seeds 0, 1, 2" in text


def test_what_is_undefined_is_not_won_and_is_shown(page, tmp_path):
    values = alone("accuracy", [("gmc", "sound", 0.9), ("mvae", "sound", 0.8), ("mvae", "image", 0.1)])
    values["gmc", "image", "accuracy", ""] = [0.9, None, 0.9, 0.9]  # None is NaN in JSON: a training that failed
    values["mmvae", "image", "accuracy", ""] = [None] * 3
    write(tmp_path / "results", "any", "classify", {"data": "digits"}, values)
    text, table = page()
    assert table[UNSUPERVISED][2:] == [IN_PART, "1 of 2", "digits"]
    assert "| gmc undefined | mvae 10.0 ± 0.0 | no |" in text


def test_a_difference_within_the_interval_does_not_count(page, tmp_path):
    values = {("gmc", "image", "accuracy", ""): [0.85, 0.9, 0.95], ("mvae", "image", "accuracy", ""): [0.8] * 3}
    write(tmp_path / "results", "any", "classify", {"data": "digits"}, values)
    assert page()[1][UNSUPERVISED][2] == HOLDS_NOT  # 0.9 ± 0.124


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([0.1, 0.8, 0.8, 0.8], HOLDS),  # 0.625 ± 0.557, but every one is worse
        ([0.1, 0.8, 0.8, 0.95], HOLDS_NOT),
        ([0.1, 0.8, 0.8], HOLDS_NOT),  # too few
    ],
)
def test_four_seeds_that_are_all_better_count_whatever_the_interval(others, expected, page, tmp_path):
    ours = [0.9, 0.92, 0.91, 0.93]
    values = {("gmc", "image", "accuracy", ""): ours, ("mvae", "image", "accuracy", ""): others}
    write(tmp_path / "results", "digits", "classify", {"data": "digits"}, values)
    errors = {(method, "text", "mae", ""): [1 - one for one in found] for (method, *_), found in values.items()}
    errors["baseline", "text", "mae", ""] = errors.pop(("mvae", "text", "mae", ""))
    write(tmp_path / "results", "sentiment", "classify", {"data": "mosei-offline"}, errors)
    table = page()[1]
    assert table[UNSUPERVISED][2] == table[SUPERVISED][2] == expected


def test_all_files_count_and_real_data_come_first(page, tmp_path):
    for name, data, ours in (("a", "mhd-offline", 0.9), ("b", "digits", 0.7)):
        values = [("gmc", "image", ours), ("mvae", "image", 0.8)]
        write(tmp_path / "results", name, "classify", {"data": data}, alone("accuracy", values))
    text, table = page()
    assert table[UNSUPERVISED][2:] == [IN_PART, "1 of 2", "digits, mhd-offline"]
    assert text.index("results/b.md") < text.index("results/a.md")


def test_copies_and_extended_files_count_once(page, tmp_path):
    values = [("gmc", "image", 0.9), ("mvae", "image", 0.8), ("gmc", "sound", 0.5), ("mvae", "sound", 0.6)]
    results, settings = tmp_path / "results", {"data": "digits", "methods": ["gmc", "mvae"]}
    write(results, "b", "classify", settings, alone("accuracy", values))
    write(results, "copy", "classify", {**settings, "out": "elsewhere"}, alone("accuracy", values))
    more = [("mfm", "image", 0.95), ("mfm", "sound", 0.1)]
    write(results, "extended", "classify", settings, alone("accuracy", [*values, *more]))
    write(results, "side", "classify", settings, alone("accuracy", [*values[::2], ("nexus", "sound", 0.2)]))
    text, table = page()
    assert table[UNSUPERVISED][2:] == [HOLDS_NOT, "0 of 2", "digits"]  # against mfm and mvae
    assert text.count("[results/copy.json](results/copy.json)") == 1
    assert text.count("Mean over the seeds") == 1
    changed = [("gmc", "image", 0.99), *values[1:]]
    write(results, "copy", "classify", settings, alone("accuracy", changed))  # measured anew: other values
    assert page()[1][UNSUPERVISED][2:] == [IN_PART, "1 of 4", "digits"]
    write(results, "copy", "classify", {**settings, "epochs": 3}, alone("accuracy", values))  # with other settings
    assert page()[1][UNSUPERVISED][2:] == [IN_PART, "1 of 4", "digits"]


def test_smoke_is_left_out_with_a_line(page, tmp_path, refused):
    values = alone("accuracy", [("gmc", "image", 0.9), ("mvae", "image", 0.8)])
    write(tmp_path / "results", "tried", "classify", {"data": "digits", "preset": "smoke"}, values)
    error = refused("report", "--reproduction", tmp_path / "results", "--out", tmp_path)
    assert "are of preset smoke, which counts not: tried.json" in error
    write(tmp_path / "results", "real", "classify", {"data": "digits", "preset": "default"}, values)
    text, table = page()
    assert table[UNSUPERVISED][2:4] == [HOLDS, "1 of 1"]
    assert "the preset smoke only tries things: [results/tried.json](results/tried.json)." in text


def test_a_folder_without_result_files(tmp_path, refused):
    (tmp_path / "other.json").write_text('{"parts": []}')
    error = refused("report", "--reproduction", tmp_path, "--out", tmp_path / "docs")
    assert f"`reproduction`: no result files in `{tmp_path}`; expected JSON files of reports" in error
    assert not (tmp_path / "docs").exists()


def test_other_claims(page, tmp_path):
    results = tmp_path / "results"
    errors = [(method, "text", value) for method, value in (("gmc", 0.7), ("baseline", 0.8), ("dropout", 0.6))]
    write(results, "sentiment", "classify", {"data": "mosei-offline"}, alone("mae", errors))
    rewards = [(method, "sound", value) for method, value in (("gmc", -0.5), ("mvae", -6.0), ("workspace", -0.6))]
    rewards += [("optimal", "", -0.4)]
    write(results, "agents", "compare", {}, alone("average_reward", rewards))
    scores = [("gmc", "image", 0.9), ("muse", "image", 0.5)]
    write(results, "geometry", "align", {"data": "digits"}, alone("score_normalised", scores, "against complete"))
    recalls = {("gram", "", "recall_1_volume", "from 5"): [0.0] * 3}  # the anchor alone counts
    for size, by_volume, by_cosine in (("from 1 to pix", 0.2, 0.5), ("from 5 to pix", 0.9, 0.6)):
        for back in ("", "back_"):
            recalls[("gram", "", f"{back}recall_1_volume", size)] = [by_volume] * 3
            recalls[("gram", "", f"{back}recall_1_cosine", size)] = [by_cosine] * 3
            recalls[("gmc", "", f"{back}recall_1_cosine", size)] = [0.95 if back else 0.8] * 3
    write(results, "retrieval", "retrieve", {"data": "mfeat"}, recalls)
    (results / "reliability.json").write_text('{"parts": []}')
    text, table = page()
    assert table[SUPERVISED][2:4] == [IN_PART, "1 of 2"]
    assert table[REINFORCEMENT][2:] == [HOLDS, "1 of 1", "anysense/MultimodalPendulum-v0"]
    assert table[TRANSFER][2:4] == [HOLDS_NOT, "0 of 1"]
    assert table[DCA][2:4] == [HOLDS, "1 of 1"]
    assert table[MANY][2] == NOT_MEASURED
    assert table[AT_ONCE][2:4] == [IN_PART, "1 of 2"]
    assert table[INSTEAD][2:4] == [IN_PART, "1 of 2"]
    assert "| query of 5 | - | gram by volume 90.0 ± 0.0 | gram by cosine 60.0 ± 0.0 | yes |" in text


def test_the_page_of_the_documentation_is_what_the_result_files_give(monkeypatch):
    monkeypatch.chdir(ROOT)
    page, results = Path("docs/reproduction.md"), Path("docs/results")
    command = "anysense report --reproduction docs/results --out docs"
    assert page.read_text() == reproduction_page(result_files(results), page, results, command), f"Run: {command}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reproduction", "nowhere"], "`reproduction` nowhere is not a folder"),
        (["out/evaluate/001", "--reproduction", "results"], "leave out run folders and --readme"),
        (["--reproduction", "results"], "`results/bad.json` is damaged: the content lacks ['records']"),
    ],
)
def test_wrong_input_writes_nothing(options, message, tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "results", "bad", "classify", {"data": "digits"}, {})
    content = json.loads((tmp_path / "results" / "bad.json").read_text())
    del content["records"]
    (tmp_path / "results" / "bad.json").write_text(json.dumps(content))
    assert message in refused("report", *options, "--out", "docs")
    assert not (tmp_path / "docs").exists()
