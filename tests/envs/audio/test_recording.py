"""Clips: picture and sound last as long, and what is heard is what the physics says."""

import sys
import wave
from functools import partial

import gymnasium as gym
import numpy as np
import pytest

import anysense.envs
from anysense.envs import RecordVideoWithSound
from anysense.envs.audio.clips import Clip
from anysense.envs.audio.recording import as_audio
from anysense.envs.audio.stereo import mixing
from anysense.envs.pendulum.acoustics import hear, receiver_positions, sound_bounds

STEPS, RATE = 24, 16_000


def played(env, steps=STEPS):
    """States (steps + 1, 2) of a swing."""
    _, info = env.reset(options={"state": [2.5, 4.0]})
    states = [info["state"]]
    for _ in range(steps):
        *_, info = env.step(np.array([2 * np.sign(info["state"][1])], np.float32))
        states.append(info["state"])
    return np.array(states)


def pendulum(**options):
    return gym.make(anysense.envs.DEFAULT_WORLD, modalities=("image",), render_mode="rgb_array", **options)


@pytest.fixture(scope="module")
def swing(tmp_path_factory):
    """Folder with the clips of a swing that one receiver hears, and its states."""
    pytest.importorskip("av")
    folder = tmp_path_factory.mktemp("clips")
    env = RecordVideoWithSound(pendulum(receivers=("middle_top",)), folder, formats=("mp4", "gif", "wav"))
    states = played(env)
    env.close()
    assert [path.name for path in env.paths] == ["episode-0.mp4", "episode-0.gif", "episode-0.wav"]
    return folder, states


def decoded(path):
    """Pictures (T, H, W, 3) and sound (channels, N) of a clip."""
    import av

    with av.open(str(path)) as file:
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    with av.open(str(path)) as file:
        sound = [frame.to_ndarray() for frame in file.decode(audio=0)]
    return np.array(pictures), np.concatenate(sound, axis=1)


def lengths(path):
    import av

    with av.open(str(path)) as file:
        found = {stream.type: float(stream.duration * stream.time_base) for stream in file.streams}
        codecs = {stream.type: stream.codec_context.name for stream in file.streams}
    return found, codecs


def track(folder):
    """Sound (samples, channels) of the WAV file."""
    with wave.open(str(folder / "episode-0.wav")) as file:
        assert file.getframerate() == RATE
        content = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return content.reshape(-1, file.getnchannels()) / 32767


