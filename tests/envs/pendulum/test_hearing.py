"""Audio and spectrograms of the pendulum: against the tones, a slow twin, scipy and librosa; bounds and errors."""

import math
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal.windows import hann
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from anysense.envs import MultimodalPendulumEnv, MultimodalPendulumVectorEnv, world
from anysense.envs.audio.mel import BANDS, HIGHEST, LOWEST, mel_filters
from anysense.envs.audio.waveform import wave_table
from anysense.envs.pendulum.acoustics import RECEIVERS, hear, receiver_positions

ONE = ("sound",)
RATE = 16_000


def made(**arguments):
    return MultimodalPendulumEnv(ONE, **arguments)


def recorded(env, steps=30, torque=2.0):
    """Newest frame of each step from a reset on, (steps + 1, ...), and the states (steps + 1, 2)."""
    observation, info = env.reset(options={"state": [2.5, 3.0]})
    frames, states = [observation["sound"][-1]], [info["state"]]
    for _ in range(steps):
        observation, _, _, _, info = env.step(np.array([torque * np.sign(info["state"][1])], np.float32))
        frames.append(observation["sound"][-1])
        states.append(info["state"])
    return np.array(frames), np.array(states)


@pytest.fixture(scope="module")
def swing():
    """Audio (31, 3, 800) and tones (31, 3, 2) of a swing."""
    frames, states = recorded(made(sound="waveform"))
    return frames, hear(states[:, 0], states[:, 1], receiver_positions(("left_bottom", "right_bottom", "middle_top")))


def slow_audio(tones, rate):
    """Sample by sample: the phase of a sine grows with the present frequency. ``tones`` (T, 2) of one receiver."""
    samples, turns, count = [], 0.0, rate // 20
    for before, after in zip([tones[0], *tones], tones, strict=False):
        for place in range(1, count + 1):
            middle = (place - 0.5) / count
            turns += (before[0] + (after[0] - before[0]) * middle) / rate
            loud = before[1] + (after[1] - before[1]) * place / count
            samples.append(loud * math.sin(2 * math.pi * turns))
    return np.array(samples)


def test_audio_agrees_with_a_slow_twin(swing):
    frames, tones = swing
    expected = slow_audio(tones[:6, 1], RATE)
    np.testing.assert_allclose(frames[:6, 1].ravel(), expected, atol=5e-4)


def test_a_step_has_the_frequency_and_the_amplitude_of_the_tones(swing):
    frames, tones = swing
    for step in range(1, len(frames)):
        for receiver in range(3):
            heard, before, after = frames[step, receiver], tones[step - 1, receiver], tones[step, receiver]
            rising = np.flatnonzero((heard[:-1] < 0) & (heard[1:] >= 0))
            ups = rising + heard[rising] / (heard[rising] - heard[rising + 1])
            middle = (ups[0] + ups[-1]) / 2 / 800
            frequency = (len(ups) - 1) * RATE / (ups[-1] - ups[0])
            assert frequency == pytest.approx(before[0] + (after[0] - before[0]) * middle, rel=2e-3)
            assert abs(heard).max() == pytest.approx(max(before[1], after[1]), rel=0.1)


def test_audio_has_no_clicks(swing):
    frames, _ = swing
    for receiver in range(3):
        jumps = np.abs(np.diff(frames[:, receiver].ravel()))
        assert jumps.max() < 0.6945 * 2 * np.pi * 733.4 / RATE  # the steepest slope there is
        assert jumps[799::800].max() < 1.05 * jumps.max()


def test_the_vector_form_goes_on_after_a_reset_of_one():
    envs = MultimodalPendulumVectorEnv(2, ONE, sound="waveform", autoreset_mode="Disabled")
    before = envs.reset(seed=0)[0]["sound"]
    after = envs.reset(options={"reset_mask": np.array([True, False])})[0]["sound"]
    assert (before[0] != after[0]).any()
    np.testing.assert_array_equal(before[1], after[1])


@pytest.mark.parametrize("sound", ["waveform", "mel"])
@pytest.mark.parametrize("timbre", ["sine", "square", "harmonics"])
def test_everything_lies_in_the_space_and_the_loudest_reaches_its_bounds(sound, timbre):
    envs = MultimodalPendulumVectorEnv(40, ONE, tuple(RECEIVERS), 2, sound=sound, timbre=timbre)
    box = envs.observation_space["sound"]
    states = np.stack([np.linspace(-np.pi, np.pi, 40), np.tile([-8.0, 8.0], 20)], axis=1)
    seen = [envs.reset(options={"state": states})[0]["sound"]]
    seen += [envs.step(np.full((40, 1), torque))[0]["sound"] for torque in (2, 2, -2, -2, 0)]
    for observation in seen:
        assert box.contains(observation)
    highest = np.max(seen)
    if sound == "waveform":
        assert box.high.max() == pytest.approx(1 / 1.2**2, rel=2e-6)
        assert highest > 0.99 * box.high.max()
        assert np.min(seen) < 0.99 * box.low.min()
    else:
        assert box.low.min() == -50 == np.min(seen)
        assert box.high.max() - (10 if timbre == "harmonics" else 6) < highest


