import json
import re
import shutil

import numpy as np
import pytest
from matplotlib.image import imread

from anysense.agents.results import load_results
from anysense.common.errors import FileFormatError
from anysense.runs.agents import load_agent, say_if_lopsided
from anysense.runs.cli import main
from anysense.runs.comparisons.evaluate_report import evaluation_protocol
from anysense.runs.curves import read_curve, write_curve
from anysense.runs.evaluation_report import sentence


def evaluate(out, *options):
    return main(["evaluate", "--preset", "smoke", "--out", str(out), *options])


def test_rows_of_the_table(evaluated):
    saved = load_results(evaluated / "evaluate" / "a" / "results")
    noise, dropout = "image:gaussian_noise:0.1", "dropout 0.3 per step"
    inputs = [(record.subset, record.condition) for record in saved.records if record.metric == "average_reward"]
    assert inputs == [
        ("complete", ""), ("image", ""), ("sound", ""), ("complete", noise), ("image", noise), ("complete", dropout),
        ("", ""), ("", ""), ("", ""),
    ]  # fmt: skip
    assert [result.name for result in saved.results[-3:]] == ["optimal", "zero", "random"]
    assert all(len(result.returns) == 8 for result in saved.results)
    for result in saved.results[1:]:
        np.testing.assert_array_equal(result.starts, saved.results[0].starts)
    assert [record["command"] for record in saved.details["lineage"]] == ["pretrain", "train"]


def test_records_are_the_means_of_the_episodes(evaluated):
    saved = load_results(evaluated / "evaluate" / "a" / "results")
    found = {(one.method, one.subset, one.condition, one.metric): one for one in saved.records}
    optimal = next(result for result in saved.results if result.name == "optimal").returns / 100
    random = next(result for result in saved.results if result.name == "random").returns / 100
    for result in saved.results[:-3]:
        subset = "complete" if len(result.modalities) == 2 else result.modalities[0]
        own = result.returns / 100
        expected = {
            "average_reward": own.mean(),
            "return": result.returns.mean(),
            "gap": (optimal - own).mean(),
            "share": (own.mean() - random.mean()) / (optimal.mean() - random.mean()),
        }
        for metric, value in expected.items():
            record = found["agent", subset, result.condition, metric]
            assert record.value == pytest.approx(value, rel=1e-9)
            assert record.low <= record.value <= record.high


def test_figures_and_curve(evaluated):
    folder = evaluated / "evaluate" / "a"
    for name in ("score.png", "learning-curves.png"):
        assert imread(folder / "figures" / name).std() > 0
    curve = read_curve(folder / "results" / "learning_curve.csv")
    assert curve == read_curve(evaluated / "train" / "a" / "metrics.csv")
    assert curve[0] == [600.0, 1200.0]


