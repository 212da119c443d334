"""The mirror image of the pendulum: what it observes, does and is rewarded with."""

import numpy as np
import pytest

from anysense.envs import DEFAULT_WORLD, world

STATES = np.array([[0.3, 0.5], [3.0, -1.0], [-2.0, 4.0], [1.2, 0.0]])


@pytest.mark.parametrize("sound", ["tones", "waveform", "mel"])
def test_a_mirrored_pendulum_is_as_likely_and_as_good(sound):
    known = world(DEFAULT_WORLD, {"sound": sound, "receivers": ["left_top", "middle_bottom", "right_top"]})
    here, there = (known.make_vec(len(STATES), episode_steps=50) for _ in range(2))
    seen, reflected = here.reset(options={"state": STATES})[0], there.reset(options={"state": -STATES})[0]
    rng = np.random.default_rng(0)
    for _ in range(8):
        expected = known.mirror.observation(seen)
        np.testing.assert_allclose(reflected["sound"], expected["sound"], rtol=1e-4, atol=1e-3)
        # grey levels of a table of angles, which does not hold their negatives exactly
        assert abs(reflected["image"].astype(int) - expected["image"]).max() <= 6
        assert (reflected["image"] != expected["image"]).mean() < 0.1
        action = rng.uniform(-2, 2, (len(STATES), 1)).astype(np.float32)
        seen, reward = here.step(action)[:2]
        reflected, rewarded = there.step(known.mirror.action(action))[:2]
        np.testing.assert_allclose(rewarded, reward, rtol=1e-6)
    here.close()
    there.close()


def test_receivers_without_a_counterpart_have_no_mirror_image():
    assert world(DEFAULT_WORLD, {"receivers": ["left_top", "middle_bottom"]}).mirror is None
    assert world(DEFAULT_WORLD).mirror is not None
    assert world("anysense/Hyperhot-v0").mirror is None


def test_other_entries_stay_as_they_are():
    mirror = world(DEFAULT_WORLD).mirror
    present = np.array([[1, 0]], np.int8)
    shown = mirror.observation({"present": present, "image": np.arange(8, dtype=np.uint8).reshape(1, 2, 2, 2)})
    assert shown["present"] is present
    np.testing.assert_array_equal(shown["image"].ravel(), [1, 0, 3, 2, 5, 4, 7, 6])
    np.testing.assert_array_equal(mirror.observation(shown)["image"].ravel(), range(8))