def dominant(sound):
    """The loudest frequency in Hz, by a transform with zeros behind the sound."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**16))
    return np.argmax(spectrum) * RATE / 2**16


def test_picture_and_sound_last_as_long(swing):
    folder, _ = swing
    seconds, codecs = lengths(folder / "episode-0.mp4")
    assert codecs == {"video": "h264", "audio": "aac"}
    assert seconds["video"] == pytest.approx((STEPS + 1) / 20)
    assert abs(seconds["video"] - seconds["audio"]) < 0.05
    assert lengths(folder / "episode-0.gif")[0]["video"] == pytest.approx((STEPS + 1) / 20)
    assert len(track(folder)) == (STEPS + 1) * 800


def test_pictures_are_those_of_the_episode(swing):
    folder, states = swing
    pictures, _ = decoded(folder / "episode-0.mp4")
    assert pictures.shape == (STEPS + 1, 480, 480, 3)
    env = pendulum(receivers=("middle_top",)).unwrapped
    for step in (0, 9, STEPS):
        env.reset(options={"state": states[step]})
        assert np.abs(pictures[step].astype(int) - env.render()).mean() < 3


@pytest.mark.parametrize("of", ["wav", "mp4"])
def test_the_dominant_frequency_follows_the_doppler_formula(swing, of):
    folder, states = swing
    heard = track(folder)[:, 0] if of == "wav" else decoded(folder / "episode-0.mp4")[1][0]
    frequencies = hear(states[:, 0], states[:, 1], receiver_positions(("middle_top",)))[:, 0, 0]
    assert np.ptp(frequencies) > 200
    middle = (frequencies[1:] + frequencies[:-1]) / 2
    found = [dominant(heard[800 * step : 800 * (step + 1)]) for step in range(1, STEPS + 1)]
    np.testing.assert_allclose(found, middle, rtol=0.01)


def test_sound_is_heard_from_its_side():
    env = pendulum(receivers=("left_bottom", "right_bottom")).unwrapped
    played(env, 1)
    left, right = env.render_sound()
    assert abs(left).max() != pytest.approx(abs(right).max(), rel=0.01)
    np.testing.assert_array_equal(env.render_sound(), [left, right])
    np.testing.assert_array_equal(mixing(("left_top", "right_top", "middle_top"), 0.5) * 1.5, [[2, 0, 1], [0, 2, 1]])
    np.testing.assert_array_equal(mixing(("left_top",), 1.0), [[1], [1]])


def test_what_is_played_is_the_waveform_of_the_observation():
    env = anysense.envs.MultimodalPendulumEnv(("sound",), ("left_top", "right_top"), sound="waveform")
    observation, _ = env.reset(seed=3)
    loudest = sound_bounds(env.settings.receivers)[1][:, 1].max()
    for _ in range(4):
        np.testing.assert_allclose(env.render_sound() * loudest, observation["sound"][-1], atol=1e-6)
        observation, *_ = env.step(env.action_space.sample())


def test_render_sound_before_reset():
    with pytest.raises(RuntimeError, match="`render_sound` was called before the first `reset`"):
        anysense.envs.MultimodalPendulumEnv().render_sound()


def test_hyperhot_and_chosen_episodes(tmp_path):
    pytest.importorskip("av")
    env = gym.make("anysense/Hyperhot-v0", modalities=("image",), render_mode="rgb_array")
    env = RecordVideoWithSound(env, tmp_path / "new", lambda episode: episode == 1, name="game-{}")
    for _ in range(3):
        env.reset(seed=0)
        for _ in range(5):
            env.step(0)
    env.close()
    assert [path.name for path in env.paths] == ["game-1.mp4"] == [path.name for path in (tmp_path / "new").iterdir()]
    seconds, _ = lengths(env.paths[0])
    assert seconds["video"] == pytest.approx(0.2)
    assert abs(seconds["video"] - seconds["audio"]) < 1 / 30


def test_arcade_games(tmp_path):
    pytest.importorskip("av")
    gym.register_envs(pytest.importorskip("ale_py"))
    env = gym.make("ALE/Breakout-v5", sound_obs=True, render_mode="rgb_array")
    env = RecordVideoWithSound(env, tmp_path, formats=("mp4", "wav"), fps=15, sample_rate=30_720)
    env.reset(seed=0)
    for action in (1, 0, 0, 2, 3):
        env.step(action)
    env.close()
    seconds, _ = lengths(env.paths[0])
    assert seconds["video"] == pytest.approx(6 / 15)
    assert abs(seconds["video"] - seconds["audio"]) < 1 / 15
    with wave.open(str(env.paths[1])) as file:
        assert file.getnframes() == 6 * 2048  # sound of one frame of four is repeated


class Beep(gym.Env):
    """Gives a beep where it is told to, in the observation or in info."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = gym.spaces.Dict({"sound": gym.spaces.Box(-1, 1, (2, 1, 100), np.float32)})
    action_space = gym.spaces.Discrete(2)

    def __init__(self, place="observation", render_mode="rgb_array", level=1.0):
        self.place, self.render_mode, self.level = place, render_mode, level
        self.picture = np.zeros((11, 13, 3), np.uint8)

    def reset(self, *, seed=None, options=None):
        beep = np.stack([np.zeros((1, 100)), np.full((1, 100), self.level)]).astype(np.float32)
        return ({"sound": beep}, {}) if self.place == "observation" else ({}, {self.place: beep[1, 0]})

    def step(self, action):
        return *self.reset()[:1], 0.0, False, False, self.reset()[1]

    def render(self):
        return self.picture


@pytest.mark.parametrize("place", ["observation", "audio"])
def test_sound_of_observation_or_info(tmp_path, place):
    env = RecordVideoWithSound(Beep(place), tmp_path, formats=("wav",))
    env.reset()
    env.step(0)
    env.close()
    with wave.open(str(env.paths[0])) as file:
        assert (file.getframerate(), file.getnframes()) == (3000, 200)  # 30 pictures a second
        assert (np.frombuffer(file.readframes(200), "<i2") == 32767).all()  # of a stack the newest


class Player(Beep):
    """Gives it by `render_sound`, and renders nothing."""

    def __init__(self, level=1.0):
        super().__init__("render_sound", None, level)

    def render_sound(self):
        return np.full((1, 100), self.level, np.float32)

    def render(self):
        raise AssertionError("nobody needs a picture")


def test_sound_alone_needs_no_picture(tmp_path):
    env = RecordVideoWithSound(Player(), tmp_path, formats=("wav",))
    env.reset()
    env.close()
    with wave.open(str(env.paths[0])) as file:
        assert (np.frombuffer(file.readframes(100), "<i2") == 32767).all()


def test_pictures_alone_need_no_sound(tmp_path):
    env = RecordVideoWithSound(Beep("nothing"), tmp_path, formats=("gif",))
    env.reset()
    env.close()
    assert [path.name for path in tmp_path.iterdir()] == ["episode-0.gif"]


