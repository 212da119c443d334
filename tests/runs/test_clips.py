"""Clips of `anysense evaluate --video`: what they show, how long they last, and that none of them ends the work."""

import sys
import wave

import gymnasium as gym
import numpy as np
import pytest

from anysense.agents.evaluation import EvaluationEpisodes
from anysense.agents.exported import Agent
from anysense.envs import MultimodalPendulumEnv
from anysense.representations.modality import Modality
from anysense.runs.cli import main
from anysense.runs.clips import write_clips
from anysense.runs.panel import WIDTH, WithPanel

STEPS = 6


def evaluate(out, *options):
    return main(
        ["evaluate", "--preset", "smoke", "--episodes", "2", "--steps", str(STEPS), "--out", str(out), *options]
    )


def test_one_clip_per_subset_with_picture_and_sound_in_sync(trained, capsys):
    av = pytest.importorskip("av")
    agent = str(trained / "train" / "a")
    assert evaluate(trained, agent, "--name", "clips", "--video", "--video-formats", "mp4", "wav") == 0
    folder = trained / "evaluate" / "clips" / "clips"
    assert f"Clips: {folder}" in capsys.readouterr().out
    names = {f"{subset}.{kind}" for subset in ("complete", "image", "sound") for kind in ("mp4", "wav")}
    assert {path.name for path in folder.iterdir()} == names
    for subset in ("complete", "image", "sound"):
        with av.open(str(folder / f"{subset}.mp4")) as file:
            seconds = {stream.type: float(stream.duration * stream.time_base) for stream in file.streams}
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert seconds["video"] == pytest.approx((STEPS + 1) / 20)
        assert abs(seconds["video"] - seconds["audio"]) < 1 / 20
        assert frames[0].shape == (480, 480 + WIDTH, 3)
        boxes = [frames[-1][60:200, 492:620], frames[-1][250:400, 492:620]]  # image above, sound below
        shown = [box.std() > 8 for box in boxes]
        assert shown == [subset in ("complete", "image"), subset in ("complete", "sound")]
    known = Agent.load(trained / "train" / "a" / "agent")
    episodes = EvaluationEpisodes.of(known.world, 2, STEPS, 0)
    env = MultimodalPendulumEnv()
    observation, _ = env.reset(options={"state": episodes.starts[0]})
    heard = [env.render_sound()]
    for _ in range(STEPS):
        observation, *_ = env.step(known.act({"sound": observation["sound"]}))
        heard.append(env.render_sound())
    with wave.open(str(folder / "sound.wav")) as file:  # the agent acted on sound alone, from the first start state
        track = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32767
    np.testing.assert_allclose(track.T, np.concatenate(heard, axis=1), atol=1e-4)


def test_a_missing_extra_is_one_warning(trained, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert evaluate(trained, str(trained / "train" / "a"), "--name", "none", "--video") == 0
    printed = capsys.readouterr()
    assert printed.err.count("Warning") == 1
    assert "needs av, which is not installed: pip install 'anysense[video]'" in printed.err
    assert "Clips" not in printed.out
    assert (trained / "evaluate" / "none" / "results" / "results.json").is_file()


def test_a_clip_that_fails_is_one_warning(trained, capsys, monkeypatch, tmp_path):
    agent = Agent.load(trained / "train" / "a" / "agent")
    monkeypatch.setattr(MultimodalPendulumEnv, "render", lambda self: None)
    episodes = EvaluationEpisodes.of(agent.world, 1, STEPS, 0)
    assert write_clips(agent, episodes, tmp_path / "clips", ("gif",)) == []
    assert capsys.readouterr().err.count("Warning: no clips from 'complete' on (TypeError") == 1
    assert not (tmp_path / "clips").exists()


def test_formats_without_clips_are_refused(refused, trained):
    message = refused("evaluate", trained / "train" / "a", "--out", trained, "--video-formats", "gif")
    assert "`video-formats` has no effect without `--video`" in message


@pytest.mark.parametrize(
    ("modality", "value"),
    [
        (Modality("m", (2, 9, 9), "uint8", 0, 255), np.eye(9, dtype=np.uint8)[None].repeat(2, 0) * 255),
        (Modality("m", (9, 12, 3), "uint8", 0, 255), np.arange(324, dtype=np.uint8).reshape(9, 12, 3)),
        (Modality("m", (3, 9, 12), "uint8", 0, 255), np.arange(324, dtype=np.uint8).reshape(3, 9, 12)),
        (Modality("m", (4,), "float32"), np.arange(4, dtype=np.float32)),
        (Modality("m", (2, 3, 2), "float32", 0, 9), np.arange(12, dtype=np.float32).reshape(2, 3, 2)),
        (Modality("m", (2, 1, 800), "float32", -1, 1), np.sin(np.arange(1600.0)).reshape(2, 1, 800)),
        (Modality("m", (2, 3, 5, 32), "float32", -50, 34), np.linspace(-50, 34, 960).reshape(2, 3, 5, 32)),
    ],
)
def test_every_kind_of_modality_is_drawn_and_a_missing_one_is_not(modality, value):
    class Still(gym.Env):
        render_mode = "rgb_array"

        def reset(self, *, seed=None, options=None):
            return {"m": value}, {}

        def step(self, action):
            return {"m": value}, -1.0, False, False, {}

        def render(self):
            return np.full((100, 160, 3), 7, np.uint8)

    drawn = {}
    for given in (("m",), ()):
        env = WithPanel(Still(), {"m": modality}, given, "agent")
        env.reset()
        for _ in range(70):
            env.step(1)
        picture = env.render()
        assert (picture.shape, picture.dtype) == ((400, 640 + WIDTH, 3), np.uint8)
        assert (picture[:, :640] == 7).all()
        drawn[given] = picture[70:320, 660:940]
    assert drawn["m",].std() > 1
    assert drawn[()].std(axis=(0, 1)).max() == 0


def test_pretrain_train_and_evaluate_on_a_spectrogram(tmp_path, capsys):
    common = ["--preset", "smoke", "--out", str(tmp_path), "--name", "a"]
    mel = ["--env-option", "sound=mel", "sample_rate=4000"]
    assert main(["pretrain", *common, *mel, "--samples", "64", "--epochs", "1"]) == 0
    train = ["--algorithm", "ppo", "--total-steps", "64", "--n-envs", "2", "--n-steps", "32", "--eval-episodes", "2"]
    assert main(["train", *common, *train]) == 0
    assert evaluate(tmp_path, "--video", "--video-formats", "wav") == 0
    assert len(list(tmp_path.glob("evaluate/001/clips/*.wav"))) == 3
