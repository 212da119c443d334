import json

from anysense.agents.exported import Agent
from anysense.runs.cli import main


def demo(out, *options):
    return main(["demo", "--preset", "smoke", "--out", str(out), "--name", "a", *options])


def test_the_whole_way(tmp_path, capsys):
    assert demo(tmp_path) == 0
    folder = tmp_path / "demo" / "a"
    printed = capsys.readouterr()
    for text in ("image and sound", "optimal (true state)", "no torque", "random torque"):
        assert text in printed.out
    last = printed.out.strip().splitlines()[-1]
    assert last.startswith("Trained with image and sound, the agent reaches an average reward per step of -")
    assert "on sound alone without further training -" in last
    for path in (folder / "figures" / "average_reward.png", folder / "train" / "agent"):
        assert path.exists()
        assert str(path) in printed.out
    for text in ("Collecting", "Pretraining", "Training", "Evaluating"):
        assert f"{text} " in printed.err
    assert Agent.load(folder / "train" / "agent").facts["seed"] == 0
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


def test_a_demo_that_was_cut_goes_on(tmp_path, monkeypatch, capsys):
    from anysense.runs.commands import demo as module

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "train_run", killed)
        assert demo(tmp_path) == 130
    representation = tmp_path / "demo" / "a" / "pretrain" / "representation" / "representation.safetensors"
    before = representation.read_bytes()
    assert demo(tmp_path, "--resume") == 0
    assert representation.read_bytes() == before
    assert "Trained with image and sound" in capsys.readouterr().out
