"""Trunks of the pendulum: published sizes, the plain convolutions they stand for, and the normalisation of sound."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anysense.envs import world
from anysense.representations import Modality
from anysense.representations.modality import modalities_from_space
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.convolution import ConvolutionTrunk
from anysense.representations.networks.pendulum_sound import sound_normalisation
from anysense.representations.networks.scaling import UnitInterval
from tests.oracles.convolutions import silu_convolutions

IMAGE = Modality("image", (2, 60, 60), "uint8", 0, 255)


def trunk_of(modality: Modality, channels: tuple[int, int], seed: int = 0) -> ConvolutionTrunk:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ConvolutionTrunk(modality, UnitInterval(modality), channels, ())


def test_published_sizes(pendulum_modalities: dict[str, Modality]) -> None:
    image = networks("pendulum", image_encoder="convolution").trunk(IMAGE)
    sound = networks("pendulum", sound_widths=(50, 50)).trunk(pendulum_modalities["sound"])
    assert image.feature_dim == 14_400
    assert sum(p.numel() for p in image.parameters()) == 2 * 32 * 16 + 32 * 64 * 16
    assert sound.feature_dim == 50
    assert sum(p.numel() for p in sound.parameters()) == 12 * 50 + 50 + 50 * 50 + 50


def test_features_of_rods_are_those_of_the_plain_convolutions(pendulum_batch: Callable[..., dict[str, Tensor]]) -> None:
    images = pendulum_batch(9)["image"]
    trunk = trunk_of(IMAGE, (32, 64))
    weights = list(trunk.parameters())
    got, expected = trunk(images), silu_convolutions(images, *weights)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
    factor = torch.from_numpy(np.random.default_rng(0).normal(size=got.shape).astype(np.float32))
    gradients = [torch.autograd.grad((features * factor).sum(), weights) for features in (got, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_odd_sides() -> None:
    trunk = trunk_of(Modality("image", (1, 10, 13), "uint8", 0, 255), (2, 3))
    image = torch.zeros(8, 1, 10, 13, dtype=torch.uint8)
    assert trunk(image).shape == (8, trunk.feature_dim) == (8, 3 * 2 * 3)


def test_pair_equals_two_single_calls(pendulum_batch: Callable[..., dict[str, Tensor]]) -> None:
    first, second = trunk_of(IMAGE, (4, 8), seed=0), trunk_of(IMAGE, (4, 8), seed=1)
    for images in (pendulum_batch(9)["image"], torch.full((2, 2, 60, 60), 255, dtype=torch.uint8)):
        for got, expected in zip(first.forward_pair(second, images), (first(images), second(images)), strict=True):
            torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_uint8_equals_float_in_unit_range(pendulum_batch: Callable[..., dict[str, Tensor]]) -> None:
    images = pendulum_batch(9)["image"]
    trunk = trunk_of(IMAGE, (4, 8))
    torch.testing.assert_close(trunk(images), trunk(images.float() / 255))


def test_min_max_maps_the_two_ranges_onto_the_unit_interval(pendulum_modalities: dict[str, Modality]) -> None:
    normalise = sound_normalisation("min_max", pendulum_modalities["sound"])
    extremes = torch.tensor([[314.285714, 0.0591627], [733.333333, 0.6944444]])
    sound = extremes[:, None, None, :].expand(2, 2, 3, 2)
    expected = torch.tensor([[0.0], [1.0]]).expand(2, 12)
    torch.testing.assert_close(normalise(sound).flatten(1), expected, rtol=0, atol=1e-5)


def test_physical_sound_is_linear_in_approach_speed_and_log_distance(
    pendulum_modalities: dict[str, Modality],
) -> None:
    normalise = sound_normalisation("physical", pendulum_modalities["sound"])
    speed = torch.tensor([-8.0, -4.0, 0.0, 4.0, 8.0])
    frequency = (440.0 * 20.0 / (20.0 - speed))[:, None, None, None].expand(5, 2, 3, 1)
    top = (1.2 * (3.2 / 1.2) ** torch.linspace(0, 1, 5)) ** -2.0
    amplitude = top[:, None, None, None].expand(5, 2, 3, 1)
    values = normalise(torch.cat([frequency, amplitude], dim=-1))
    torch.testing.assert_close(values[:, 0, 0, 0], math.sqrt(3) * speed / 8, rtol=0, atol=1e-5)
    torch.testing.assert_close(values[:, 1, 2, 1], math.sqrt(3) * torch.linspace(1, -1, 5), rtol=0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_physical_sound_saturates_outside_the_bounds(value: float) -> None:
    modality = Modality("sound", (1, 1, 2), "float32", (((314.0, 0.05),),), (((734.0, 0.7),),))
    values = sound_normalisation("physical", modality)(torch.full((1, 1, 1, 2), value))
    assert torch.isfinite(values).all()
    assert (values.abs() <= math.sqrt(3) + 1e-5).all()


def test_sound_stays_float32_under_autocast(
    pendulum_modalities: dict[str, Modality], pendulum_batch: Callable[..., dict[str, Tensor]]
) -> None:
    trunk = networks("pendulum", sound_widths=(16, 16)).trunk(pendulum_modalities["sound"])
    sound = pendulum_batch(4)["sound"]
    expected = trunk(sound)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(trunk(sound), expected, rtol=0, atol=0)


def test_normalisation_is_not_among_the_saved_weights(pendulum_modalities: dict[str, Modality]) -> None:
    trunk = networks("pendulum", sound_widths=(16,)).trunk(pendulum_modalities["sound"])
    assert set(trunk.state_dict()) == {"layers.0.weight", "layers.0.bias"}


def test_wrong_modalities(pendulum_modalities: dict[str, Modality]) -> None:
    sound = pendulum_modalities["sound"]
    published = networks("pendulum", image_encoder="convolution", sound_normalisation="min_max")
    with pytest.raises(ValueError, match=r"'image' must be an image .*4 x 4 or larger; got \(2, 60, 3\)"):
        published.trunk(replace(IMAGE, shape=(2, 60, 3)))
    with pytest.raises(ValueError, match=r"'image' must have shape \(stack, receivers, 2\); got \(2, 60, 60\)"):
        sound_normalisation("min_max", IMAGE)
    with pytest.raises(ValueError, match=r"modality 'sound' has no bounds"):
        published.trunk(replace(sound, low=None, high=None))
    with pytest.raises(ValueError, match=r"`low` of modality 'sound' must be positive for 'physical'.* got 0"):
        networks("pendulum").trunk(replace(sound, low=0.0))
    with pytest.raises(ValueError, match=r"`sound_normalisation` must be one of 'min_max', 'physical'; got 'minmax'"):
        sound_normalisation("minmax", sound)  # type: ignore[arg-type]


@pytest.mark.parametrize("sound", ["waveform", "mel"])
def test_audio_gets_the_networks_of_its_kind(sound: str) -> None:
    modality = modalities_from_space(world(options={"sound": sound}).observation_space)["sound"]
    made = networks("pendulum")
    value = torch.rand(3, *modality.shape)
    assert made.trunk(modality)(value).shape == made.generative_trunk(modality)(value).shape == (3, 256)
    decoder = made.decoder(modality, 4)
    assert decoder.raw(torch.sigmoid(decoder.logits(torch.zeros(3, 4)))).shape == value.shape