def test_table_on_the_terminal_and_newest_run(evaluated, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert evaluate(evaluated, "--episodes", "4", "--steps", "200", "--name", "narrow") == 0
    printed = capsys.readouterr()
    for text in ("complete", "gap to the optimum", "optimal (true state)", "random torque", "95% bootstrap"):
        assert text in printed.out
    title = " ".join(printed.out.split("┏")[0].split())
    words = "trained with image and sound by sac for 1200 steps (seed 0, kept after "
    assert f"agent: {words}" in title
    assert title.endswith(") on a frozen gmc representation; 4 episodes of at most 200 steps per row")
    results = evaluated / "evaluate" / "narrow" / "results"
    for name in ("report.md", "report.tex", "report.json"):
        assert words in (results / name).read_text()
    details = load_results(results).details
    assert (details["representation"], details["algorithm"], details["training_steps"]) == ("gmc", "sac", 1200)
    assert all(len(line) <= 80 for line in printed.out.splitlines() if line[:1] in "│┃┏└")
    agent = evaluated / "train" / "a" / "agent"
    assert f"Taking the newest agent: {agent}" in printed.err
    record = json.loads((evaluated / "evaluate" / "narrow" / "run.json").read_text())
    assert record["command_line"].startswith(f"anysense evaluate {agent} --preset smoke")


def test_the_same_evaluation_again_gives_the_same_episodes(evaluated):
    options = ["--corruption", "image:gaussian_noise:0.1", "--dropout", "0.3", "--name", "again"]
    assert evaluate(evaluated, str(evaluated / "train" / "a"), *options) == 0
    files = [evaluated / "evaluate" / name / "results" / "episodes.csv" for name in ("a", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()
    text = (evaluated / "evaluate" / "again" / "results" / "report.md").read_text()
    assert "- Rates: image:gaussian_noise:0.1; dropout 0.3" in text
    assert "while it was trained, none missing of image, sound." in text
    assert "from states drawn with the seed 0, the same for all rows and references" in text


def test_what_a_sentence_says(evaluated):
    from anysense.envs.world import world

    records = load_results(evaluated / "evaluate" / "a" / "results").records
    value = {(one.method, one.subset, one.condition): one.value for one in records if one.metric == "average_reward"}
    text = sentence(records, world(), ("image", "sound"), ("image", "sound"))
    reached = f"{value['agent', 'complete', '']:.2f}"
    assert text.startswith(f"Trained with image and sound, the agent reaches an average reward per step of {reached} ")
    assert f"on sound alone without further training {value['agent', 'sound', '']:.2f} (" in text
    assert text.endswith(f"; optimal control reaches {value['optimal', '', '']:.2f}.")
    assert "noise" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corruption", "image:fog:0.1"], "fog"),
        (["--corruption", "smell:gaussian_noise:0.1"], "names 'smell'; the agent has image, sound"),
        (["--dropout", "1.5"], "`dropout` expected chances from 0 to 1, got 1.5"),
        (["--episodes", "0"], "`episodes` must be at least 1; got 0."),
        (["--reference-option", "max_torq=1"], "max_torq"),
        (["--env", "CartPole-v1"], "CartPole-v1"),
        (
            ["--env-option", "physics=gymnasium", "sound=mel"],
            "`env-option`: the agent was trained with `sound=tones`; got `sound=mel`, so that `sound` has shape",
        ),
        (
            ["--env-option", "frame_stack=3"],
            "the agent was trained with `frame_stack=2`; got `frame_stack=3`, so that `image` has shape (3, 60, 60)",
        ),
        (
            ["--env", "anysense/Hyperhot-v0"],
            "`env`: the agent was trained in anysense/MultimodalPendulum-v0; in anysense/Hyperhot-v0 `image` has shape",
        ),
        (["nowhere"], "`nowhere` holds no agent: expected a folder with agent.json"),
    ],
)
def test_wrong_input_leaves_nothing(options, message, evaluated, refused):
    before = sorted((evaluated / "evaluate").iterdir())
    assert message in refused("evaluate", "--out", evaluated, "--preset", "smoke", *options)
    assert sorted((evaluated / "evaluate").iterdir()) == before


def test_a_symmetric_agent_says_where_there_is_no_mirror_image(evaluated, tmp_path, capsys):
    shutil.copytree(evaluated / "train" / "a" / "agent", tmp_path / "agent")
    path = tmp_path / "agent" / "agent.json"
    path.write_text(path.read_text().replace('"symmetric": false', '"symmetric": true'))
    for receivers, told in (("left_top,middle_top,right_top", False), ("left_top,middle_top,middle_bottom", True)):
        say_if_lopsided(load_agent(tmp_path / "agent", None, [f"receivers={receivers}"], "cpu"))
        assert ("acts on what it observes alone" in capsys.readouterr().err) is told


def test_the_protocol_says_how_a_symmetric_agent_acts(evaluated):
    saved = load_results(evaluated / "evaluate" / "a" / "results")

    def training(details, lineage=()):
        return evaluation_protocol({**saved.details, **details}, saved.records, lineage, "", (8, 100)).training

    usual, mean = training({}), "It acts by the mean of two actions"
    assert usual == training({"symmetric": False, "mirrored": False})
    assert mean in training({"symmetric": True, "mirrored": True}, ())
    assert "but here none is known" in training({"symmetric": True, "mirrored": False})
    del saved.details["symmetric"], saved.details["mirrored"]  # as of an earlier release
    assert mean in training({}, [{"command": "train", "settings": {"symmetric": True}}])
    assert training({}, [{"command": "train", "settings": {}}]) == usual


def test_nothing_trained(tmp_path, refused):
    assert "Run `anysense train` first, or give a path, or an agent that comes along: --agent pendulum." in refused(
        "evaluate", "--out", tmp_path
    )


def test_altered_agent(evaluated, tmp_path, refused):
    shutil.copytree(evaluated / "train" / "a" / "agent", tmp_path / "agent")
    description = json.loads((tmp_path / "agent" / "agent.json").read_text())
    (tmp_path / "agent" / "agent.json").write_text(json.dumps({**description, "format_version": 99}))
    assert "99" in refused("evaluate", tmp_path / "agent", "--out", tmp_path)
    (tmp_path / "agent" / "agent.json").write_text(json.dumps(description))
    (tmp_path / "agent" / "policy.safetensors").write_bytes(b"cut")
    assert "truncated or altered" in refused("evaluate", tmp_path / "agent", "--out", tmp_path)


def test_empty_curve(tmp_path):
    write_curve(tmp_path / "curve.csv", ([], []))
    assert read_curve(tmp_path / "curve.csv") is None


@pytest.mark.parametrize(
    "content",
    ["steps,score\n1,x\n", "score\n1\n", "steps,score\n1,nan\n", 'steps,score\n1,"' + "9" * 200_000, "\udcff"],
)
def test_altered_curve(content, tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text(f"steps,score\n1,2\n{content}" if content == "\udcff" else content, errors="surrogateescape")
    with pytest.raises(FileFormatError, match=re.escape(f"`{path}` is damaged: ")):
        read_curve(path)
