import json

import pytest

from anysense.agents.exported import Agent
from anysense.runs.cli import main
from anysense.runs.commands import stages
from anysense.runs.commands.demo import read


def demo(out, *options):
    return main(["demo", "--preset", "smoke", "--out", str(out), "--name", "a", *options])


def test_the_whole_way_in_two_goes(tmp_path, monkeypatch, capsys):
    def killed(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages, "train_run", killed)
        assert demo(tmp_path, "--samples", "200", "--epochs", "1") == 130
    folder = tmp_path / "demo" / "a"
    representation = folder / "pretrain" / "representation" / "representation.safetensors"
    before = representation.read_bytes()
    assert demo(tmp_path, "--resume") == 0
    assert representation.read_bytes() == before
    printed = capsys.readouterr()
    for text in ("complete (image and sound)", "optimal (true state)", "no torque", "random torque"):
        assert text in printed.out
    *_, words, _, last = printed.out.strip().splitlines()
    assert words.startswith("Trained with image and sound, the agent reaches an average reward per step of -")
    assert "on sound alone without further training -" in words
    assert last == f"Switch its modalities on and off: anysense play {folder / 'train' / 'agent'}"
    assert printed.out.count("Preset smoke (demo): too short to learn") == 1
    for path in (folder / "figures", folder / "train" / "agent", folder / "pretrain" / "representation"):
        assert path.exists()
        assert str(path) in printed.out
    for text in ("Collecting", "Pretraining", "Training", "Evaluating"):
        assert f"{text} " in printed.err
    clips = [folder / "clips" / f"{name}.mp4" for name in ("complete", "image", "sound")]
    assert all(path.is_file() and f"Clip: {path}" in printed.out for path in clips)
    assert Agent.load(folder / "train" / "agent").facts["seed"] == 0
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "0"], "`steps` must be at least 1; got 0."),
        (["--samples", "-3"], "`samples` must be at least 1; got -3."),
        (["--env", "Pendulum-v1"], "Pendulum-v1"),
        (["--env-option", "antialias"], "must be written key=value"),
    ],
)
def test_wrong_input_leaves_nothing(options, message, tmp_path, refused):
    assert message in refused("demo", "--preset", "smoke", "--out", tmp_path, *options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "samples"), [([], 10_000), (["--env-option", "sound=mel"], 20_000), (["--samples", "50"], 50)]
)
def test_tones_need_fewer_samples_than_audio(options, samples):
    assert read(options).samples == samples
