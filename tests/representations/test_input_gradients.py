"""Gradients of what image encoders and decoders read: the same in any batch, and those of finite differences.

Mostly empty images in batches of 8 or more may be encoded another way than others; no way may change a gradient.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import networks

Make = Callable[[str], nn.Module]


def network(family: str, shape: tuple[int, ...], dtype: str, kind: str, **settings: Any) -> nn.Module:
    bounds = (0, 255) if dtype == "uint8" else (0.0, 1.0)
    make = getattr(networks(family, **settings), kind)
    module: nn.Module = make(Modality("image", shape, dtype, *bounds), *((5,) if kind == "decoder" else ()))
    return module.eval()


CONVOLUTION = {"image_encoder": "convolution", "image_channels": (4, 6)}
FRAMES = {"image_encoder": "frames", "frame_widths": (16,), "frame_dim": 8}
PENDULUM, MHD, PHOTO = (2, 60, 60), (1, 28, 28), (3, 32, 32)
FAMILIES: dict[str, tuple[tuple[int, ...], Make]] = {
    "pendulum convolution": (PENDULUM, functools.partial(network, "pendulum", PENDULUM, "uint8", **CONVOLUTION)),
    "pendulum frames": (PENDULUM, functools.partial(network, "pendulum", PENDULUM, "uint8", **FRAMES)),
    "mhd": (MHD, functools.partial(network, "mhd", MHD, "float32")),
    "mhd bytes": (MHD, functools.partial(network, "mhd", MHD, "uint8")),
    "generic": (PHOTO, functools.partial(network, "generic", PHOTO, "uint8")),
}
every_family = pytest.mark.parametrize("family", FAMILIES)
every_encoder = pytest.mark.parametrize("kind", ["trunk", "generative_trunk"])


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def mostly_empty(rows: int, shape: tuple[int, ...]) -> Tensor:
    """Each image holds one rectangle, at another place than the image before."""
    images = torch.zeros(rows, *shape)
    for row, image in enumerate(images):
        image[:, 2 * row : 2 * row + 9, 4 + row : 9 + row] = 0.5
    return images


def gradient(module: nn.Module, value: Tensor, along: Tensor) -> Tensor:
    value = value.clone().requires_grad_()
    return torch.autograd.grad((module(value) * along).sum(), value)[0]


def assert_gradients(module: nn.Module, value: Tensor, everywhere: bool) -> None:
    """Of 8 rows: those of batches of 7 and 1, and of finite differences in a random direction."""
    along = torch.randn_like(module(value))
    together = gradient(module, value, along)
    apart = torch.cat([gradient(module, value[rows], along[rows]) for rows in (slice(0, 7), slice(7, 8))])
    scale = float(apart.abs().max())
    torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-4 * scale)
    if everywhere:
        assert (together[value == 0.0] != 0.0).float().mean() > 0.9
    direction = torch.randn_like(value)
    with torch.no_grad():
        ahead, behind = (((module(value + step * direction)) * along).double().sum() for step in (1e-2, -1e-2))
    expected = (together * direction).sum().double()
    torch.testing.assert_close((ahead - behind) / 2e-2, expected, rtol=2e-2, atol=2e-2 * scale)


@every_family
@every_encoder
def test_gradient_of_pixels(family: str, kind: str) -> None:
    shape, make = FAMILIES[family]
    assert_gradients(make(kind), mostly_empty(8, shape), everywhere=True)


@every_family
def test_gradient_of_latents(family: str) -> None:
    _, make = FAMILIES[family]
    assert_gradients(make("decoder"), torch.randn(8, 5), everywhere=False)


@every_family
@every_encoder
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_gradient_of_weights(family: str, kind: str, dtype: torch.dtype) -> None:
    """Of 8 images at once, which may go block by block, and of 7 and 1, which go through the plain convolutions."""
    shape, make = FAMILIES[family]
    module, images = make(kind), mostly_empty(8, shape)
    images = (255 * images).to(dtype) if dtype == torch.uint8 else images
    features = module(images)
    along, weights = torch.randn_like(features), list(module.parameters())
    together = torch.autograd.grad((features * along).sum(), weights)
    parts = [(module(images[rows]), along[rows]) for rows in (slice(0, 7), slice(7, 8))]
    torch.testing.assert_close(features, torch.cat([part for part, _ in parts]), rtol=1e-4, atol=1e-5)
    apart = torch.autograd.grad(sum((part * row).sum() for part, row in parts), weights)
    for ours, theirs in zip(together, apart, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))
