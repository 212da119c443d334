"""Images that are shrunk and made grey: against averaging by hand, in every order of axes, raw or prepared before."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from anysense.representations import build, load_representation, save_representation
from anysense.representations.modality import Modality
from anysense.representations.networks.frames import Frames, area_weights


def area_mean(frame, height, width):
    """Area average of (H, W) by repeating each pixel until the sizes divide."""
    rows, columns = frame.shape
    large = np.kron(frame.astype(np.float64), np.ones((height, width)))
    return large.reshape(height, rows, width, columns).mean(axis=(1, 3))


def luma(frame):
    return 0.299 * frame[0] + 0.587 * frame[1] + 0.114 * frame[2]


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(("colours", "kind"), [(3, "image:chw"), (3, "image:hwc"), (4, "image:hwc"), (1, "image:chw")])
def test_frames_equal_averages_by_hand(colours, kind, grey):
    frames = np.random.default_rng(0).integers(0, 256, (2, colours, 21, 16), np.uint8)
    raw = frames if kind == "image:chw" else frames.transpose(0, 2, 3, 1)
    modality = Modality("image", raw.shape[1:], "uint8", 0, 255, kind, image_size=9, grey=grey)
    made = Frames(modality)(torch.from_numpy(np.ascontiguousarray(raw)))
    mixed = [[luma(frame)] if grey and colours > 1 else list(frame) for frame in frames.astype(np.float64)]
    wanted = np.array([[area_mean(channel, 9, 9) for channel in frame] for frame in mixed])
    assert made.dtype == torch.uint8
    assert tuple(made.shape[1:]) == modality.prepared.shape == wanted.shape[1:]
    assert np.abs(made.numpy() - wanted).max() <= 0.501


@pytest.mark.parametrize("order", ["schw", "shwc"])
def test_stacks_of_colour_frames(order):
    frames = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 8, 6), np.uint8)
    raw = frames if order == "schw" else np.ascontiguousarray(frames.transpose(0, 1, 3, 4, 2))
    modality = Modality("image", raw.shape[1:], "uint8", kind=f"image:{order}", image_size=4, grey=True)
    assert modality.prepared.shape == (2, 4, 4)
    made = Frames(modality)(torch.from_numpy(raw)).numpy()
    for row, frame in itertools.product(range(5), range(2)):
        wanted = area_mean(luma(frames[row, frame].astype(np.float64)), 4, 4)
        assert np.abs(made[row, frame] - wanted).max() <= 0.501


def test_frames_equal_those_of_torch_where_sizes_divide():
    images = torch.rand(2, 3, 24, 36)
    modality = Modality("image", (3, 24, 36), "float32", 0, 1, image_size=12)
    torch.testing.assert_close(Frames(modality)(images), functional.interpolate(images, (12, 12), mode="area"))


@pytest.mark.parametrize(("size", "smaller"), [(210, 84), (160, 84), (7, 7), (5, 1), (9, 8)])
def test_weights_of_areas(size, smaller):
    weights = area_weights(size, smaller)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=0), smaller / size, atol=1e-12)


def test_small_images_stay_as_they_are_and_grey_stacks_stay_stacks():
    assert Modality("image", (16, 90), "uint8", image_size=84).prepared.shape == (1, 16, 84)
    assert Modality("image", (16, 16, 3), "uint8", image_size=84).prepared.shape == (3, 16, 16)
    assert Modality("image", (2, 16, 16), "uint8", grey=True).prepared.shape == (2, 16, 16)


@pytest.mark.parametrize("method", ["gmc", "mvae"])
def test_raw_and_prepared_frames_give_the_same(method, tmp_path):
    modality = Modality("image", (30, 20, 3), "uint8", 0, 255, image_size=12, grey=True)
    touch = Modality("touch", (3,), "float32", -1, 1)
    save_representation(build(method, {"image": modality, "touch": touch}).eval(), tmp_path / "r")
    representation = load_representation(tmp_path / "r")
    assert representation.modalities["image"] == modality
    raw = torch.randint(0, 256, (6, 30, 20, 3), dtype=torch.uint8)
    prepared = Frames(modality)(raw)
    with torch.no_grad():
        latents = representation.encode({"image": raw})
        torch.testing.assert_close(latents, representation.encode({"image": prepared}))
        torch.testing.assert_close(latents, representation.encode({"image": raw / 255.0}), rtol=0.1, atol=0.02)
        losses = [representation.loss({"image": it, "touch": torch.zeros(6, 3)}) for it in (raw, prepared)]
    assert all(bool(loss["total"].isfinite()) for loss in losses)
    with pytest.raises(ValueError, match=r"`observation\['image'\]` must have shape \(B, 30, 20, 3\)"):
        representation.encode({"image": raw[:, :12]})


@pytest.mark.parametrize(
    ("shape", "about", "message"),
    [
        ((300,), {"image_size": 84}, r"`image_size` and `grey` have no meaning for modality 'm' of kind 'waveform:n'"),
        ((8, 8), {"image_size": 0}, r"`image_size` of modality 'm' must be 1 or more; got 0"),
        ((8, 8), {"image_size": True}, r"`image_size` of modality 'm' must be 1 or more; got True"),
        ((5, 4, 4, 4), {"grey": True}, r"which of its axes holds the channels cannot be told"),
    ],
)
def test_preparations_that_make_no_sense(shape, about, message):
    with pytest.raises(ValueError, match=message):
        Modality("m", shape, "uint8", **about)
