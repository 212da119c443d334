"""What a modality is taken for: by its shape, dtype and bounds, or as it is named; and what cannot be told."""

import json

import gymnasium as gym
import numpy as np
import pytest

from anysense.representations.modality import Modality, modalities_from_space
from anysense.representations.networks.catalogue import networks
from anysense.representations.registry import build

BYTE, UNIT, SOUND, FREE = ("uint8", 0, 255), ("float32", 0, 1), ("float32", -1, 1), ("float32",)
TOLD = [
    ((210, 160, 3), BYTE, "image:hwc"),
    ((3, 210, 160), BYTE, "image:chw"),
    ((84, 84, 4), BYTE, "image:hwc"),
    ((4, 84, 84), BYTE, "image:chw"),
    ((10, 84, 84), BYTE, "image:chw"),
    ((5, 5, 3), BYTE, "image:hwc"),
    ((64, 3, 3), BYTE, "image:hwc"),
    ((1, 8, 8), BYTE, "image:chw"),
    ((4, 1, 1), BYTE, "image:chw"),
    ((84, 84), BYTE, "image:hw"),
    ((5, 5), ("uint8", 0, 9), "image:hw"),
    ((4, 84, 84, 3), BYTE, "image:shwc"),
    ((4, 3, 84, 84), BYTE, "image:schw"),
    ((64, 64, 3), UNIT, "image:hwc"),
    ((3, 64, 64), ("float32", 0, 255), "image:chw"),
    ((64, 64), UNIT, "image:hw"),
    ((2, 64, 64, 3), UNIT, "image:shwc"),
    ((512,), BYTE, "waveform:n"),
    ((16_000,), SOUND, "waveform:n"),
    ((800,), ("float32", -32768, 32767), "waveform:n"),
    ((16_000, 1), FREE, "waveform:nc"),
    ((1, 16_000), FREE, "waveform:cn"),
    ((800, 2), SOUND, "waveform:nc"),
    ((3, 800), SOUND, "waveform:cn"),
    ((2, 512), BYTE, "waveform:cn"),
    ((2, 3, 800), SOUND, "waveform:scn"),
    ((1, 128, 40), ("float32", -80, 0), "spectrogram:ctf"),
    ((2, 3, 5, 32), ("float32", -50, 34), "spectrogram:sctf"),
    ((2, 3, 5, 32), FREE, "vector"),
    ((2, 4, 9, 2), ("float32", 0, 467), "vector"),
    ((128, 40, 2), ("float32", -80, 0), "spectrogram:tfc"),
    ((128, 40), ("float32", -80, 0), "spectrogram:tf"),
    ((2, 128, 40), FREE, "spectrogram:ctf"),
    ((50, 7), FREE, "sequence:tf"),
    ((1000, 6), FREE, "sequence:tf"),
    ((100, 20), UNIT, "sequence:tf"),
    ((128,), BYTE, "vector"),
    ((300,), ("uint8", 0, 17), "vector"),
    ((12,), SOUND, "vector"),
    ((255,), FREE, "vector"),
    ((360,), ("float32", 0, 30), "vector"),
    ((300,), ("float32", (0.0,) * 300, tuple(range(1, 301))), "vector"),
    ((2, 3, 2), FREE, "vector"),
    ((2, 3, 4, 5), FREE, "vector"),
]


def modality(shape, about, **more):
    return Modality("m", shape, *about, **more)


@pytest.mark.parametrize(("shape", "about", "kind"), TOLD)
def test_kinds_that_are_told(shape, about, kind):
    described = modality(shape, about).described()
    assert described.kind == kind
    assert described.described() == described == modality(shape, about, kind=kind)
    assert Modality(**json.loads(json.dumps(described.to_json()))) == described


