"""The image trunk that reads frames one by one, against a loop over frames."""

import pytest
import torch
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import networks
from anysense.representations.networks.pendulum import FramesTrunk

IMAGE = Modality("image", (3, 8, 6), "uint8", 0, 255)


@pytest.fixture
def trunk() -> FramesTrunk:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FramesTrunk(IMAGE, (7, 5), 4)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (5, 3, 8, 6), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_equals_a_loop_over_rows_and_frames(trunk: FramesTrunk, images: torch.Tensor) -> None:
    for row, features in zip(images, trunk(images), strict=True):
        vectors = []
        for frame in row:
            blocks = [
                frame[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].float().mean() / 255 for i in range(4) for j in range(3)
            ]
            hidden = torch.stack(blocks)
            for layer in (trunk.frame[0], trunk.frame[2]):
                hidden = functional.silu(layer(hidden))
            vectors.append(trunk.embed(hidden))
        joined = torch.cat([*vectors, 10 * (vectors[1] - vectors[0]), 10 * (vectors[2] - vectors[1])])
        for layer in (trunk.compare[0], trunk.compare[2]):
            joined = functional.silu(layer(joined))
        torch.testing.assert_close(features, joined)


def test_a_pair_equals_two_single_passes(trunk: FramesTrunk, images: torch.Tensor) -> None:
    other = FramesTrunk(IMAGE, (7, 5), 4)
    first, second = trunk.forward_pair(other, images)
    torch.testing.assert_close(first, trunk(images))
    torch.testing.assert_close(second, other(images))


def test_bytes_and_numbers_up_to_one_are_the_same_picture(trunk: FramesTrunk, images: torch.Tensor) -> None:
    torch.testing.assert_close(trunk(images), trunk(images / 255.0))


def test_stays_in_float32_under_autocast(trunk: FramesTrunk, images: torch.Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        features = trunk(images)
    assert features.dtype == torch.float32
    assert torch.equal(features, trunk(images))


def test_images_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'image' must be an image of at least 2 x 2 pixels; got \(2, 1, 6\)"):
        networks("pendulum").trunk(Modality("image", (2, 1, 6), "uint8", 0, 255, kind="image:chw"))
