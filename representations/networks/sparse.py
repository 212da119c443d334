"""Convolutions over images that are zero almost everywhere, at the cost of the part that is not.

A rod on an empty background touches about a tenth of the first convolution's windows and a fifth of the second's.
Without bias, and with an activation that maps 0 to 0, every other window yields exactly 0. So only windows with
something in them are gathered and multiplied: the same result as the dense convolutions, up to rounding, for any image.

Letters: B images, C channels, H x W pixels, K = 16 taps of a window (kernel 4, stride 2, padding 1), n windows kept.
"""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["KERNEL", "PADDING", "STRIDE", "WindowPlan", "plan_windows"]

KERNEL, STRIDE, PADDING = 4, 2, 1
FEWEST_IMAGES = 8
"""Below this number of images, planning costs more than it saves."""
DENSE_SHARE = 0.4
"""Above this share of second windows with something in them, gathering costs more than it saves."""


@dataclass(frozen=True)
class WindowPlan:
    """Which windows of two stacked convolutions hold something, for one batch of images.

    Attributes:
        first_patches: (n1, K * C) float pixels in [0, 1] under each window of the first convolution, taps before
            channels.
        second_taps: (n2 * K,) row of the first convolution's output under each tap; n1 means nothing.
        second_windows: (n2,) place of each window among all B * H/4 * W/4.
        second_count: B * H/4 * W/4.
    """

    first_patches: Tensor
    second_taps: Tensor
    second_windows: Tensor
    second_count: int

    def convolve(self, first: Tensor, second: Tensor) -> Tensor:
        """Both convolutions with SiLU after each; weights (C1, C, 4, 4) and (C2, C1, 4, 4).

        Returns:
            (B * H/4 * W/4, C2), window by window.
        """
        hidden = functional.silu(self.first_patches @ _matrix(first))
        padded = torch.cat([hidden, hidden.new_zeros(1, hidden.shape[1])])
        patches = padded.index_select(0, self.second_taps).view(len(self.second_windows), KERNEL**2 * hidden.shape[1])
        active = functional.silu(patches @ _matrix(second))
        return active.new_zeros(self.second_count, active.shape[1]).index_copy_(0, self.second_windows, active)


def plan_windows(images: Tensor) -> WindowPlan | None:
    """Plan for images (B, C, H, W), uint8 or float in [0, 1]; None where the dense convolutions are the better choice.

    That is on accelerators, for few images, for sides that are no multiples of 4, and for images with much in them; and
    where a gradient with respect to the pixels is wanted, which empty ones have, too.
    """
    batch, channels, height, width = images.shape
    if images.device.type != "cpu" or images.requires_grad or batch < FEWEST_IMAGES or height % 4 or width % 4:
        return None
    filled = images if images.dtype == torch.uint8 else images.ne(0)
    first = _touched_windows(reduce(torch.bitwise_or, filled.unbind(1)))
    second = _touched_windows(first)
    second_windows = second.flatten().nonzero().squeeze(1)
    if len(second_windows) > DENSE_SHARE * second.numel():
        return None
    first_windows = first.flatten().nonzero().squeeze(1)
    patches = _pixels(images).index_select(0, _taps(first_windows, height // 2, width // 2))
    patches = patches.view(len(first_windows), KERNEL**2 * channels)
    rows = torch.full((batch, height // 2, width // 2), len(first_windows))
    rows.view(-1)[first_windows] = torch.arange(len(first_windows))
    rows = functional.pad(rows, [PADDING] * 4, value=len(first_windows)).flatten()
    return WindowPlan(
        first_patches=patches / 255.0 if images.dtype == torch.uint8 else patches,
        second_taps=rows.index_select(0, _taps(second_windows, height // 4, width // 4)),
        second_windows=second_windows,
        second_count=second.numel(),
    )


def _pixels(images: Tensor) -> Tensor:
    """Padded pixels (B * padded height * padded width, C) of images (B, C, H, W)."""
    batch, channels, height, width = images.shape
    padded = images.new_zeros(batch, height + 2 * PADDING, width + 2 * PADDING, channels)
    padded[:, PADDING:-PADDING, PADDING:-PADDING] = images.permute(0, 2, 3, 1)
    return padded.view(-1, channels)


def _touched_windows(filled: Tensor) -> Tensor:
    """(B, H/2, W/2), not 0 where a window covers something of ``filled`` (B, H, W); boolean or uint8 bits."""
    batch, height, width = filled.shape
    blocks = functional.pad(filled, [PADDING] * 4).view(batch, height // 2 + 1, 2, width // 2 + 1, 2)
    rows = blocks[:, :, 0] | blocks[:, :, 1]
    cells = rows[..., 0] | rows[..., 1]
    tall = cells[:, 1:] | cells[:, :-1]
    return tall[:, :, 1:] | tall[:, :, :-1]


def _taps(windows: Tensor, height: int, width: int) -> Tensor:
    """Flat index (n * K,) in the padded input of every tap of windows given by flat index among (B, height, width)."""
    padded_height, padded_width = STRIDE * height + 2 * PADDING, STRIDE * width + 2 * PADDING
    image, place = windows // (height * width), windows % (height * width)
    corner = (image * padded_height + STRIDE * (place // width)) * padded_width + STRIDE * (place % width)
    steps = torch.arange(KERNEL)
    return (corner[:, None] + (steps[:, None] * padded_width + steps).flatten()).flatten()


def _matrix(weight: Tensor) -> Tensor:
    """Weight (out, C, 4, 4) as (K * C, out), taps before channels."""
    return weight.permute(2, 3, 1, 0).flatten(0, 2)
