"""Observations of every kind from the shell: what is told, what is chosen, and frames that are shrunk once for all."""

import json

import gymnasium as gym
import numpy as np
import pytest

from anysense.agents.exported import Agent
from anysense.representations.data import Transitions
from anysense.runs.cli import main

ID = "tests/EveryKind-v0"
SPACES = {
    "film": gym.spaces.Box(0, 255, (2, 9, 7, 3), np.uint8),
    "image": gym.spaces.Box(0, 255, (30, 20, 3), np.uint8),
    "joints": gym.spaces.Box(-3.0, 3.0, (5,), np.float32),
    "motion": gym.spaces.Box(-2.0, 5.0, (12, 3), np.float64),
    "picture": gym.spaces.Box(0.0, 1.0, (3, 8, 8), np.float32),
    "sound": gym.spaces.Box(0, 255, (512,), np.uint8),
    "spectrum": gym.spaces.Box(-80.0, 0.0, (1, 16, 12), np.float32),
    "voice": gym.spaces.Box(-32768, 32767, (800, 2), np.int16),
}
METHODS = ("gmc", "gram", "mvae", "mmvae", "nexus", "muse", "mfm")
ENV = ["--env", ID, "--preset", "smoke"]


class EveryKind(gym.Env):
    """All modalities tell one number, which actions move."""

    def __init__(self, offered=tuple(SPACES), cube=False):
        spaces = {name: SPACES[name] for name in offered}
        if cube:
            spaces["cube"] = gym.spaces.Box(0, 255, (3, 8, 3), np.uint8)
        self.observation_space = gym.spaces.Dict(spaces)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform()
        return self._seen(), {}

    def step(self, action):
        self.place = float(np.clip(self.place + 0.1 * float(action[0]), 0, 1))
        return self._seen(), self.place, False, False, {}

    def _seen(self):
        return {
            name: (box.low + self.place * (box.high.astype(np.float64) - box.low)).astype(box.dtype)
            for name, box in self.observation_space.spaces.items()
        }


gym.register(ID, EveryKind, max_episode_steps=15)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def only(*modalities):
    return [*ENV, "--env-option", f"offered={json.dumps(modalities)}"]


def pretrained(folder="out/pretrain/001"):
    with open(f"{folder}/representation/representation.json") as file:
        return {one["name"]: one for one in json.load(file)["modalities"]}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_from_every_kind(method, capsys):
    budget = ["--samples", "60", "--epochs", "1", "--batch-size", "16"]
    assert main(["pretrain", *ENV, "--method", method, *budget]) == 0
    said = capsys.readouterr()
    said = (said.out + said.err).replace("\n", " ")
    assert "image: uint8 (30, 20, 3), read as image (height x width x channels)" in said
    assert "60 samples take 1 MB of memory" in said
    assert {name: one["kind"] for name, one in pretrained().items()} == {
        "film": "image:shwc",
        "image": "image:hwc",
        "joints": "vector",
        "motion": "sequence:tf",
        "picture": "image:chw",
        "sound": "waveform:n",
        "spectrum": "spectrogram:ctf",
        "voice": "waveform:nc",
    }


def test_kinds_are_chosen(refused):
    budget = ["--samples", "40", "--epochs", "1"]
    world = [*only("sound", "motion"), "cube=true"]
    assert "say so with --kind cube=image:chw or --kind cube=image:hwc" in refused("pretrain", *world, *budget)
    assert main(["pretrain", *world, *budget, "--kind", "cube=image:hwc", "motion=waveform"]) == 0
    assert {name: one["kind"] for name, one in pretrained().items()} == {
        "cube": "image:hwc",
        "motion": "waveform:nc",
        "sound": "waveform:n",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "sound"], "`kind` must be written NAME=KIND, each name once, for example sound=waveform; got 's"),
        (["--kind", "sound=vector", "sound=vector"], "each name once"),
        (["--kind", "sounds=vector"], "`kind` must be one of 'joints', 'sound'; got 'sounds'. Did you mean 'sound'"),
        (["--kind", "sound=image"], "cannot be of the kind 'image'"),
        (
            ["--image-size", "84"],
            "the networks 'generic' read no modality as an image, there are joints (vector), sound (waveform:n)",
        ),
        (["--image-size", "0"], "`image_size` must be at least 1; got 0"),
        (["--samples", "1e12"], "of memory, this machine has"),
    ],
)
def test_options_without_meaning_are_refused(options, message, refused):
    assert message in refused("pretrain", *only("joints", "sound"), *options)


def test_frames_of_the_pendulum_are_not_prepared_by_its_own_networks(refused):
    said = refused("pretrain", "--preset", "smoke", "--image-size", "20")
    assert "the networks 'pendulum' read no modality as an image" in said
    budget = ["--samples", "40", "--epochs", "1", "--networks", "generic", "--image-size", "20"]
    assert main(["pretrain", "--preset", "smoke", *budget]) == 0
    assert pretrained()["image"]["image_size"] == 20


def test_frames_are_shrunk_once_for_all_stages(tmp_path, refused):
    frames, few = ["--image-size", "10", "--grey"], ["--samples", "60", "--epochs", "1"]
    assert main(["pretrain", *only("image", "joints"), *frames, *few, "--save-data"]) == 0
    data = "out/pretrain/001/transitions.npz"
    assert tuple(Transitions.load(data).modalities["image"].shape[1:]) == (1, 10, 10)
    assert main(["pretrain", *only("image", "joints"), *frames, *few, "--data", data]) == 0
    asked = refused("pretrain", *only("image", "joints"), *few, "--data", data)
    assert "holds 'image' of shape (1, 10, 10), asked for was (30, 20, 3). Give the `--image-size` and" in asked
    ppo = ["--algorithm", "ppo", "--total-steps", "32", "--n-envs", "2", "--n-steps", "16", "--batch-size", "16"]
    assert main(["train", "--preset", "smoke", *ppo, "--eval-every", "32", "--eval-episodes", "1"]) == 0
    assert main(["evaluate", "--preset", "smoke", "--episodes", "2"]) == 0
    agent = Agent.load("out/train/001/agent")
    image = gym.make(ID).reset(seed=0)[0]["image"]
    assert agent.act({"image": image}).shape == (1,)
    assert agent.act({"image": np.stack([image] * 3)}).shape == (3, 1)
    assert agent.modalities["image"].prepared.shape == (1, 10, 10)


def test_the_demo_hands_them_on():
    budget = ["--samples", "60", "--epochs", "1", "--steps", "150", "--episodes", "1"]
    assert main(["demo", *only("image", "joints"), "--image-size", "9", "--kind", "joints=sequence", *budget]) == 0
    found = pretrained("out/demo/001/pretrain")
    assert (found["image"]["image_size"], found["joints"]["kind"]) == (9, "sequence:t")
