"""Two stacked convolutions over images with empty parts, at the cost of the parts that hold something.

Kernel 4, stride 2, padding 1, no bias, SiLU after each. A rod fills a tenth of its image, a digit two fifths. The
second convolution reads the output of the first in blocks of 2 x 2 places; a block is computed from 6 x 6 pixels and
makes up one quarter of up to four windows. Without bias, and because SiLU maps 0 to 0, a block over empty pixels is
exactly 0 and adds nothing to its windows, nor to the gradient of any weight. So only the other blocks are computed: the
values and gradients of the dense convolutions, up to rounding, for any image.

Letters: B images, C channels, H x W pixels, n blocks that hold something, C1 and C2 channels after each convolution.
"""

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional

__all__ = ["silu_convolutions"]

SIDE, STEP, MARGIN = 6, 4, 3
"""Pixels on a side of a block, from one block to the next, and of the first block outside the image."""
FEWEST_IMAGES = 8
"""Below this number of images, finding the blocks costs more than it saves."""
DENSE_SHARE = 0.45
"""Above this share of blocks with something in them, the dense convolutions are as fast."""


def silu_convolutions(images: Tensor, first: nn.Conv2d, second: nn.Conv2d) -> Tensor:
    """Both convolutions with SiLU after each, flattened place by place: (B, H/4 * W/4 * C2).

    Batches of 8 or more mostly empty images on the CPU, with sides that are multiples of 4, go block by block, always
    in float32; all others take the dense convolutions, which follow autocast. So do images whose own gradient is
    wanted: it is not 0 where they are empty.

    Args:
        images: (B, C, H, W), float32.
        first: Weight (C1, C, 4, 4); stride 2, padding 1, no bias.
        second: Weight (C2, C1, 4, 4); likewise.
    """
    filled = _filled_blocks(images)
    if filled is not None:
        with torch.autocast("cpu", enabled=False):
            return _blockwise(images, filled, first.weight, second.weight)
    # Channels last: 1.6 times as fast as contiguous images of two channels.
    pixels = images.contiguous(memory_format=torch.channels_last)
    return functional.silu(second(functional.silu(first(pixels)))).permute(0, 2, 3, 1).flatten(1)


def _filled_blocks(images: Tensor) -> Tensor | None:
    """Boolean (B, H/4 + 1, W/4 + 1): which blocks hold something; None where the dense convolutions are to be taken."""
    height, width = images.shape[2:]
    if images.device.type != "cpu" or len(images) < FEWEST_IMAGES or height % 4 or width % 4:
        return None
    tangent = forward_ad.unpack_dual(images).tangent  # type: ignore[no-untyped-call]
    if images.requires_grad or tangent is not None:
        return None
    filled = functional.max_pool2d(images.ne(0).any(dim=1).float(), SIDE, STEP, MARGIN)
    return filled.bool() if filled.mean() <= DENSE_SHARE else None


def _blockwise(images: Tensor, filled: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """The convolutions of the filled blocks; weights (C1, C, 4, 4) and (C2, C1, 4, 4)."""
    (rows, columns), (inner, outer) = (size // 4 for size in images.shape[2:]), (len(first), len(second))
    image, row, column = filled.nonzero(as_tuple=True)
    hidden = functional.silu(_patches(images, image, row, column) @ first.flatten(1).t()).view(-1, 4 * inner)
    quarters = second.view(outer, inner, 2, 2, 2, 2).permute(2, 4, 0, 3, 5, 1).reshape(4 * outer, 4 * inner)
    products = (hidden @ quarters.t()).view(-1, outer)
    # The quarters of a block belong to the window at its own place, left of it, above it, and left of that.
    row, column = row[:, None] - torch.tensor([0, 0, 1, 1]), column[:, None] - torch.tensor([0, 1, 0, 1])
    used = (_within(row, rows) & _within(column, columns)).flatten().nonzero().squeeze(1)
    windows = ((image[:, None] * rows + row) * columns + column).flatten()[used]
    summed = products.new_zeros(len(images) * rows * columns, outer)
    return functional.silu(summed.index_add_(0, windows, products.index_select(0, used))).view(len(images), -1)


def _patches(images: Tensor, image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Pixels under the 2 x 2 places of each block, (n * 4, C * 16).

    0 for places outside the output of the first convolution, which are the padding of the second.
    """
    padded = functional.pad(images, [MARGIN] * 4)
    pixels = padded.unfold(2, SIDE, STEP).unfold(3, SIDE, STEP)[image, :, row, column]
    row, column = 2 * row[:, None] - torch.tensor([1, 0]), 2 * column[:, None] - torch.tensor([1, 0])
    inside = _within(row, images.shape[2] // 2)[:, :, None] & _within(column, images.shape[3] // 2)[:, None]
    patches = pixels.unfold(2, 4, 2).unfold(3, 4, 2).permute(0, 2, 3, 1, 4, 5) * inside[..., None, None, None]
    return patches.flatten(3).flatten(0, 2)


def _within(index: Tensor, size: int) -> Tensor:
    return (index >= 0) & (index < size)
