"""The plain form of two stacked convolutions with SiLU after each."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["silu_convolutions"]


def silu_convolutions(images: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Images (B, C, H, W), uint8 or float in [0, 1], to (B, H/4 * W/4 * C2), place by place.

    Kernel 4, stride 2, padding 1, no bias; weights (C1, C, 4, 4) and (C2, C1, 4, 4).
    """
    pixels = images.to(first.dtype) / (255.0 if images.dtype == torch.uint8 else 1.0)
    pixels = pixels.contiguous(memory_format=torch.channels_last)  # The faster layout; the values are the same.
    hidden = functional.silu(functional.conv2d(pixels, first, stride=2, padding=1))
    return functional.silu(functional.conv2d(hidden, second, stride=2, padding=1)).permute(0, 2, 3, 1).flatten(1)
