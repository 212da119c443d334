"""Networks of Hyperhot: sizes, what they must not depend on, and which data they take."""

import numpy as np
import pytest
import torch
from torch import nn

from anysense.envs import world
from anysense.representations.modality import Modality, modalities_from_space
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.hyperhot import PooledFramesTrunk, TonesTrunk

WORLD = world("anysense/Hyperhot-v0")
MODALITIES = modalities_from_space(WORLD.observation_space)


@pytest.fixture(scope="module")
def observation():
    venv = WORLD.make_vec(6, episode_steps=None)
    venv.reset(seed=3)
    for action in [5, 0, 1] * 8:
        seen = venv.step(np.full(6, action))[0]
    return {name: torch.from_numpy(value) for name, value in seen.items()}


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes(observation):
    family = networks("hyperhot")
    image, sound = (family.trunk(MODALITIES[name]) for name in ("image", "sound"))
    frame = 52 * 40 * 128 + 128 + 128 * 256 + 256 + 256 * 64 + 64
    assert weights(image) == frame + 3 * 64 * 128 + 128 + 128 * 256 + 256
    assert weights(sound) == 9 * 64 + 64 + 64 * 128 + 128 + 3 * 128 * 256 + 256 + 256 * 256 + 256
    for trunk, name in ((image, "image"), (sound, "sound")):
        features = trunk(observation[name])
        assert features.shape == (6, trunk.feature_dim) == (6, 256)
        assert features.dtype == torch.float32
        assert features.std(dim=0).min() > 0


def test_bytes_are_pooled_as_the_mean_of_four(observation):
    trunk = PooledFramesTrunk(MODALITIES["image"], (8,), 4)
    pixels = observation["image"][:, :, :104].double() / 255
    expected = pixels.reshape(6, 2, 52, 2, 40, 2).mean(dim=(3, 5)).flatten(2).float()
    assert expected.max() > 0.5
    for image in (observation["image"], observation["image"].float() / 255):
        torch.testing.assert_close(trunk.prepare(image), expected, rtol=1e-6, atol=1e-6)


def test_order_of_sources_and_silent_ones_do_not_matter(observation):
    trunk, tones = TonesTrunk(MODALITIES["sound"], (16, 16), (16,)), observation["sound"]
    assert (tones[..., 1] == 0).any()
    torch.testing.assert_close(trunk(tones[:, :, :, [8, 3, 1, 0, 7, 6, 2, 5, 4]]), trunk(tones))
    louder = tones.clone()
    louder[..., 1] *= 1.1
    assert (trunk(louder) - trunk(tones)).abs().max() > 1e-4
    silence = torch.zeros(1, *MODALITIES["sound"].shape)
    assert trunk(silence).isfinite().all()


def test_decoders_give_raw_values_within_bounds(observation):
    family = networks("hyperhot")
    for name, modality in MODALITIES.items():
        decoder = family.decoder(modality, 5)
        raw = decoder.raw(decoder.mean(decoder(torch.randn(3, 5)))).detach()
        assert raw.shape == (3, *modality.shape)
        assert raw.dtype == observation[name].dtype
        low, high = modality.bounds()
        assert (raw.numpy() >= low - 1e-4).all()
        assert (raw.numpy() <= high + 1e-4).all()


def test_waveforms_get_the_generic_networks():
    modality = Modality("sound", (2, 4, 1047), "float32", -1.0, 1.0)
    trunk = networks("hyperhot").trunk(modality)
    assert type(trunk) is type(networks("generic").trunk(modality))
    assert trunk(torch.zeros(2, 2, 4, 1047)).shape == (2, trunk.feature_dim)


@pytest.mark.parametrize("name", ["frame_widths", "source_widths", "sound_widths"])
def test_at_least_one_layer(name):
    with pytest.raises(ValueError, match=f"`{name}` is empty"):
        networks("hyperhot", **{name: ()})