@pytest.mark.parametrize("rate", [16_000, 8_000, 44_100])
def test_filters_are_those_of_librosa(rate):
    librosa = pytest.importorskip("librosa.filters")
    for bands, lowest, highest in ((BANDS, LOWEST, HIGHEST), (40, 0.0, rate / 2)):
        expected = librosa.mel(sr=rate, n_fft=rate // 20 * 2, n_mels=bands, fmin=lowest, fmax=highest)
        np.testing.assert_allclose(mel_filters(rate, rate // 20 * 2, bands, lowest, highest), expected, atol=1e-8)


@pytest.mark.parametrize("timbre", ["sine", "harmonics"])
def test_mel_is_the_spectrogram_of_the_audio(timbre):
    filters = pytest.importorskip("librosa.filters").mel(sr=RATE, n_fft=800, n_mels=32, fmin=250, fmax=1000)
    audio, _ = recorded(made(sound="waveform", timbre=timbre), steps=6)
    levels, _ = recorded(made(sound="mel", timbre=timbre), steps=6)
    assert levels.shape == (7, 3, 5, 32)
    for receiver in range(3):
        windows = sliding_window_view(audio[1:, receiver].ravel(), 800)[160::160]  # They end at 960, 1120, ...
        power = np.square(np.abs(rfft(windows * hann(800, sym=False))))
        expected = 10 * np.log10(np.maximum(power @ filters.T, 1e-5))
        np.testing.assert_allclose(levels[2:, receiver].reshape(-1, 32), expected, atol=0.01)


def test_timbres():
    sine, square, harmonics = (wave_table(name, 733.4, RATE) for name in ("sine", "square", "harmonics"))
    for table in (sine, square, harmonics):
        assert abs(table).max() == 1.0
        assert table.dtype == np.float32
    partials = np.abs(np.fft.rfft(np.stack([sine, square, harmonics]))) * 2 / len(sine)
    np.testing.assert_allclose(partials[0, :4], [0, 1, 0, 0], atol=1e-6)
    expected = np.zeros((2, len(partials[0])))
    expected[0, 1:10:2] = 1 / np.arange(1, 10, 2)
    expected[1, 1:9] = 1 / np.arange(1, 9)
    np.testing.assert_allclose(partials[1:] / partials[1:, 1:2], expected, atol=1e-5)
    few = np.abs(np.fft.rfft(wave_table("harmonics", 733.4, 4_000)))  # 2 kHz hold two partials
    assert (few > 1).sum() == 2


@pytest.mark.parametrize("sound", ["waveform", "mel"])
def test_checkers_are_content(sound):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(symmetric and normalized|sound is an image|36x36|unconventional)")
        warnings.filterwarnings("ignore", message=".*space sound is an image")
        check_env(made(sound=sound), skip_render_check=True)
        sb3_check_env(made(sound=sound))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sound": "wave"}, r"`sound` must be one of 'tones', 'waveform', 'mel'; got 'wave'"),
        ({"timbre": "sin"}, r"`timbre` must be one of 'sine', 'square', 'harmonics'; got 'sin'. Did you mean 'sine'\?"),
        ({"sample_rate": 1000}, "`sample_rate` must be a multiple of 20 Hz of at least 1480 Hz, got 1000.*733.33 Hz"),
        ({"sample_rate": 2000, "sound": "mel"}, "at least 2020 Hz, got 2000: tones reach 1000.00 Hz"),
        ({"sample_rate": 4000, "timbre": "square"}, "at least 4420 Hz.* second partial of 'square' 2200.00 Hz"),
        ({"sample_rate": 22_050}, "`sample_rate` must be a multiple of 20 Hz of at least 1480 Hz, got 22050"),
        ({"sample_rate": 10**9}, "`sample_rate` must be a whole number from 1 to 192000, got 1000000000"),
        ({"sample_rate": 16e3}, "`sample_rate` must be a whole number"),
    ],
)
def test_wrong_arguments(arguments, message):
    for make in (MultimodalPendulumEnv, MultimodalPendulumVectorEnv):
        with pytest.raises(ValueError, match=message):
            make(**arguments)


def test_memory_is_bounded():
    with pytest.raises(ValueError, match="`num_envs` must be a whole number from 1 to 104166, got 200000"):
        MultimodalPendulumVectorEnv(200_000, ONE, sound="waveform")


def test_the_world_knows_the_sound():
    pendulum = world(options={"sound": "mel", "timbre": "harmonics", "sample_rate": 8000})
    assert pendulum.observation_space["sound"].shape == (2, 3, 5, 32)
    assert pendulum.frame_stack == 2