def test_sound_beyond_the_range_is_cut_with_one_warning(tmp_path):
    env = RecordVideoWithSound(Player(1.5), tmp_path, formats=("wav",))
    with pytest.warns(UserWarning, match=r"the sound of `env` reaches 1\.5; it is cut at -1 and 1"):
        env.reset()
    env.step(0)  # a second warning would be an error
    env.reset()
    env.close()
    with wave.open(str(env.paths[0])) as file:
        assert (np.frombuffer(file.readframes(200), "<i2") == 32767).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("made", "name"),
    [
        (Player, r"`render_sound\(\)`"),
        (partial(Beep, "observation", "rgb_array"), r"`observation\['sound'\]`"),
        (partial(Beep, "audio", "rgb_array"), r"`info\['audio'\]`"),
    ],
)
def test_sound_that_is_no_number_is_refused_by_name(tmp_path, made, name, value):
    env = RecordVideoWithSound(made(value), tmp_path, formats=("wav",))
    with pytest.raises(ValueError, match=rf"{name} must be finite, within -1 to 1; 100 of 100 samples are NaN"):
        env.reset()
    env.close()
    assert list(tmp_path.iterdir()) == []


def test_clips_that_are_there_are_kept(tmp_path):
    (tmp_path / "episode-0.wav").write_bytes(b"mine")
    for level in (0.25, 0.5):
        env = RecordVideoWithSound(Player(level), tmp_path, formats=("wav",))
        env.reset()
        env.close()
    assert (tmp_path / "episode-0.wav").read_bytes() == b"mine"
    levels = {}
    for number in (2, 3):
        with wave.open(str(tmp_path / f"episode-0-{number}.wav")) as file:
            levels[number] = np.frombuffer(file.readframes(1), "<i2")[0] / 32767
    assert levels == pytest.approx({2: 0.25, 3: 0.5}, abs=1e-4)


def test_a_name_without_number_serves_several_episodes(tmp_path):
    env = RecordVideoWithSound(Beep(), tmp_path, name="clip", formats=("wav", "gif"))
    for _ in range(2):
        env.reset()
    env.close()
    assert [path.name for path in env.paths] == ["clip.wav", "clip.gif", "clip-2.wav", "clip-2.gif"]


def test_a_folder_that_cannot_be_written_is_found_at_once(tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "clips"
    with pytest.raises(NotADirectoryError, match=rf"Cannot write `{folder}` \(Not a directory\)"):
        RecordVideoWithSound(Player(), folder, formats=("wav",))


def test_a_clip_that_fails_leaves_no_file(tmp_path):
    env = RecordVideoWithSound(Beep(), tmp_path, formats=("wav", "gif"))
    env.reset()
    env.env.picture = "none"
    with pytest.raises(ValueError, match="none"):
        env.step(0)
    env.close()
    assert env.paths == list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full(100, 0.5), [[0.5]]),
        (np.full((100, 2), 2.0), [[1.0], [1.0]]),
        (np.r_[np.zeros(50), np.full(50, 255)].astype(np.uint8), [[-1.0]]),
        (np.zeros(100, np.uint8), [[0.0]]),
        (np.r_[[0] * 99, 1].astype(np.int16)[None], [[0.0]]),
    ],
)
def test_forms_of_audio(values, expected):
    audio = as_audio(values)
    assert (audio.shape, audio.dtype) == ((len(expected), 100), np.float32)
    np.testing.assert_array_equal(audio[:, :1], expected)


def test_errors(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"`env` must be made with render_mode='rgb_array', or .*; got None"):
        RecordVideoWithSound(gym.make(anysense.envs.DEFAULT_WORLD), tmp_path)
    with pytest.raises(ValueError, match="`formats` must be one of 'mp4', 'gif', 'wav'; got 'mp3'"):
        RecordVideoWithSound(pendulum(), tmp_path, formats=("mp3",))
    with pytest.raises(ValueError, match="`fps` must"):
        RecordVideoWithSound(pendulum(), tmp_path, fps=-1)
    silent = RecordVideoWithSound(Beep("nothing"), tmp_path, formats=("wav",))
    with pytest.raises(ValueError, match=r"`env` gives no audio: .* Say where the sound is with `sound`"):
        silent.reset()
    with pytest.raises(ValueError, match=r"sound must be a waveform, .*; got shape \(3, 2\) of float64"):
        as_audio(np.zeros((3, 2)))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'anysense\[video\]'"):
        RecordVideoWithSound(pendulum(), tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'anysense\[video\]'"):
        Clip(tmp_path / "a", 20, RATE)
