"""The window with live sound, under SDL's drivers without devices."""

import numpy as np
import pytest

from anysense.envs import MultimodalPendulumEnv
from anysense.envs.audio import live

ACTION = np.zeros(1, np.float32)


@pytest.fixture
def mixer(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    yield pygame.mixer
    pygame.mixer.quit()


def test_steps_are_heard(mixer, monkeypatch):
    blocks, make = [], mixer.Sound
    monkeypatch.setattr(mixer, "Sound", lambda buffer: blocks.append(buffer) or make(buffer=buffer))
    env = MultimodalPendulumEnv(render_mode="human")
    env.reset(options={"state": [1.0, 2.0]})
    assert mixer.get_init() == (16_000, -16, 2)
    first = env.render_sound()
    env.step(ACTION)
    env.render()  # shows the same step again, and plays nothing
    assert [len(block) for block in blocks] == [3200, 3200]
    heard = np.frombuffer(blocks[0], np.int16).reshape(-1, 2) / 32767
    np.testing.assert_allclose(heard.T, first, atol=2e-5)
    env.close()
    assert mixer.get_init() is None
    env.reset()
    assert mixer.get_init() is not None
    env.close()


def test_silent_without_an_audio_device(mixer, monkeypatch):
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    env = MultimodalPendulumEnv(render_mode="human")
    env.reset(seed=0)
    env.step(ACTION)
    assert mixer.get_init() is None
    env.close()


def test_the_sound_of_the_program_goes_on(mixer):
    mixer.init(44_100, -16, 1, allowedchanges=0)
    sound = live.LiveSound(16_000)
    sound.play(np.zeros((2, 800), np.float32))
    sound.close()
    assert mixer.get_init() == (44_100, -16, 1)
