"""Sound against golden values, a slow twin and its exact bounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysense.envs.pendulum import acoustics
from anysense.envs.pendulum.acoustics import RECEIVERS, hear, receiver_positions, sound_bounds

DEFAULT = ("left_bottom", "right_bottom", "middle_top")

GOLDEN_SOUNDS = [
    ((0.222332008, -1.553359845), [(417.215984, 0.071421), (454.688832, 0.062728), (453.739196, 0.645869)]),
    ((3.040292000, 0.805840006), [(426.053661, 0.170719), (457.095728, 0.148203), (438.769516, 0.097872)]),
    ((-0.824951466, 7.500970686), [(435.115882, 0.059180), (323.300794, 0.095841), (686.139686, 0.350362)]),
    ((1.644951466, 8.0), [(659.270244, 0.167613), (583.203052, 0.067834), (325.103276, 0.162180)]),
    ((0.0, 0.0), [(440.0, 0.066313), (440.0, 0.066313), (440.0, 0.694444)]),
    (
        (-0.8190054619939466, -0.5644996902587656),
        [(440.316051, 0.059175), (452.266718, 0.095503), (428.457859, 0.352730)],
    ),
]


@pytest.mark.parametrize(("state", "sound"), GOLDEN_SOUNDS)
def test_golden_sounds(state, sound):
    np.testing.assert_allclose(hear(*state, receiver_positions(DEFAULT)), sound, atol=1e-6)


def slow_hear(theta, omega, name):
    """Return frequency and amplitude at one receiver, from the textbook formulas with plain numbers."""
    height, left = RECEIVERS[name]
    source = (math.cos(theta), math.sin(theta))
    velocity = (-omega * math.sin(theta), omega * math.cos(theta))
    distance = math.dist(source, (height, left))
    towards = ((height - source[0]) / distance, (left - source[1]) / distance)
    approach = velocity[0] * towards[0] + velocity[1] * towards[1]
    return 440.0 * 20.0 / (20.0 - approach), 1.0 / distance**2


@given(st.floats(-50, 50), st.floats(-8, 8), st.sampled_from(sorted(RECEIVERS)))
def test_hear_agrees_with_a_slow_twin(theta, omega, name):
    np.testing.assert_allclose(
        hear(theta, omega, receiver_positions([name]))[0], slow_hear(theta, omega, name), rtol=1e-12
    )


def test_hear_is_made_of_the_public_parts():
    rng = np.random.default_rng(0)
    theta, omega = rng.uniform(-4, 4, (5, 7)), rng.uniform(-8, 8, (5, 7))
    positions = receiver_positions(tuple(RECEIVERS))
    line = positions - acoustics.source_position(theta)[..., None, :]
    squared_distance = (line**2).sum(axis=-1)
    approach = (acoustics.source_velocity(theta, omega)[..., None, :] * line).sum(axis=-1) / np.sqrt(squared_distance)
    heard = hear(theta, omega, positions)
    assert heard.shape == (5, 7, 8, 2)
    np.testing.assert_allclose(heard[..., 0], acoustics.doppler_frequency(approach), rtol=1e-12)
    np.testing.assert_allclose(heard[..., 1], acoustics.attenuated_amplitude(squared_distance), rtol=1e-12)


def test_source_velocity_is_the_derivative_of_its_position():
    theta, omega, short = 0.7, 3.0, 1e-6
    moved = acoustics.source_position(theta + omega * short) - acoustics.source_position(theta - omega * short)
    np.testing.assert_allclose(acoustics.source_velocity(theta, omega), moved / (2 * short), rtol=1e-8)


@pytest.mark.parametrize(("speed", "frequency"), [(0.0, 440.0), (8.0, 8800 / 12), (-8.0, 8800 / 28), (10.0, 880.0)])
def test_doppler_frequency(speed, frequency):
    assert acoustics.doppler_frequency(speed) == pytest.approx(frequency)


def test_amplitude_falls_with_the_squared_distance():
    np.testing.assert_allclose(acoustics.attenuated_amplitude([1.0, 4.0, 9.0]), [1.0, 1 / 4, 1 / 9])


def test_batches_equal_single_calls_bit_for_bit():
    rng = np.random.default_rng(2)
    theta, omega, positions = rng.uniform(-9, 9, 77), rng.uniform(-8, 8, 77), receiver_positions(DEFAULT)
    batch = hear(theta, omega, positions)
    for row in range(77):
        np.testing.assert_array_equal(batch[row : row + 1], hear(theta[row : row + 1], omega[row : row + 1], positions))


def test_positions_are_height_and_left():
    np.testing.assert_array_equal(receiver_positions(DEFAULT), [(-2.2, 2.2), (-2.2, -2.2), (2.2, 0.0)])
    assert len(RECEIVERS) == 8
    assert set(map(abs, np.ravel(list(RECEIVERS.values())))) == {0.0, 2.2}


class TestBounds:
    def test_published_ranges(self):
        low, high = sound_bounds(tuple(RECEIVERS))
        np.testing.assert_allclose((low[:, 0].min(), high[:, 0].max()), (314.2857, 733.3333), atol=1e-4)
        np.testing.assert_allclose((low[:, 1].min(), high[:, 1].max()), (0.0591627, 0.6944444), atol=1e-7)
        corner, top = (list(RECEIVERS).index(name) for name in ("left_bottom", "middle_top"))
        assert high[corner, 1] == pytest.approx(0.2243430, abs=1e-6)
        assert low[top, 1] == pytest.approx(0.0976563, abs=1e-7)

    @given(st.floats(-200, 200), st.sampled_from([-8.0, 8.0]) | st.floats(-8, 8))
    def test_nothing_is_heard_outside(self, theta, omega):
        low, high = sound_bounds(tuple(RECEIVERS))
        heard = hear(theta, omega, receiver_positions(tuple(RECEIVERS))).astype(np.float32)
        assert ((low <= heard) & (heard <= high)).all()

    def test_each_bound_is_reached(self):
        low, high = sound_bounds(tuple(RECEIVERS))
        theta = np.linspace(-np.pi, np.pi, 20_001)
        heard = hear(np.tile(theta, 2), np.repeat([8.0, -8.0], len(theta)), receiver_positions(tuple(RECEIVERS)))
        np.testing.assert_allclose(heard.min(axis=0), low, rtol=1e-6)
        np.testing.assert_allclose(heard.max(axis=0), high, rtol=1e-6)

    def test_rounded_outwards_to_float32(self):
        low, high = sound_bounds(("middle_top",))
        assert low.dtype == high.dtype == np.float32
        exact_low, exact_high = np.array([8800 / 28, 1 / 3.2**2]), np.array([8800 / 12, 1 / 1.2**2])
        for bound, exact, inwards in ((low[0], exact_low, np.inf), (high[0], exact_high, -np.inf)):
            outside = bound.astype(np.float64) - exact
            assert (outside * np.sign(inwards) <= 1e-12).all()
            assert ((np.nextafter(bound, np.float32(inwards)).astype(np.float64) - exact) * np.sign(inwards) >= 0).all()


class TestNames:
    def test_unknown_receiver(self):
        with pytest.raises(
            ValueError, match=r"`receivers` must be one of 'left_bottom'.*got 'left_botom'.*'left_bottom'\?"
        ):
            receiver_positions(["left_botom"])

    def test_doubled_receiver(self):
        with pytest.raises(ValueError, match="`receivers` must name each entry once; got 'left_top' twice"):
            receiver_positions(["left_top", "left_top"])

    def test_no_receiver(self):
        with pytest.raises(ValueError, match=r"`receivers` must name at least one of 'left_bottom'.*; got none"):
            receiver_positions([])

    def test_a_string_is_no_sequence_of_names(self):
        with pytest.raises(TypeError, match=r"`receivers` must be a sequence of names, got the string 'left_top'"):
            receiver_positions("left_top")

    def test_numbers_are_no_names(self):
        with pytest.raises(TypeError, match=r"`receivers` must be a sequence of names, got \[1\]"):
            receiver_positions([1])
