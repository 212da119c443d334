import numpy as np
from matplotlib.image import imread

from anysense.envs.pendulum.references import ZeroController
from bench.picture import draw_picture, record_episode


def test_a_resting_pendulum_looks_and_sounds_the_same_at_each_step():
    frames, sounds = record_episode(ZeroController(), steps=5, start=(np.pi, 0.0))
    assert (frames.shape, frames.dtype) == ((6, 60, 60), np.uint8)
    assert sounds.shape == (6, 3, 2)
    np.testing.assert_array_equal(frames, np.broadcast_to(frames[0], frames.shape))
    np.testing.assert_allclose(sounds[..., 0], 440.0, rtol=1e-6)


def test_picture(tmp_path):
    image = imread(draw_picture(tmp_path / "img" / "episode.png", ZeroController(), steps=20, every=5))
    assert image.shape[1] > 2 * image.shape[0]
    assert image.std() > 0.05
