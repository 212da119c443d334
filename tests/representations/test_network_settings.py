"""Settings of the families of networks, and the checks that all settings share."""

import math

import pytest

from anysense.representations.methods.gmc import GMCSettings
from anysense.representations.networks.mhd import MHDNetworkSettings
from anysense.representations.networks.pendulum import PendulumNetworkSettings
from anysense.representations.settings import NetworkSettings, Settings, settings_from


def test_defaults() -> None:
    settings = PendulumNetworkSettings()
    assert (settings.image_encoder, settings.sound_normalisation) == ("frames", "physical")
    assert MHDNetworkSettings() == MHDNetworkSettings(label_encoder="swish-512", decoder_batch_norm=True)


def test_lists_become_tuples_and_integers_stay() -> None:
    settings = PendulumNetworkSettings(image_encoder="convolution", image_channels=[8, 16], sound_widths=[32])
    assert settings.image_channels == (8, 16)
    assert settings == PendulumNetworkSettings("convolution", image_channels=(8, 16), sound_widths=(32,))


def test_settings_by_name() -> None:
    assert settings_from(GMCSettings, {"latent_dim": 3}, "gmc").latent_dim == 3
    with pytest.raises(ValueError, match=r"`setting of gmc` must be one of .*'common_dim', .*; got 'networks'"):
        settings_from(GMCSettings, {"networks": "mhd"}, "gmc")
    with pytest.raises(ValueError, match=r"the networks 'generic' has no settings; got 'frame_dim'. Leave it out"):
        settings_from(NetworkSettings, {"frame_dim": 3}, "the networks 'generic'")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"image_encoder": "frame"},
            ValueError,
            r"`image_encoder` must be one of 'convolution', 'frames'; got 'frame'",
        ),
        ({"sound_normalisation": "none"}, ValueError, r"`sound_normalisation` must be one of 'min_max', 'physical'"),
        ({"image_channels": (32,)}, ValueError, r"`image_channels` must have 2 entries; got \(32,\)"),
        ({"image_channels": (32, 0)}, ValueError, r"`image_channels` must be positive; got \(32, 0\)"),
        ({"frame_widths": (-1,)}, ValueError, r"`frame_widths` must be positive; got \(-1,\)"),
        ({"frame_dim": 0}, ValueError, r"`frame_dim` must be positive; got 0"),
        ({"sound_widths": (50, 0)}, ValueError, r"`sound_widths` must be positive"),
        ({"sound_widths": ()}, ValueError, r"`sound_widths` is empty; expected at least one hidden layer"),
        ({"frame_widths": ()}, ValueError, r"`frame_widths` is empty; expected at least one hidden layer"),
        ({"frame_dim": 1.5}, TypeError, r"`frame_dim` must be int; got 1.5 \(float\)"),
        ({"image_channels": (8, 16)}, ValueError, r"`image_channels` has no effect with `image_encoder` 'frames'"),
        ({"sound_widths": 50}, TypeError, r"`sound_widths` must be tuple\[int, \.\.\.\]; got 50"),
    ],
)
def test_wrong_values(changes: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PendulumNetworkSettings(**changes)


@pytest.mark.parametrize("changes", [{"frame_widths": (8,)}, {"frame_dim": 8}])
def test_settings_of_frames_have_no_effect_on_convolutions(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"has no effect with `image_encoder` 'convolution'; leave it at .*\(got "):
        PendulumNetworkSettings(image_encoder="convolution", **changes)


def test_wrong_values_of_digits() -> None:
    with pytest.raises(ValueError, match=r"`label_encoder` must be one of 'swish-512', 'relu-64'; got 'relu'"):
        MHDNetworkSettings(label_encoder="relu")
    with pytest.raises(TypeError, match=r"`decoder_batch_norm` must be bool; got 1 \(int\)"):
        MHDNetworkSettings(decoder_batch_norm=1)


def test_numbers_of_methods_stay_finite() -> None:
    """Checks that methods build on."""
    assert isinstance(GMCSettings(), Settings)
    for value in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"`alignment_weight` must be a finite number"):
            settings_from(GMCSettings, {"alignment_weight": value}, "gmc")
