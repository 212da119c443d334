import csv
import json
import shutil

import pytest

from anysense.agents import training
from anysense.agents.exported import Agent
from anysense.runs.cli import main
from anysense.runs.commands.train import TrainCommand, read
from anysense.runs.worlds import World, WorldChanges, world_of


def train(out, *options):
    return main(["train", "--out", str(out), *options])


@pytest.fixture
def pretrained(trained, tmp_path):
    """A fresh `out` folder with the tiny pretraining only."""
    shutil.copytree(trained / "pretrain", tmp_path / "pretrain")
    return tmp_path


def test_presets_choose_values_and_options_override_them():
    assert read([]) == TrainCommand.of("default", "sac")
    ppo = read(["--algorithm", "ppo", "--n-steps", "128", "--modalities", "sound"])
    assert (ppo.agent.n_steps, ppo.modalities) == (128, ("sound",))
    paper = read(["--preset", "paper"])
    assert (paper.algorithm, paper.time_limit, paper.action_scaling, paper.action_doubling) == (
        "ddpg", "terminal", False, True,
    )  # fmt: skip


def test_run_folder(trained):
    folder = trained / "train" / "a"
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["settings"]["representation"] == str(trained / "pretrain" / "a" / "representation")
    assert Agent.load(folder / "agent").modalities == ("image", "sound")
    assert (folder / "figures" / "learning_curve.png").is_file()
    with (folder / "metrics.csv").open() as file:
        assert [row["steps"] for row in csv.DictReader(file)] == ["600", "1200"]


def test_the_world_of_pretraining_is_kept_and_can_be_changed(trained, tmp_path):
    representation = trained / "pretrain" / "a" / "representation"
    assert world_of(representation, "paper") == World()
    shutil.copytree(representation, tmp_path / "alone")
    assert world_of(tmp_path / "alone", "paper") == World.of("paper")
    assert WorldChanges(physics="gym-0.19", antialias=False).apply(World()) == World(
        physics="gym-0.19", antialias=False
    )


def test_sound_only_training(pretrained):
    options = [
        "--preset",
        "smoke",
        "--modalities",
        "sound",
        "--algorithm",
        "td3",
        "--total-steps",
        "400",
        "--name",
        "s",
    ]
    assert train(pretrained, *options) == 0
    agent = Agent.load(pretrained / "train" / "s" / "agent")
    assert (agent.trained_with, agent.algorithm) == (("sound",), "td3")


def test_resume_takes_the_representation_it_started_with(pretrained, monkeypatch, capsys):
    save = training.save_checkpoint

    def killed(*args, **kwargs):
        save(*args, **kwargs)
        raise KeyboardInterrupt

    options = ["--preset", "smoke", "--total-steps", "500", "--eval-every", "300"]
    with monkeypatch.context() as patch:
        patch.setattr(training, "save_checkpoint", killed)
        assert train(pretrained, *options, "--name", "cut") == 130
    assert main(["pretrain", "--preset", "smoke", "--samples", "200", "--out", str(pretrained), "--name", "newer"]) == 0
    assert train(pretrained, "--resume", "--gamma", "0.5") == 2
    assert "(agent.gamma: 0.98 -> 0.5)" in capsys.readouterr().err
    assert train(pretrained, "--resume") == 0
    first = str(pretrained / "pretrain" / "a")
    assert train(pretrained, *options, "--name", "whole", "--representation", first) == 0
    policies = [pretrained / "train" / name / "last_agent" / "policy.safetensors" for name in ("cut", "whole")]
    assert policies[0].read_bytes() == policies[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithm", "sacc"], "`algorithm` must be one of 'ppo', 'a2c', 'sac', 'td3', 'ddpg', 'tqc'; got 'sacc'"),
        (["--modalities", "sond"], "Did you mean 'sound'?"),
        (
            ["--representation", "nowhere"],
            "`nowhere` holds no representation: expected a folder with representation.json",
        ),
        (["--missing", "1.5"], "`missing` must lie in [0, 1)"),
        (["--action-doubling"], "needs the published form of ddpg"),
    ],
)
def test_bad_input(options, message, pretrained, capsys):
    assert train(pretrained, "--preset", "smoke", *options) == 2
    assert message in capsys.readouterr().err


def test_nothing_pretrained(tmp_path, capsys):
    assert train(tmp_path, "--preset", "smoke") == 2
    error = capsys.readouterr().err
    assert "`representation` was not given" in error
    assert "Run `anysense pretrain` first, or give a path." in error


def test_altered_representation(pretrained, capsys):
    weights = pretrained / "pretrain" / "a" / "representation" / "representation.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert train(pretrained, "--preset", "smoke", "--name", "x") == 2
    assert "representation.safetensors" in capsys.readouterr().err
