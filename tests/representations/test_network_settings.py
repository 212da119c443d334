"""Architecture settings that every method shares."""

import math

import pytest

from anysense.representations.modality import Modality
from anysense.representations.networks.settings import NetworkSettings
from anysense.representations.registry import build, make_settings, restore_settings


def test_defaults_are_those_of_the_pendulum() -> None:
    settings = NetworkSettings()
    assert (settings.networks, settings.image_encoder, settings.sound_normalisation) == (
        "pendulum",
        "frames",
        "physical",
    )
    assert (settings.label_encoder, settings.decoder_batch_norm) == ("swish-512", True)


def test_lists_become_tuples_and_integers_stay() -> None:
    settings = NetworkSettings(image_channels=[8, 16], sound_widths=[32])
    assert settings.image_channels == (8, 16)
    assert settings == NetworkSettings(image_channels=(8, 16), sound_widths=(32,))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"image_encoder": "frame"},
            ValueError,
            r"`image_encoder` must be one of 'convolution', 'frames'; got 'frame'",
        ),
        ({"label_encoder": "relu"}, ValueError, r"`label_encoder` must be one of 'swish-512', 'relu-64'; got 'relu'"),
        ({"sound_normalisation": "none"}, ValueError, r"`sound_normalisation` must be one of 'min_max', 'physical'"),
        ({"image_channels": (32,)}, ValueError, r"`image_channels` must have 2 entries; got \(32,\)"),
        ({"image_channels": (32, 0)}, ValueError, r"`image_channels` must be positive; got \(32, 0\)"),
        ({"frame_widths": (-1,)}, ValueError, r"`frame_widths` must be positive; got \(-1,\)"),
        ({"frame_dim": 0}, ValueError, r"`frame_dim` must be positive; got 0"),
        ({"sound_widths": (50, 0)}, ValueError, r"`sound_widths` must be positive"),
        ({"sound_widths": ()}, ValueError, r"`sound_widths` is empty; expected at least one hidden layer"),
        ({"frame_widths": ()}, ValueError, r"`frame_widths` is empty; expected at least one hidden layer"),
        ({"frame_dim": 1.5}, TypeError, r"`frame_dim` must be int; got 1.5 \(float\)"),
        ({"decoder_batch_norm": 1}, TypeError, r"`decoder_batch_norm` must be bool; got 1 \(int\)"),
        ({"networks": None}, TypeError, r"`networks` must be str; got None"),
        ({"sound_widths": 50}, TypeError, r"`sound_widths` must be tuple\[int, \.\.\.\]; got 50"),
    ],
)
def test_wrong_values(changes: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NetworkSettings(**changes)


def test_unknown_networks_are_refused_when_a_representation_is_built() -> None:
    modalities = {"touch": Modality("touch", (3,), "float32", 0.0, 1.0)}
    message = r"`networks` must be one of 'pendulum', 'mhd', .*; got 'generics'. Did you mean 'generic'"
    with pytest.raises(ValueError, match=message):
        build("gmc", modalities, make_settings("gmc", benchmark="generic", networks="generics"))


def test_numbers_of_methods_stay_finite() -> None:
    """Checks that methods build on."""
    for value in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"`alignment_weight` must be a finite number of at least 0"):
            restore_settings("gmc", {"alignment_weight": value})
