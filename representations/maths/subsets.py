"""Tables of subsets of modalities, row by row.

Letters: S subsets, M modalities, B rows, n modalities that a row has.
"""

import math

import torch
from torch import Tensor

__all__ = ["all_and_single", "check_every_subset", "every_subset_of_rows", "random_subsets"]

MOST_MODALITIES = 10
"""Every subset takes memory for one posterior of each row."""


def all_and_single(present: Tensor) -> Tensor:
    """All that a row has, then each modality by itself: boolean (M, B) to (1 + M, M, B); empty where it is absent."""
    each = torch.eye(len(present), dtype=torch.bool, device=present.device)
    return torch.cat([present[None], each[:, :, None] & present[None]])


def every_subset_of_rows(present: Tensor) -> Tensor:
    """Every subset of the modalities of each row that is not empty: boolean (M, B) to (2 ** M - 1, M, B).

    A subset of which a row lacks a modality is empty in that row. See `check_every_subset`.
    """
    count = len(present)
    check_every_subset(count)
    numbers = torch.arange(1, 2**count, device=present.device)
    table = (numbers[:, None] >> torch.arange(count, device=present.device)) & 1 == 1
    inside = table[:, :, None]
    return inside & (present | ~inside).all(dim=1, keepdim=True)


def check_every_subset(count: int) -> None:
    """ValueError if so many modalities have too many subsets."""
    if count > MOST_MODALITIES:
        raise ValueError(
            f"`modalities` must be at most {MOST_MODALITIES} to take every subset of them; got {count}, which have "
            f"2 ** {count}. Use another method, or fewer."
        )


def random_subsets(present: Tensor, count: int) -> Tensor:
    """For every row, subsets drawn uniformly and with replacement from those of 2 to n - 1 of its n modalities.

    The draws come from torch's default generator. ``present`` is boolean (M, B), ``count`` is S; the result, boolean
    (S, M, B), is empty in rows with fewer than 3 modalities, which have no such subset.
    """
    sizes = _random_sizes(present.sum(dim=0), len(present), count)
    keys = torch.rand((count, *present.shape), device=present.device).masked_fill(~present, torch.inf)
    ranks: Tensor = keys.argsort(dim=1).argsort(dim=1)
    return ranks < sizes[:, None]


def _random_sizes(available: Tensor, most: int, count: int) -> Tensor:
    """Sizes (S, B) of random subsets, each as likely as there are subsets of that size; 0 where there are none."""
    ways = [[float(math.comb(n, size)) if 2 <= size < n else 0.0 for size in range(most + 1)] for n in range(most + 1)]
    for n in range(min(3, most + 1)):
        ways[n][0] = 1.0
    table = torch.tensor(ways, device=available.device)
    return torch.multinomial(table[available], count, replacement=True).T
