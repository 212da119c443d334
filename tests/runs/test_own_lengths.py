"""A recording of one's own with sequences of different lengths, from the file to the saved representation."""

import math
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from anysense.common.files import sha256_of
from anysense.representations import load_representation
from anysense.runs.cli import main

STEPS = np.arange(60) % 13
"""Of a gesture; those with none have no gesture."""
ENV = ["pretrain", "--env", "Gesture-v0", "--preset", "smoke", "--name", "a"]


class Gesture(gym.Env):
    observation_space = spaces.Dict(
        {"gesture": spaces.Box(-np.inf, np.inf, (12, 3), np.float32), "word": spaces.Box(-1.0, 1.0, (4,), np.float32)}
    )
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gym.register("Gesture-v0", Gesture)
    yield tmp_path
    gym.registry.pop("Gesture-v0")


def record(path, padding=0.0, **changes):
    rng = np.random.default_rng(0)
    own = {"gesture": rng.normal(size=(60, 12, 3)), "word": rng.uniform(-1, 1, (60, 4))}
    own["gesture"][np.arange(12) >= STEPS[:, None]] = padding
    np.savez(path, **(own | {"lengths.gesture": STEPS} | changes))
    return own


def test_padding_of_a_file_has_no_influence():
    found = []
    for number, padding in enumerate((0.0, math.nan)):
        own = record("own.npz", padding)
        assert main([*ENV, "--method", "mvae", "--data", "own.npz", "--out", str(number)]) == 0
        folder = f"{number}/pretrain/a/representation"
        found.append(sha256_of(Path(folder, "representation.safetensors")))
    assert found[0] == found[1]
    latents = load_representation(folder).encode({"gesture": own["gesture"][1:13]}, lengths={"gesture": STEPS[1:13]})
    assert torch.isfinite(latents).all()


WRONG = {
    "`lengths['gesture']` must lie between 0 (absent) and 12, the steps of 'gesture'; got 13 in row 12 and 3 others.": {
        "lengths.gesture": STEPS + 1
    },
    "`lengths['gesture']` must have dtype torch.int64; got torch.float64.": {"lengths.gesture": STEPS / 2},
    "`lengths['gesture']` must have shape (60,), one number per row; got (59,).": {"lengths.gesture": STEPS[1:]},
    "`lengths['word']` must belong to a sequence, waveform or spectrogram; word:": {"lengths.word": STEPS},
    "it holds gesture, lengths.gesture, lengths.sign, word.": {"lengths.sign": STEPS},
}


@pytest.mark.parametrize(("message", "changes"), WRONG.items())
def test_wrong_lengths_are_refused_before_anything_is_written(message, changes, here, refused):
    record("own.npz", **changes)
    assert message in refused(*ENV, "--data", "own.npz")
    assert [path.name for path in here.iterdir()] == ["own.npz"]


class Digit(gym.Env):
    """Shapes of MHD, whose networks read whole sounds."""

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (1, 28, 28), np.uint8),
            "sound": spaces.Box(-np.inf, np.inf, (1, 32, 128), np.float32),
        }
    )
    action_space = Gesture.action_space


def test_networks_that_cannot_leave_padding_out_are_refused(here, refused):
    gym.register("Digit-v0", Digit)
    images, sounds = np.zeros((4, 1, 28, 28), np.uint8), np.zeros((4, 1, 32, 128))
    np.savez("own.npz", image=images, sound=sounds, **{"lengths.sound": np.array([32, 1, 2, 3])})
    said = refused("pretrain", "--env", "Digit-v0", "--preset", "smoke", "--networks", "mhd", "--data", "own.npz")
    gym.registry.pop("Digit-v0")
    assert "`lengths` of 'sound' cannot be used: the networks 'mhd' would take padding for data. Use the" in said
    assert [path.name for path in here.iterdir()] == ["own.npz"]
