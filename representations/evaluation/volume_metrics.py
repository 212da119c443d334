"""Metrics on Gramian volumes: alignment of all modalities at once, and retrieval by the smallest volume.

Read volumes together with `collinearity` and `mean_pairwise_cosine`: a volume of 0 needs vectors in one plane only, and
has no sign. All rows are normalised first, and everything is computed in float64.

Letters: B samples, k latents of each, D dimensions.
"""

import torch
from torch import Tensor
from torch.nn import functional

from anysense.representations.maths.volume import cross_volumes, gram_matrix, volume

_EPSILON = 1e-12
"""Enough in float64 to keep determinants of dependent vectors regular."""


def matched_volume(latents: Tensor, present: Tensor | None = None) -> Tensor:
    """Mean volume of the latents of one sample, in [0, 1]; smaller is better aligned.

    Args:
        latents: Float (B, k, D).
        present: Boolean (B, k); absent latents are left out. Compare only equal numbers of latents.

    Raises:
        ValueError: Wrong shape or dtype.
    """
    return volume(_normalised(latents), present).mean()


def mismatched_volume(anchors: Tensor, others: Tensor) -> Tensor:
    """Mean volume of anchors with the other latents of another sample, over all B (B - 1) mixtures.

    Args:
        anchors: Float (B, D), latents of one kind, for example the joint ones.
        others: Float (B, k - 1, D), the other latents of the same samples.

    Raises:
        ValueError: Wrong shapes or dtypes, or fewer than two samples.
    """
    volumes = _volumes(anchors, others)
    if len(volumes) < 2:
        raise ValueError("`anchors` must hold at least two samples, to mix them; got 1.")
    return (volumes.sum() - volumes.trace()) / (len(volumes) * (len(volumes) - 1))


def collinearity(latents: Tensor, present: Tensor | None = None) -> Tensor:
    """Mean share of the largest eigenvalue of the Gram matrix, in [1/k, 1]: 1 if and only if all lie on one line.

    Takes and raises what `matched_volume` does.
    """
    # Absent latents add eigenvalues 1, and the largest of the others is at least their mean, which is 1.
    largest: Tensor = torch.linalg.eigvalsh(gram_matrix(_normalised(latents), present))[..., -1]
    return (largest / (latents.shape[-2] if present is None else present.sum(dim=-1))).mean()


def mean_pairwise_cosine(latents: Tensor) -> Tensor:
    """Mean cosine over all pairs of latents of one sample, in [-1, 1]; sees the sign that volumes do not.

    Args:
        latents: Float (B, k, D), k at least 2.

    Raises:
        ValueError: Wrong shape or dtype, or a single latent.
    """
    gram = gram_matrix(_normalised(latents))
    count = gram.shape[-1]
    if count < 2:
        raise ValueError("`latents` must hold at least two latents of each sample; got 1.")
    pairs = gram.sum(dim=(-2, -1)) - gram.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return (pairs / (count * (count - 1))).mean()


def volume_retrieval_accuracy(anchors: Tensor, others: Tensor, top: int = 1) -> tuple[Tensor, Tensor]:
    """Share of samples found among the ``top`` smallest volumes: tuples by their anchor, and anchors by their tuple.

    The expected accuracy when ties are broken at random, as in `retrieval_accuracy`.

    Args:
        anchors: Float (B, D), latents of one kind.
        others: Float (B, k - 1, D), the other latents of the same samples.
        top: How many count as found, 1 to B.

    Raises:
        ValueError: Wrong shapes or dtypes, or ``top`` is outside 1..B.
    """
    volumes = _volumes(anchors, others)
    if not 1 <= top <= len(volumes):
        raise ValueError(f"`top` must lie between 1 and the number of samples ({len(volumes)}), got {top}.")
    smaller, ties = _order(volumes)
    found = ((top - smaller) / ties).clamp(0, 1).mean(dim=1)
    return found[0], found[1]


def volume_median_rank(anchors: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Median rank of the own sample by volume, 1 at best; directions, arguments and errors as above.

    Ties count half, so a collapsed representation has rank (B + 1) / 2.
    """
    smaller, ties = _order(_volumes(anchors, others))
    ranks = (smaller + (ties + 1) / 2).quantile(0.5, dim=1)
    return ranks[0], ranks[1]


def nearest_class(classes: Tensor, latents: Tensor, present: Tensor | None = None) -> Tensor:
    """Zero-shot classification: the class whose latent spans the smallest volume with those of a sample, int64 (B,).

    Args:
        classes: Float (C, D), the latent of each class, for example of each one-hot label.
        latents: Float (B, k - 1, D), latents of what is available of each sample.
        present: Boolean (B, k - 1), which of them are.

    Raises:
        ValueError: Wrong shapes or dtypes.
    """
    rows, queries = _normalised(classes), _normalised(latents)
    return cross_volumes(rows, queries, present, epsilon=_EPSILON, floor=0.0).argmin(dim=0)


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
