"""Random streams: each as it would be alone, exact states, wrong seeds and states refused."""

from functools import partial

import numpy as np
import pytest

from anysense.envs.random_streams import RandomStreams
from anysense.envs.sensors.wrapper import _generator

ROWS = np.arange(3)


def streams(key=1, seed=None):
    made = RandomStreams(3, partial(_generator, key))
    made.seed(seed, ROWS)
    return made


def test_draws_depend_on_seed_and_key_alone_and_resume_exactly():
    ours = streams(seed=5)
    state = ours.state()
    draws = ours.uniform(ROWS, (4,)), ours.normal(ROWS, (2, 2), np.float32)
    assert draws[1].dtype == np.float32
    ours.load_state(state)
    np.testing.assert_array_equal(ours.uniform(ROWS, (4,)), draws[0])
    np.testing.assert_array_equal(ours.normal(ROWS, (2, 2), np.float32), draws[1])
    assert ours.seeds == [-1, -1, -1]
    np.testing.assert_array_equal(streams(seed=4).uniform(ROWS, (4,))[1:], draws[0][:2])
    assert not np.isin(streams(key=2, seed=5).uniform(ROWS, (4,)), draws[0]).any()


@pytest.mark.parametrize("seed", [5, np.int64(5), [5, 6, 7], np.arange(5, 8), list(np.arange(5, 8)), (5, None, 7)])
def test_seeds_in_any_form(seed):
    expected = streams(seed=5).uniform(ROWS, ())
    np.testing.assert_array_equal(streams(seed=seed).uniform(ROWS, ())[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("seed", [1.5, -1, True, "3", float("nan"), [1, 2], [1, 2, 3.5], [1, 2, -3], np.zeros(3)])
def test_wrong_seeds_change_nothing(seed):
    ours = streams(seed=5)
    with pytest.raises(ValueError, match="`seed` must be"):
        ours.seed(seed, ROWS)
    assert ours.seeds == [5, 6, 7]


@pytest.mark.parametrize("damage", [lambda s: s[:2], lambda s: s.astype(float), lambda s: None, lambda s: [{}] * 3])
def test_wrong_states_change_nothing(damage):
    ours, other = streams(seed=5), streams(seed=5)
    with pytest.raises(ValueError, match=r"random streams in `state` must be uint64 of shape \(3, 6\), got"):
        ours.load_state(damage(ours.state()))
    np.testing.assert_array_equal(ours.uniform(ROWS, ()), other.uniform(ROWS, ()))
