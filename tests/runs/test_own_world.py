"""An environment whose module lies in the working folder: confirmed once by --env, also for the processes of --jobs."""

import json
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch

from anysense.agents.exported import Agent
from anysense.envs import world
from anysense.representations.data import Transitions
from anysense.representations.data.own import read_recorded
from anysense.representations.modality import modalities_from_space
from anysense.runs.cli import main

WORLD = '''
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Rail(gym.Env):
    """A cart on a rail; a camera of 8 x 8 and a distance see where it is."""

    def __init__(self, length=1.0, fault=0):
        self.length, self.fault = length, fault
        self.observation_space = spaces.Dict(
            {"camera": spaces.Box(0, 255, (1, 8, 8), np.uint8), "distance": spaces.Box(-1.0, 1.0, (1,), np.float32)}
        )
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _observation(self):
        self.age += 1
        camera = np.zeros((1, 8, 8), np.uint8)
        camera[0, :, int(7.99 * (self.place + 1) / 2)] = 255
        place = np.nan if self.age == self.fault else self.place
        return {"camera": camera, "distance": np.array([place], np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.age = self.np_random.uniform(-1, 1), 0
        return self._observation(), {"place": self.place}

    def step(self, action):
        self.place = float(np.clip(self.place + 0.1 * float(action[0]) / self.length, -1, 1))
        return self._observation(), -abs(self.place), False, False, {"place": self.place}


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
    budget = ["--samples", "100", "--steps", "100", "--episodes", "2", "--jobs", "2", "--name", "a"]
    said = shell(here, "program/start.py", "compare", *ENV, *budget, "--methods", "gmc", "mvae")
    assert "Representations of an agent in rails_here:Rail-v0" in said
    report = json.loads((here / "out/compare/a/results/report.json").read_text())
    assert {record["method"] for record in report["records"]} == {"gmc", "mvae", "random"}


POLICY = """
import numpy as np


def towards_the_middle(observation, rng):
    return np.clip(-np.sign(observation["distance"]) * rng.uniform(0.5, 1, (len(observation["distance"]), 1)), -1, 1)


def too_few(observation, rng):
    return np.zeros(3)


def too_far(observation, rng):
    return np.full((len(observation["distance"]), 1), 9.0)


nothing = None
"""
SAMPLES = ("--samples", "200")


def data_of(folder):
    return Transitions.load(folder / "transitions.npz")


def test_who_acts_while_observations_are_collected(here, monkeypatch):
    """A function of the user's, and an agent that was trained on what came of it."""
    (here / "policies_here.py").write_text(POLICY)
    options = ["--policy", "policies_here:towards_the_middle", "--probe", "place", "--save-data"]
    run("pretrain", *ENV, *SAMPLES, *options, "--name", "a")
    data = data_of(here / "out/pretrain/a")
    rows = range(200)
    places, names = data.observation(rows)["distance"].double(), data.probe_targets([0])[0]
    assert names == ("place",)
    assert torch.allclose(data.probe_targets(rows)[1], places)
    assert torch.equal(torch.sign(data.action(rows)), -torch.sign(places).float())
    assert data.policy == options[1]
    assert "kernel_probe/camera_place_r2" in (here / "out/pretrain/a/metrics.csv").read_text()
    run("train", *ENV, *PPO, "--eval-every", "64", "--name", "a")
    run("pretrain", *ENV, *SAMPLES, "--policy", "out/train/a", "--save-data", "--name", "b")
    agent, acted = Agent.load(here / "out/train/a/agent"), data_of(here / "out/pretrain/b")
    expected = agent.act({name: it.numpy() for name, it in acted.observation(range(9)).items()})
    np.testing.assert_allclose(acted.action(range(9)), expected, rtol=1e-5)
    assert "probe" not in (here / "out/pretrain/b/metrics.csv").read_text()


WRONG = {
    "'random', 'MODULE:FUNCTION', 'AGENT_FOLDER', 'hub:OWNER/NAME'; got 'covrage'.": ["--policy", "covrage"],
    "ModuleNotFoundError: No module named 'nowhere'.": ["--policy", "nowhere:act"],
    "module 'policies_here' has no attribute 'acts'": ["--policy", "policies_here:acts"],
    "must be a function of the observation and a random generator": ["--policy", "policies_here:nothing"],
    "an array of shape (4, 1); got float64 of shape (3,)": ["--policy", "policies_here:too_few"],
    "must return actions of Box(-1.0, 1.0, (1,), float32); got [9.]. Clip": ["--policy", "policies_here:too_far"],
    "`program` holds no agent": ["--policy", "program"],
    "`probe` 'places' must name an array of numbers in the info of rails_here:Rail-v0; it has 'place'.": [
        "--probe", "places",
    ],
    "`own.npz` must hold an array for each of camera, distance, and may hold present.NAME, lengths.NAME and "
    "trajectory; it holds camera, colour.": ["--data", "own.npz"],
    "`far.npz` does not exist": ["--data", "far.npz"],
    "must have shape (N, *(1,))": ["--data", "flat.npz"],
    "`camera` must have dtype uint8; got float64": ["--data", "whole.npz"],
    "must be one of 'length', 'fault'; got 'lenght'. Did you mean 'length'": ["--env-option", "lenght=1"],
    "`env` rails_here:Rail-v0: 'distance' has NaN or infinity.": ["--env-option", "fault=4"],
}  # fmt: skip


def test_wrong_input_is_refused_before_anything_is_written(here, refused):
    (here / "policies_here.py").write_text(POLICY)
    (here / "program").mkdir()
    camera = np.zeros((5, 1, 8, 8), np.uint8)
    np.savez(here / "own.npz", camera=camera, colour=camera)
    np.savez(here / "flat.npz", camera=camera, distance=np.zeros(5))
    np.savez(here / "whole.npz", camera=camera / 255, distance=np.zeros((5, 1)))
    before = sorted(here.rglob("*.*"))
    for message, options in WRONG.items():
        assert message in refused("pretrain", *ENV, *options)
    assert [path for path in sorted(here.rglob("*.*")) if "__pycache__" not in path.parts] == before


def test_a_fault_during_the_work_is_failed_work(here, capsys):
    assert main(["pretrain", *ENV, *SAMPLES, "--env-option", "fault=15"]) == 1
    assert "EnvironmentFaultError: `env` rails_here:Rail-v0: 'distance' has NaN or infinity." in capsys.readouterr().err


def test_a_recording_of_ones_own(here):
    """Plain arrays; some frames are missing, and samples of one trajectory stay together."""
    places = np.linspace(-1, 1, 120)
    camera = np.zeros((120, 1, 8, 8), np.uint8)
    camera[np.arange(120), 0, :, (7.99 * (places + 1) / 2).astype(int)] = 255
    seen, trajectory = np.arange(120) % 7 > 0, np.arange(120) // 10
    own = {"camera": camera, "distance": places[:, None], "present.camera": seen, "trajectory": trajectory}
    np.savez(here / "own.npz", **own)
    run("pretrain", *ENV, "--data", "own.npz", "--name", "a")
    known = modalities_from_space(world("rails_here:Rail-v0").observation_space)
    data = read_recorded(here / "own.npz", known)
    train, validation = data.split(0.25, 0)
    assert (len(train), len(validation)) == (90, 30)
    assert not set(train.groups.tolist()) & set(validation.groups.tolist())
    assert torch.equal(data.present(range(120))[0], torch.from_numpy(seen))
    described = json.loads((here / "out/pretrain/a/representation/representation.json").read_text())
    assert described["world"] == {"id": "rails_here:Rail-v0", "options": {}}


BOTH = """
import hashlib, sys
from pathlib import Path
from anysense.agents import evaluation
from anysense.runs.cli import main
if __name__ == "__main__":
    evaluation.processors = lambda: 2  # So many episodes at a time, whatever the machine: batches of one size.
    for vector in ("sync", "async"):
        for words in sys.argv[1].split(" / "):
            assert main([*words.split(), "--vector", vector, "--out", vector, "--name", "a"]) == 0
        files = [*Path(vector).rglob("*.safetensors"), *Path(vector, "evaluate").rglob("*.csv")]
        print("made", [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)])
"""


def test_processes_change_no_result(here, shell):
    """Of collection, training and evaluation, from a fresh process."""
    (here / "both.py").write_text(BOTH)
    env = " ".join(ENV)
    words = f"pretrain {env} --samples 100 / train {env} {' '.join(PPO)} --eval-every 64 --eval-episodes 1"
    said = shell(here, "both.py", f"{words} / evaluate {env} --episodes 2")
    one, other = [line for line in said.splitlines() if line.startswith("made")]
    assert one == other
    assert one.count(",") >= 4
