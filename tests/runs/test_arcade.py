"""A game of the Arcade Learning Environment, seen and heard: all stages as from the shell, then what the agent kept."""

import json

import pytest

from anysense.runs.cli import main

pytest.importorskip("ale_py")

GAME = ["--env", "ale_py:ALE/Breakout-v5", "--preset", "smoke", "--name", "a"]
OPTIONS = ["--env-option", "sound_obs=true", "max_num_frames_per_episode=80"]
PPO = ["--algorithm", "ppo", "--total-steps", "16", "--n-envs", "1", "--n-steps", "8", "--batch-size", "8"]


def test_collect_pretrain_train_and_evaluate(tmp_path, monkeypatch, capsys, read_table):
    monkeypatch.chdir(tmp_path)
    assert main(["pretrain", *GAME, *OPTIONS, "--samples", "60", "--batch-size", "16"]) == 0
    said = capsys.readouterr().err
    assert "image: uint8 (210, 160, 3), read as image (height x width x channels)" in said
    assert "sound: uint8 (512,), read as waveform (samples)" in said
    assert main(["train", *GAME, *PPO]) == 0
    agent = json.loads((tmp_path / "out/train/a/agent/agent.json").read_text())
    options = {"sound_obs": True, "max_num_frames_per_episode": 80}
    assert agent["world"] == {"id": "ale_py:ALE/Breakout-v5", "options": options}
    assert main(["evaluate", *GAME, "--episodes", "2"]) == 0
    table = read_table((tmp_path / "out/evaluate/a/results/report.md").read_text(), "#")
    assert {"image", "sound"} < set(table)
    assert {row["steps"] for row in table.values()} == {"20 [20, 20]"}  # 80 frames, 4 at each step
