"""Dropout with a quarter of the random numbers."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["dropped"]

LEVELS = 65_536


def dropped(value: Tensor, dropout: float, training: bool) -> Tensor:
    """Inverted dropout, as `torch.nn.functional.dropout`; on a CPU in less than half of its time.

    There four entries share one 64-bit random number of torch's default generator. Entries are dropped independently,
    each with the probability nearest to ``dropout`` (below 1) among the multiples of 1/65536, and the others divided by
    the probability of being kept.
    """
    if not training or dropout == 0.0 or value.device.type != "cpu":
        return functional.dropout(value, dropout, training)
    count, lowest = value.numel(), round(dropout * LEVELS) - LEVELS // 2
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    levels = bits.view(torch.int16)[:count].view(value.shape).to(value.dtype)
    return value * levels.sub_(lowest - 1).clamp_(0.0, 1.0).mul_(1.0 / (0.5 - lowest / LEVELS))
