import csv
import json
import shutil

import pytest

from anysense.agents import training
from anysense.agents.exported import Agent
from anysense.envs.world import world
from anysense.runs.cli import main
from anysense.runs.commands.train import TrainCommand, read


def train(out, *options):
    return main(["train", "--out", str(out), "--preset", "smoke", *options])


@pytest.fixture
def pretrained(trained, tmp_path):
    """A fresh `out` folder with the tiny pretraining only."""
    shutil.copytree(trained / "pretrain", tmp_path / "pretrain", ignore=shutil.ignore_patterns("tensorboard", "*.npz"))
    return tmp_path


def test_presets_choose_values_and_options_override_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read([]) == TrainCommand.of("default", "sac", world())
    ppo = read(["--algorithm", "ppo", "--n-steps", "128", "--modalities", "sound", "image"])
    assert (ppo.agent.n_steps, ppo.modalities) == (128, ("sound", "image"))
    paper = read(["--preset", "paper"])
    assert (paper.algorithm, paper.agent.time_limit, paper.agent.published) == ("ddpg", "terminal", True)
    assert paper == TrainCommand.of("paper", "ddpg", world())


def test_help_names_what_can_be_chosen(trained, capsys):
    assert main(["train", "--out", str(trained), "--help"]) == 0
    text = capsys.readouterr().out
    assert "--algorithm {ppo,a2c,sac,td3,ddpg,tqc}" in text
    assert "--modalities [{image,sound} ...]" in text


def test_run_folder(trained):
    folder = trained / "train" / "a"
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    representation = str(trained / "pretrain" / "a" / "representation")
    assert record["settings"]["representation"] == representation
    assert record["command_line"].startswith(f"anysense train --representation {representation} --preset smoke")
    assert Agent.load(folder / "agent").modalities.keys() == {"image", "sound"}
    assert (folder / "figures" / "learning_curve.png").is_file()
    with (folder / "metrics.csv").open() as file:
        assert [row["steps"] for row in csv.DictReader(file)] == ["600", "1200"]


def test_the_world_of_pretraining_is_kept_and_can_be_changed(trained):
    stored = world(options={"physics": "gym-0.19", "frame_stack": 2})
    command = TrainCommand.of("smoke", "sac", stored)
    assert command.in_world(stored) == stored
    changed = read(["--env-option", "physics=gymnasium", "initial_steps=3"]).in_world(stored)
    assert changed.options == {"physics": "gymnasium", "frame_stack": 2, "initial_steps": 3}
    agent = Agent.load(trained / "train" / "a" / "agent")
    pretrained = json.loads((trained / "pretrain/a/representation/representation.json").read_text())
    assert agent.world.to_json() == pretrained["world"]


def test_training_with_one_modality(pretrained, capsys):
    options = ["--modalities", "sound", "--algorithm", "td3", "--total-steps", "401", "--name", "s"]
    assert train(pretrained, *options) == 0
    assert "401 steps were asked for, 408 done: 8 environments step at a time" in capsys.readouterr().err
    agent = Agent.load(pretrained / "train" / "s" / "agent")
    assert (agent.trained_with, agent.algorithm) == (("sound",), "td3")


def test_resume_takes_the_representation_it_started_with(pretrained, monkeypatch, refused):
    save = training.write_checkpoint

    def killed(*args, **kwargs):
        save(*args, **kwargs)
        raise KeyboardInterrupt

    options = ["--total-steps", "500", "--eval-every", "300"]
    with monkeypatch.context() as patch:
        patch.setattr(training, "write_checkpoint", killed)
        assert train(pretrained, *options, "--name", "cut") == 130
    assert main(["pretrain", "--preset", "smoke", "--samples", "200", "--out", str(pretrained), "--name", "newer"]) == 0
    changed = refused("train", "--out", pretrained, "--resume", "--gamma", "0.5")
    assert "(agent.gamma: 0.98 -> 0.5)" in changed or "(agent.gamma: 0.99 -> 0.5)" in changed
    assert main(["train", "--out", str(pretrained), "--resume"]) == 0
    first = str(pretrained / "pretrain" / "a")
    assert train(pretrained, *options, "--name", "whole", "--representation", first) == 0
    policies = [pretrained / "train" / name / "last_agent" / "policy.safetensors" for name in ("cut", "whole")]
    assert policies[0].read_bytes() == policies[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--algorithm", "sacc"],
            "`algorithm` must be one of 'ppo', 'a2c', 'sac', 'td3', 'ddpg', 'tqc', 'dqn', 'qrdqn'; got 'sacc'",
        ),
        (["--modalities", "sond"], "Did you mean 'sound'?"),
        (["--logger", "wand"], "`logger` must be one of 'tensorboard', 'csv', 'wandb', 'mlflow'; got 'wand'."),
        (["--modalities", "sound", "sound"], "sound"),
        (
            ["--representation", "nowhere"],
            "`nowhere` holds no representation: expected a folder with representation.json",
        ),
        (["--missing", "1.5"], "`missing` must lie in [0, 1)"),
        (["--gamma", "1.5"], "gamma"),
        (["--algorithm", "td3", "--published"], "`published` is the published form of ddpg"),
        (["--env-option", "physics=newton"], "newton"),
        (["--env-option", "receivers=left_top"], 'trained with `receivers=["left_bottom", "right_bottom", '),
        (
            ["--symmetric", "--env-option", "receivers=left_top,middle_top,middle_bottom"],
            "`symmetric` needs a mirror image",
        ),
        (
            ["--env-option", "frame_stack=3"],
            "`env-option`: the representation was trained with `frame_stack=2`; got `frame_stack=3`, so that `image`",
        ),
    ],
)
def test_wrong_input_leaves_nothing(options, message, pretrained, refused):
    assert message in refused("train", "--out", pretrained, "--preset", "smoke", *options)
    assert not (pretrained / "train").exists()


def test_nothing_pretrained(tmp_path, refused):
    error = refused("train", "--out", tmp_path, "--preset", "smoke")
    assert "`representation` was not given" in error
    assert "Run `anysense pretrain` first, or give a path." in error


def test_altered_representation(pretrained, refused):
    weights = pretrained / "pretrain" / "a" / "representation" / "representation.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "representation.safetensors" in refused("train", "--out", pretrained, "--preset", "smoke", "--name", "x")
    assert not (pretrained / "train").exists()
