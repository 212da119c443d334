"""Two stacked convolutions over images with empty parts, at the cost of the parts that hold something.

A digit fills about two fifths of its image. The second convolution (kernel 4, stride 2) reads the output of the first
in blocks of 2 x 2 places, each of which belongs to four windows. Without bias, and with an activation that maps 0 to 0,
a block over empty pixels is exactly 0 and adds nothing to its windows, nor to any gradient. So only the other blocks
are computed: the same result as the dense convolutions, up to rounding, for any image. Unlike `networks.sparse`, which
skips empty windows of the second convolution, this pays where most windows hold something but many blocks do not.

Letters: B images, C channels, H x W pixels, n blocks that hold something, kernel 4, stride 2, padding 1.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["BlockPlan", "plan_blocks"]

TAPS = 16
MARGIN = 3
"""Empty pixels around an image: the first block begins at the padding of both convolutions."""
FEWEST_IMAGES = 8
"""Below this number of images, planning costs more than it saves."""
DENSE_SHARE = 0.55
"""Above this share of blocks with something in them, the dense convolutions are faster."""


@dataclass(frozen=True)
class BlockPlan:
    """Which blocks hold something, for one batch of images; block n stands for all empty ones.

    Attributes:
        patches: ((n + 1) * 4, C * 16): pixels under the four places of each block.
        parts: (B * H/4 * W/4, 4): which products of a block with a quarter of the kernel each window is the sum of.
        windows: ((n + 1) * 4,): the window that each product belongs to; 0 for those in ``unused``.
        unused: Products that belong to no window, the last four (of the empty block) among them.
    """

    patches: Tensor
    parts: Tensor
    windows: Tensor
    unused: Tensor

    def convolve(self, first: Tensor, second: Tensor) -> Tensor:
        """Both convolutions with SiLU after each; weights (C1, C, 4, 4) and (C2, C1, 4, 4).

        Returns:
            (B * H/4 * W/4, C2), window by window.
        """
        inner, outer = second.shape[1], second.shape[0]
        blocks = functional.silu(self.patches @ first.flatten(1).t()).view(-1, 4 * inner)
        quarters = second.view(outer, inner, 2, 2, 2, 2).permute(2, 4, 0, 3, 5, 1).reshape(4 * outer, 4 * inner)
        products = (blocks @ quarters.t()).view(-1, outer)
        summed: Tensor = _SumOfParts.apply(products, self)  # type: ignore[no-untyped-call]
        return functional.silu(summed)


class _SumOfParts(torch.autograd.Function):
    """Windows from products; a product belongs to at most one window, so the gradient is a plain selection."""

    @staticmethod
    def forward(ctx: Any, products: Tensor, plan: BlockPlan) -> Tensor:
        """Products ((n + 1) * 4, C2) to windows (B * H/4 * W/4, C2)."""
        ctx.plan = plan
        return functional.embedding_bag(plan.parts, products, mode="sum", padding_idx=len(products) - 4)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient of the products."""
        plan: BlockPlan = ctx.plan
        return gradient.index_select(0, plan.windows).index_fill_(0, plan.unused, 0.0), None


def plan_blocks(images: Tensor) -> BlockPlan | None:
    """Plan for float images (B, C, H, W); None where the dense convolutions are the better choice.

    That is on accelerators, for few images, for sides that are no multiples of 4, and for images with much in them; and
    where a gradient with respect to the pixels is wanted, which empty ones have, too.
    """
    batch, channels, height, width = images.shape
    if images.device.type != "cpu" or images.requires_grad or batch < FEWEST_IMAGES or height % 4 or width % 4:
        return None
    padded = functional.pad(images, [MARGIN] * 4)
    filled = _filled_blocks(padded.ne(0).any(dim=1))
    chosen = filled.flatten().nonzero().squeeze(1)
    count = len(chosen)
    if count > DENSE_SHARE * filled.numel():
        return None
    image, place = chosen // filled[0].numel(), chosen % filled[0].numel()
    pixels = _pixel_table(channels, height, width).index_select(0, place) + image[:, None] * padded[0].numel()
    patches = padded.flatten().index_select(0, pixels.flatten()).view(count * 4, channels * TAPS)
    patches = torch.cat([patches, patches.new_zeros(4, channels * TAPS)])
    return BlockPlan(patches, *_assembly(filled, chosen))


def _assembly(filled: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``parts``, ``windows`` and ``unused`` of a plan.

    Args:
        filled: Boolean (B, H/4 + 1, W/4 + 1).
        chosen: Flat index (n,) of the filled blocks.
    """
    nothing = 4 * len(chosen)
    rows = torch.full(filled.shape, nothing)
    rows.view(-1)[chosen] = torch.arange(0, nothing, 4)
    parts = torch.stack([rows[:, :-1, :-1], rows[:, :-1, 1:], rows[:, 1:, :-1], rows[:, 1:, 1:]], dim=-1).view(-1, 4)
    parts = torch.where(parts == nothing, nothing, parts + torch.arange(4))
    windows = torch.full((nothing + 4,), -1)
    windows[parts.flatten()] = torch.arange(len(parts)).repeat_interleave(4)
    windows[nothing] = -1
    return parts, windows.clamp(min=0), (windows < 0).nonzero().squeeze(1)


def _filled_blocks(filled: Tensor) -> Tensor:
    """Boolean (B, H/4 + 1, W/4 + 1): whether any of the 6 x 6 pixels under a block, 4 apart, is filled.

    Args:
        filled: Boolean (B, H + 6, W + 6).
    """
    batch, height, width = filled.shape
    cells = filled.view(batch, height // 2, 2, width // 2, 2).any(dim=4).any(dim=2)
    tall = cells[:, :-2:2] | cells[:, 1:-1:2] | cells[:, 2::2]
    return tall[:, :, :-2:2] | tall[:, :, 1:-1:2] | tall[:, :, 2::2]


@lru_cache(maxsize=4)
def _pixel_table(channels: int, height: int, width: int) -> Tensor:
    """Flat index of the pixels of each block in one padded image: (blocks, 4 * C * 16).

    Places outside the output of the first convolution are the padding of the second, hence 0: they point at an empty
    corner.
    """
    wide, rows, columns = width + 2 * MARGIN, height // 4 + 1, width // 4 + 1
    numbers = torch.arange(channels * (height + 2 * MARGIN) * wide).view(channels, -1, wide)
    windows = numbers.unfold(1, 4, 2).unfold(2, 4, 2).permute(1, 2, 0, 3, 4).contiguous()
    windows[[0, -1]] = 0
    windows[:, [0, -1]] = 0
    return windows.view(rows, 2, columns, 2, channels * TAPS).transpose(1, 2).reshape(rows * columns, -1)