@pytest.mark.parametrize(
    ("shape", "about", "choices"),
    [
        ((16_000,), FREE, ("m=waveform", "m=vector")),
        ((300,), FREE, ("m=waveform", "m=vector")),
        ((5_000,), UNIT, ("m=waveform", "m=vector")),
        ((8, 512), FREE, ("m=waveform:cn", "m=sequence:tf")),
        ((3, 64, 3), BYTE, ("m=image:chw", "m=image:hwc")),
        ((64, 64, 64), BYTE, ("m=image:chw", "m=image:hwc")),
        ((64, 9, 9), FREE, ("m=spectrogram:ctf", "m=spectrogram:tfc")),
        ((2, 3, 64, 3), BYTE, ("m=image:schw", "m=image:shwc")),
        ((10, 30, 40, 5), FREE, ("m=image", "m=vector")),
        ((10, 10, 10, 10, 10), BYTE, ("m=vector",)),
    ],
)
def test_what_cannot_be_told_is_asked(shape, about, choices):
    with pytest.raises(ValueError, match=r"modality 'm'.* cannot be told.*say so with --kind") as caught:
        modality(shape, about).described()
    for choice in choices:
        assert f"--kind {choice}" in str(caught.value)
    chosen = choices[0].removeprefix("m=")
    if (shape, chosen) != ((10, 30, 40, 5), "image"):  # Which axis holds its channels is another question.
        assert modality(shape, about, kind=chosen).kind.startswith(chosen)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("imag", r"`kind` must be one of 'image', .* Did you mean 'image'"),
        ("image:cwh", r"shape \(20, 30, 3\) cannot be of the kind 'image:cwh'; expected image:chw, image:hwc"),
        ("sequence", r"cannot be of the kind 'sequence'; expected sequence:t, sequence:tf, sequence:ft"),
        ("vector:n", r"cannot be of the kind 'vector:n'; expected vector, without an order"),
        (3, r"`kind` must be one of"),
    ],
)
def test_wrong_kinds(kind, message):
    with pytest.raises(ValueError, match=message):
        modality((20, 30, 3), BYTE, kind=kind)


def test_kinds_named_by_hand_are_kept():
    assert modality((3, 64, 3), BYTE, kind="image:hwc").kind == "image:hwc"
    assert modality((64, 64, 3), BYTE, kind="image:chw").kind == "image:chw"
    assert modality((700, 3), FREE, kind="waveform").kind == "waveform:nc"
    assert modality((60, 20), FREE, kind="spectrogram").kind == "spectrogram:tf"
    assert modality((3, 64, 64), BYTE, kind="vector").kind == "vector"


def test_representations_store_kinds_and_other_families_refuse_them():
    sound = modality((600,), SOUND)
    assert build("gmc", {"m": sound}).modalities["m"].kind == "waveform:n"
    with pytest.raises(ValueError, match=r"`kind`, .* have no effect in the networks 'pendulum'; leave them out"):
        build("gmc", {"m": sound.described()}, networks=networks("pendulum"))


def test_spaces_of_any_numbers():
    space = gym.spaces.Dict(
        joints=gym.spaces.Box(-np.inf, np.inf, (7,), np.float64),
        cart=gym.spaces.Box(np.array([-4, -3.4e38], np.float32), np.array([4, 3.4e38], np.float32)),
        flags=gym.spaces.Box(0, 1, (3,), np.int8),
        counts=gym.spaces.Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (2,), np.int64),
        heard=gym.spaces.Box(-32768, 32767, (800,), np.int16),
        still=gym.spaces.Box(np.zeros(2, np.float32), np.array([0, 2], np.float32)),
    )
    found = modalities_from_space(space)
    assert set(found) == set(space)
    assert {one.dtype for one in found.values()} == {"float32"}
    bounds = {name: (one.low, one.high) for name, one in found.items()}
    assert bounds == {
        "joints": (None, None),
        "cart": (None, None),
        "flags": (0.0, 1.0),
        "counts": (None, None),
        "heard": (-32768.0, 32767.0),
        "still": (0.0, (1.0, 2.0)),
    }
    assert found["heard"].described().kind == "waveform:n"


def test_one_line_says_how_a_modality_is_read():
    line = modality((210, 160, 3), BYTE, image_size=84, grey=True).explained()
    assert line == "m: uint8 (210, 160, 3), read as image (height x width x channels), seen as (1, 84, 84)"
    assert modality((9,), FREE).described().explained() == "m: float32 (9,), read as vector"
    assert modality((9,), FREE).explained() == "m: float32 (9,)"
