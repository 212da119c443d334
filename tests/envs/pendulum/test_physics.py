"""Motion and reward against golden values, Gymnasium's own pendulum and their stated ranges."""

import hashlib

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysense.envs.pendulum import physics

angles = st.floats(-200.0, 200.0)
speeds = st.floats(-physics.MAX_SPEED, physics.MAX_SPEED)
torques = st.floats(-physics.MAX_TORQUE, physics.MAX_TORQUE)

# (theta, omega, torque), (theta', omega', reward) in the order of gym 0.19
GOLDEN_STEPS = [
    ((0.3, -2.0, 1.5), (0.222332008, -1.553359845, -0.492250)),
    ((3.0, 1.0, -2.0), (3.040292000, 0.805840006, -9.104000)),
    ((-1.2, 7.9, 2.0), (-0.824951466, 7.500970686, -7.685000)),
    ((1.2, 7.9, 2.0), (1.644951466, 8.0, -7.685000)),
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize(("before", "after"), GOLDEN_STEPS)
def test_golden_steps_of_the_published_order(before, after):
    theta, omega = physics.advance(*before, physics="gym-0.19")
    np.testing.assert_allclose((theta, omega, physics.reward(*before)), after, atol=5e-10)


def test_gymnasium_order_moves_with_the_clipped_speed():
    theta, omega = physics.advance(1.2, 7.9, 2.0)
    assert (theta, omega) == pytest.approx((1.6, 8.0), abs=1e-12)


@given(angles, speeds, torques)
def test_orders_differ_only_where_the_speed_limit_acts(theta, omega, torque):
    new, old = (physics.advance(theta, omega, torque, order) for order in physics.PHYSICS)
    assert new[1] == old[1]
    if abs(new[1]) < physics.MAX_SPEED:
        assert new == old


def test_agrees_with_gymnasiums_pendulum():
    env = gym.make("Pendulum-v1").unwrapped
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for torque in rng.uniform(-2.0, 2.0, 500):
        theta, omega = env.state
        env_reward = env.step(np.array([torque]))[1]
        np.testing.assert_allclose(physics.advance(theta, omega, torque), env.state, atol=1e-12)
        assert physics.reward(theta, omega, torque) == pytest.approx(env_reward, abs=1e-12)


@given(angles, speeds, torques)
def test_reward_stays_in_its_range(theta, omega, torque):
    assert -16.2736045 <= physics.reward(theta, omega, torque) <= 0.0


def test_reward_extremes():
    assert physics.reward(0.0, 0.0, 0.0) == 0.0
    assert physics.reward(np.pi, 8.0, 2.0) == pytest.approx(-(np.pi**2 + 6.4 + 0.004))


@given(angles)
def test_wrapped_angle_points_the_same_way(theta):
    wrapped = physics.wrap_angle(theta)
    assert -np.pi <= wrapped < np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(theta), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(theta), abs=1e-9)


def test_batches_equal_single_calls_bit_for_bit():
    rng = np.random.default_rng(1)
    theta, omega, torque = rng.uniform(-9, 9, 77), rng.uniform(-8, 8, 77), rng.uniform(-2, 2, 77)
    batch = np.array([*physics.advance(theta, omega, torque), physics.reward(theta, omega, torque)])
    for column in range(77):
        one = slice(column, column + 1)
        single = [
            *physics.advance(theta[one], omega[one], torque[one]),
            physics.reward(theta[one], omega[one], torque[one]),
        ]
        np.testing.assert_array_equal(batch[:, one], single)


def test_start_states_fill_their_range():
    states = physics.sample_start_states(np.random.default_rng(0), 20_000)
    assert states.shape == (20_000, 2)
    assert states.dtype == np.float64
    np.testing.assert_allclose(states.min(axis=0), [-np.pi, -1.0], atol=0.01)
    np.testing.assert_allclose(states.max(axis=0), [np.pi, 1.0], atol=0.01)
    np.testing.assert_allclose(states.std(axis=0), np.array([np.pi, 1.0]) / np.sqrt(3), rtol=0.02)


def old_gym_random_state(seed):
    """Return the generator of gym 0.19 for a seed: SHA-512 of its digits, first 8 bytes as 32-bit words."""
    digest = hashlib.sha512(str(seed).encode()).digest()[:8]
    words = [int.from_bytes(digest[at : at + 4], "little") for at in (0, 4)]
    return np.random.RandomState(words)


@pytest.mark.parametrize(
    ("seed", "start"),
    [(42, (-0.7907804774810083, -0.0313228966887249)), (0, (-2.8000383468574164, 0.9307818744846408))],
)
def test_start_range_reproduces_the_published_draws(seed, start):
    drawn = old_gym_random_state(seed).uniform(-physics.START_RANGE, physics.START_RANGE)
    np.testing.assert_allclose(drawn, start, rtol=0, atol=1e-15)


def test_published_start_with_its_step_without_torque():
    start = old_gym_random_state(42).uniform(-physics.START_RANGE, physics.START_RANGE)
    np.testing.assert_allclose(
        physics.advance(*start, 0.0, "gym-0.19"), (-0.8190054619939466, -0.5644996902587656), atol=1e-13
    )
