"""An environment whose module lies in the working folder: confirmed once by --env, also for the processes of --jobs."""

import json
import sys

import gymnasium as gym
import pytest

from anysense.runs.cli import main

WORLD = '''
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Rail(gym.Env):
    """A cart on a rail; a camera of 8 x 8 and a distance see where it is."""

    def __init__(self, length=1.0):
        self.length = length
        self.observation_space = spaces.Dict(
            {"camera": spaces.Box(0, 255, (1, 8, 8), np.uint8), "distance": spaces.Box(-1.0, 1.0, (1,), np.float32)}
        )
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _observation(self):
        camera = np.zeros((1, 8, 8), np.uint8)
        camera[0, :, int(7.99 * (self.place + 1) / 2)] = 255
        return {"camera": camera, "distance": np.array([self.place], np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1)
        return self._observation(), {}

    def step(self, action):
        self.place = float(np.clip(self.place + 0.1 * float(action[0]) / self.length, -1, 1))
        return self._observation(), -abs(self.place), False, False, {}


gym.register("Rail-v0", Rail, max_episode_steps=20)
'''
ENV = ["--env", "rails_here:Rail-v0", "--preset", "smoke"]
PPO = ["--algorithm", "ppo", "--total-steps", "64", "--n-envs", "2", "--n-steps", "16", "--batch-size", "16"]
START = """
import sys
sys.path = [path for path in sys.path if path]
from anysense.runs.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, with the module; not on the path of Python."""
    (tmp_path / "rails_here.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    yield tmp_path
    sys.modules.pop("rails_here", None)
    gym.registry.pop("Rail-v0", None)


def run(*arguments):
    """A command as in a process that knows nothing of the module."""
    sys.modules.pop("rails_here", None)
    gym.registry.pop("Rail-v0", None)
    assert main(list(arguments)) == 0


def test_the_stages_one_by_one(here, capsys, refused):
    run("pretrain", *ENV, "--samples", "200", "--env-option", "length=2.0", "--name", "a")
    sys.modules.pop("rails_here")
    assert "confirm with `--env rails_here:Rail-v0`" in refused("train", "--preset", "smoke", *PPO)
    assert not (here / "out" / "train").exists()
    run("train", *ENV, *PPO, "--eval-every", "64", "--name", "a")
    agent = json.loads((here / "out/train/a/agent/agent.json").read_text())
    assert agent["world"] == {"id": "rails_here:Rail-v0", "options": {"length": 2.0}}
    run("evaluate", *ENV, "--episodes", "3", "--name", "a")
    sys.modules.pop("rails_here")
    assert "confirm with `--env" in refused("evaluate", "--preset", "smoke")
    assert "confirm with `--env" in refused("report", "out/evaluate/a")
    run("report", "out/evaluate/a", *ENV[:2])
    printed = capsys.readouterr().out
    assert "camera" in printed
    assert "return" in printed


def test_jobs_in_other_processes_know_it(here, shell):
    (here / "program").mkdir()  # Python puts the folder of the program on its path, not the working folder.
    (here / "program" / "start.py").write_text(START)
    budget = ["--samples", "200", "--steps", "300", "--episodes", "2", "--jobs", "2", "--name", "a"]
    said = shell(here, "program/start.py", "compare", *ENV, *budget, "--methods", "gmc", "mvae")
    assert "Representations of an agent in rails_here:Rail-v0" in said
    report = json.loads((here / "out/compare/a/results/report.json").read_text())
    assert {record["method"] for record in report["records"]} == {"gmc", "mvae", "random"}
