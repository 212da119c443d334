"""One modality drawn as it is perceived: time from right to left, names of rows, frames of a stack, gaps."""

from itertools import pairwise

import numpy as np
import pytest

from anysense.envs import world
from anysense.envs.guide import Labels
from anysense.representations.modality import Modality
from anysense.runs.perceived import BACK, BOX, SHOWN, Perceived

ROWS = ("left", "right")
TONES = Modality("sound", (2, 2, 2), "float32", 0.0, 1.0)
HEIGHT, WIDTH = 103, 5 * SHOWN


def stack(value):
    return np.full((2, 2, 2), value, np.float32)


def is_plain(part, colour):
    return bool((part == np.array(colour)).all())


def test_the_newest_step_is_on_the_right_and_nothing_is_drawn_before_the_start():
    box = Perceived(TONES)
    for step in range(10):
        box.add(stack(step / 9), anew=step == 0)
    drawn = box.draw(HEIGHT, WIDTH)
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert is_plain(drawn[:30, : WIDTH - 51], BACK)
    bright = [int(np.flatnonzero((drawn[:, column] > 90).any(axis=-1))[0]) for column in range(WIDTH - 48, WIDTH, 5)]
    assert all(after <= before for before, after in pairwise(bright))  # values rise to the right
    assert bright[0] > 90
    assert bright[-1] < 10
    box.add(stack(0.5), anew=True)
    assert is_plain(box.draw(HEIGHT, WIDTH)[:30, : WIDTH - 6], BACK)


def test_steps_without_perception_are_grey_between_the_others():
    box = Perceived(TONES)
    for step in range(SHOWN + 20):
        box.add(None if step in (SHOWN, SHOWN + 1) else stack(0.0), anew=step == 0)
    drawn = box.draw(HEIGHT, WIDTH)
    grey = [bool((column == np.array(BOX)).all(axis=-1).mean() > 0.9) for column in drawn.swapaxes(0, 1)]
    assert np.flatnonzero(grey).tolist() == list(range(5 * 40, 5 * 42))  # 20 steps from the right, two of them


@pytest.mark.parametrize(
    ("modality", "value"),
    [
        (TONES, stack(0.0)),
        (Modality("sound", (2, 2, 300), "float32", -1.0, 1.0), np.zeros((2, 2, 300), np.float32)),
        (Modality("sound", (2, 2, 5, 8), "float32", 0.0, 1.0), np.zeros((2, 2, 5, 8), np.float32)),
    ],
)
def test_each_row_has_a_lane_with_its_name(modality, value):
    drawn = {}
    for labels in (Labels(ROWS), Labels(("other", "right")), Labels()):
        box = Perceived(modality, labels)
        box.add(value, anew=True)
        drawn[labels.rows] = box.draw(HEIGHT, WIDTH)
    upper, lower = slice(0, 50), slice(56, HEIGHT)
    assert (drawn[ROWS][upper] != drawn["other", "right"][upper]).any()
    np.testing.assert_array_equal(drawn[ROWS][lower], drawn["other", "right"][lower])
    assert (drawn[ROWS][lower, :100] != drawn[()][lower, :100]).any()


def test_lanes_show_their_own_rows():
    box = Perceived(Modality("sound", (2, 2, 5, 8), "float32", 0.0, 1.0))
    value = np.zeros((2, 2, 5, 8), np.float32)
    value[1, 1] = 1.0  # the newest frame of the second row
    box.add(value, anew=True)
    drawn = box.draw(HEIGHT, WIDTH).astype(int).sum(axis=-1)[:, WIDTH - 4 : WIDTH - 1]
    assert drawn[10:45].max() < 100
    assert drawn[56:100].min() > 600


def test_all_frames_of_a_stack_are_shown_oldest_first():
    box = Perceived(Modality("image", (2, 10, 10), "uint8", 0, 255))
    assert box.caption == ""
    box.add(np.stack([np.full((10, 10), 60, np.uint8), np.full((10, 10), 200, np.uint8)]), anew=True)
    drawn = box.draw(50, 203)
    assert box.caption == "last 2 frames"
    assert is_plain(drawn[:, :50], (60, 60, 60))
    assert is_plain(drawn[:, 53:103], (200, 200, 200))
    assert is_plain(drawn[:, 103:], BACK)
    box.correct(None)
    assert is_plain(box.draw(50, 203), BOX)


@pytest.mark.parametrize(
    ("shape", "newest"),
    [
        ((6, 20, 16), lambda value: value[3:].transpose(1, 2, 0)),
        ((2, 20, 16, 3), lambda value: value[1]),
        ((2, 3, 20, 16), lambda value: value[1].transpose(1, 2, 0)),
        ((20, 16, 3), lambda value: value),
        ((3, 20, 16), lambda value: value.transpose(1, 2, 0)),
        ((20, 16), lambda value: np.repeat(value[..., None], 3, 2)),
    ],
)
def test_every_form_of_a_picture_keeps_its_colours(shape, newest):
    value = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    box = Perceived(Modality("image", shape, "uint8", 0, 255))
    box.add(value, anew=True)
    frames = 2 if len(shape) == 4 or len(value) == 6 else 1
    drawn = box.draw(20, 16 * frames + 3 * (frames - 1))
    np.testing.assert_array_equal(drawn[:, -16:], newest(value))


@pytest.mark.parametrize("sound", ["tones", "waveform", "mel"])
def test_worlds_name_the_receivers_that_they_have(sound):
    known = world(options={"sound": sound, "receivers": ["left_top", "right_top"]})
    labels = known.guide.labels["sound"]
    assert labels == Labels(("left_top", "right_top"), ("frequency", "amplitude") if sound == "tones" else ())
    shape = known.observation_space["sound"].shape
    assert shape[1] == len(labels.rows)
    assert not labels.values or shape[-1] == len(labels.values)
    hyperhot = world("anysense/Hyperhot-v0")
    rows = hyperhot.guide.labels["sound"].rows
    assert len(rows) == hyperhot.observation_space["sound"].shape[1]
    assert len(hyperhot.guide.actions) == hyperhot.action_space.n
