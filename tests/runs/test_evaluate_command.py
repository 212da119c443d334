import json
import shutil

import numpy as np
import pytest
from matplotlib.image import imread

from anysense.agents.results import load_results
from anysense.runs.cli import main
from anysense.runs.curves import read_curve, write_curve


def evaluate(out, *options):
    return main(["evaluate", "--preset", "smoke", "--out", str(out), *options])


def test_rows_of_the_table(evaluated):
    folder = evaluated / "evaluate" / "a"
    saved = load_results(folder / "results")
    both, image, sound = ["image", "sound"], ["image"], ["sound"]
    noise = ["image:gaussian_noise:0.1"]
    conditions = [(row["modalities"], row["corruption"], bool(row["missing"])) for row in saved.summary]
    assert conditions == [
        (both, [], False), (image, [], False), (sound, [], False), (both, noise, False), (image, noise, False),
        (both, [], True), ([], [], False), ([], [], False), ([], [], False),
    ]  # fmt: skip
    assert [row["name"] for row in saved.summary[-3:]] == ["optimal", "zero", "random"]
    assert all(len(result.returns) == 8 for result in saved.results)
    for result in saved.results[1:]:
        np.testing.assert_array_equal(result.starts, saved.results[0].starts)
    assert [record["command"] for record in saved.details["lineage"]] == ["pretrain", "train"]


def test_figures_and_curve(evaluated):
    folder = evaluated / "evaluate" / "a"
    for name in ("average_reward.png", "learning_curve.png"):
        assert imread(folder / "figures" / name).std() > 0
    curve = read_curve(folder / "results" / "learning_curve.csv")
    assert curve == read_curve(evaluated / "train" / "a" / "metrics.csv")
    assert curve[0] == [600.0, 1200.0]


def test_table_on_the_terminal_and_newest_run(evaluated, capsys):
    assert evaluate(evaluated, "--episodes", "4", "--steps", "200") == 0
    printed = capsys.readouterr()
    for text in ("image and sound", "gap to optimal", "optimal (true state)", "random torque", "95% bootstrap"):
        assert text in printed.out
    assert f"Taking the newest agent: {evaluated / 'train' / 'a' / 'agent'}" in printed.err


def test_the_same_evaluation_again_gives_the_same_episodes(evaluated):
    options = ["--corruption", "image:gaussian_noise:0.1", "--dropout", "0.3", "--name", "again"]
    assert evaluate(evaluated, str(evaluated / "train" / "a"), *options) == 0
    files = [evaluated / "evaluate" / name / "results" / "episodes.csv" for name in ("a", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corruption", "image:fog:0.1"], "fog"),
        (["--corruption", "smell:gaussian_noise:0.1"], "names 'smell'; the agent has image, sound"),
        (["--dropout", "1.5"], "`dropout` expected chances from 0 to 1, got 1.5"),
        (["nowhere"], "`nowhere` holds no agent: expected a folder with agent.json"),
    ],
)
def test_bad_input(options, message, evaluated, capsys):
    before = sorted((evaluated / "evaluate").iterdir())
    assert evaluate(evaluated, *options) == 2
    assert message in capsys.readouterr().err
    assert sorted((evaluated / "evaluate").iterdir()) == before


def test_nothing_trained(tmp_path, capsys):
    assert evaluate(tmp_path) == 2
    assert "Run `anysense train` first, or give a path." in capsys.readouterr().err


def test_altered_agent(evaluated, tmp_path, capsys):
    shutil.copytree(evaluated / "train" / "a" / "agent", tmp_path / "agent")
    description = json.loads((tmp_path / "agent" / "agent.json").read_text())
    (tmp_path / "agent" / "agent.json").write_text(json.dumps({**description, "format_version": 99}))
    assert evaluate(tmp_path, str(tmp_path / "agent")) == 2
    assert "99" in capsys.readouterr().err
    (tmp_path / "agent" / "agent.json").write_text(json.dumps(description))
    (tmp_path / "agent" / "policy.safetensors").write_bytes(b"cut")
    assert evaluate(tmp_path, str(tmp_path / "agent")) == 2
    assert "truncated or altered" in capsys.readouterr().err


def test_empty_curve(tmp_path):
    write_curve(tmp_path / "curve.csv", ([], []))
    assert read_curve(tmp_path / "curve.csv") is None
