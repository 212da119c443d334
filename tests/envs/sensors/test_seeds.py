"""Seeds of numpy reach Gymnasium's own environments, which take Python's integers only."""

import gymnasium
import numpy as np
import pytest

from anysense.envs import DEFAULT_WORLD, MissingModalities, VectorMissingModalities


@pytest.mark.parametrize(
    ("seed", "plain"), [(np.int64(3), 3), ([np.int64(3), np.int32(7)], [3, 7]), (np.arange(2), [0, 1])]
)
def test_seeds_of_numpy(seed, plain):
    env = VectorMissingModalities(gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make(DEFAULT_WORLD)] * 2), 0.5)
    expected, found = env.reset(seed=plain)[0], env.reset(seed=seed)[0]
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_one_seed_of_numpy():
    env = MissingModalities(gymnasium.make(DEFAULT_WORLD), 0.5)
    expected, found = env.reset(seed=5)[0], env.reset(seed=np.uint16(5))[0]
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
