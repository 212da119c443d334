import numpy as np
import torch
from matplotlib.image import imread
from torch.nn.functional import normalize

from anysense.envs.pendulum.references import ZeroController
from bench import volume_picture
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


def test_picture_of_volumes_has_a_line_for_each_contrast():
    left, right = volume_picture.draw({"volume": [0.1, 0.9], "both": [0.5, 1.0], "cosine": [1.0, 1.0]}).axes
    assert all(line.get_ydata()[0] < 1e-5 and line.get_ydata()[-1] > 0.4 for line in left.lines)
    assert [list(line.get_ydata()) for line in right.lines] == [[0.1, 0.9], [0.5, 1.0], [1.0, 1.0]]


def test_recalls_of_parallel_and_of_unrelated_vectors():
    anchor = normalize(torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    noise = normalize(torch.randn(3, 64, 8, generator=torch.Generator().manual_seed(1)), dim=2)
    found = volume_picture.recalls({"a": anchor, "b": anchor, "c": noise[0], "d": noise[1], "e": noise[2]})
    assert 0.25 <= found[0] < 0.4
    assert found[0] < found[1] < found[2] < found[3] == 1.0
