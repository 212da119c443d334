"""Padding of sequences inside networks: in a checked batch it is NaN, and networks that take lengths leave it out.

Letters: B rows, C channels, T time steps.
"""

import torch
from torch import Tensor, nn

__all__ = ["convolved", "lengths_of", "without_padding", "zero_padded"]


def lengths_of(entries: Tensor) -> Tensor | None:
    """How many steps each row has before its padding, int64 (B,), from one entry of each step (B, T).

    None if no row has padding. A row of nothing but NaN is no sequence: it has none.
    """
    if not bool(entries[:, -1].isnan().any()):
        return None
    counts = (~entries.isnan()).sum(dim=1)
    return counts.masked_fill(counts == 0, entries.shape[1])


def zero_padded(value: Tensor, lengths: Tensor, axis: int = 1) -> Tensor:
    """Rows with T steps along an axis, and zeros in all steps from their lengths (B,) on."""
    padding = torch.arange(value.shape[axis], device=value.device) >= lengths[:, None]
    return value.masked_fill(padding.view(len(value), *[1] * (axis - 1), -1, *[1] * (value.ndim - axis - 1)), 0.0)


def convolved(layers: nn.Sequential, value: Tensor) -> Tensor:
    """Convolutions over (B, C, T, ...), of which each row is what its own steps alone give, and zeros behind them.

    Every convolution must make ceil(T / stride) steps of T, and every other layer keep zeros.
    """
    lengths = lengths_of(value[:, 0].flatten(2)[..., 0] if value.ndim > 3 else value[:, 0])
    if lengths is None:
        plain: Tensor = layers(value)
        return plain
    value = zero_padded(value, lengths, 2)
    for layer in layers:
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            lengths = (lengths + layer.stride[0] - 1) // layer.stride[0]
        value = zero_padded(layer(value), lengths, 2)
    return value


def without_padding(target: Tensor) -> tuple[Tensor, Tensor | None]:
    """A target (B, *shape) with zeros in the place of padding, and where that is, boolean; None if there is none.

    The last entry of all is of the last step, whatever the order of the axes.
    """
    if not bool(target.flatten(1)[:, -1].isnan().any()):
        return target, None
    padding = target.isnan()
    return target.masked_fill(padding, 0.0), padding
