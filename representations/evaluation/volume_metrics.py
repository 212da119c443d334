"""Metrics on Gramian volumes: alignment of all modalities at once, and retrieval by the smallest volume.

All rows are normalised first, and everything is computed in float64. A volume of 0 needs vectors in one plane only, and
has no sign. Letters: B samples, k latents of each, D dimensions. ``anchors`` are float (B, D), latents of one kind;
``others`` float (B, k - 1, D), the other latents of the same samples. Wrong shapes or dtypes are a ValueError.
"""

import torch
from torch import Tensor
from torch.nn import functional

from anysense.representations.maths.volume import cross_volumes, volume

__all__ = ["matched_volume", "mismatched_volume", "volume_median_rank", "volume_retrieval_accuracy"]

_EPSILON = 1e-12
"""Enough in float64 to keep determinants of dependent vectors regular."""


def matched_volume(latents: Tensor, present: Tensor | None = None) -> Tensor:
    """Mean volume of the latents (B, k, D) of one sample, in [0, 1]; smaller is better aligned.

    Latents that are absent by ``present``, boolean (B, k), are left out. Compare only equal numbers of latents.
    """
    return volume(_normalised(latents), present).mean()


def mismatched_volume(anchors: Tensor, others: Tensor) -> Tensor:
    """Mean volume of anchors with the other latents of another sample, over all B (B - 1) mixtures; B is at least 2."""
    volumes = _volumes(anchors, others)
    if len(volumes) < 2:
        raise ValueError("`anchors` must hold at least two samples, to mix them; got 1.")
    return (volumes.sum() - volumes.trace()) / (len(volumes) * (len(volumes) - 1))


def volume_retrieval_accuracy(anchors: Tensor, others: Tensor, top: int = 1) -> tuple[Tensor, Tensor]:
    """Share of samples found among the ``top`` smallest volumes: tuples by their anchor, and anchors by their tuple.

    The expected accuracy when ties are broken at random, as in `retrieval_accuracy`; ``top`` is 1 to B.
    """
    volumes = _volumes(anchors, others)
    if not 1 <= top <= len(volumes):
        raise ValueError(f"`top` must lie between 1 and the number of samples ({len(volumes)}), got {top}.")
    smaller, ties = _order(volumes)
    found = ((top - smaller) / ties).clamp(0, 1).mean(dim=1)
    return found[0], found[1]


def volume_median_rank(anchors: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Median rank of the own sample by volume, 1 at best, in both directions.

    Ties count half, so a collapsed representation has rank (B + 1) / 2.
    """
    smaller, ties = _order(_volumes(anchors, others))
    ranks = (smaller + (ties + 1) / 2).quantile(0.5, dim=1)
    return ranks[0], ranks[1]


def _normalised(latents: Tensor) -> Tensor:
    return functional.normalize(latents.double(), dim=-1)


def _volumes(anchors: Tensor, others: Tensor) -> Tensor:
    """Volumes (B, B) of all anchors with all tuples."""
    if len(anchors) != len(others):
        raise ValueError(
            f"`anchors` and `others` must hold the same samples; got {len(anchors)} and {len(others)} rows."
        )
    return cross_volumes(_normalised(anchors), _normalised(others), epsilon=_EPSILON, floor=0.0)


def _order(volumes: Tensor) -> tuple[Tensor, Tensor]:
    """How many volumes are smaller than the own one, and how many equal it, both (2, B): by row and by column."""
    own = volumes.diagonal()
    smaller = torch.stack([(volumes < own[:, None]).sum(dim=1), (volumes < own).sum(dim=0)])
    ties = torch.stack([(volumes == own[:, None]).sum(dim=1), (volumes == own).sum(dim=0)])
    return smaller, ties
