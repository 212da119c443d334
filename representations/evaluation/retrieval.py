"""Retrieval across modalities: the rank of the right candidate among all, by cosine and by Gramian volume.

A query is what is known of one sample, candidates are the latents of all samples. By cosine both are single vectors. By
volume one side is a tuple of latents, one per modality, and the other a single latent: the smaller the volume that they
span, the better they fit (Cicchetti et al., GRAM, ICLR 2025). For one query the volumes with all candidates are ordered
as the candidates' distances from the space that the query's latents span.

Letters: N samples, k latents of a tuple, D dimensions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.checks import check_matrix, check_paired
from anysense.representations.maths.volume import cross_volumes

__all__ = ["Ranks", "blocks", "ranks_by_cosine", "ranks_by_volume"]

MOST_NUMBERS = 16 << 20
"""Numbers of one block of scores: 128 MB."""
EPSILON = 1e-12
"""Added to the diagonal of Gram matrices, so that tuples of dependent latents have a volume."""


class Ranks:
    """Where the right candidate of each query stands.

    Attributes:
        better: How many candidates score better than the right one, int64 (N,).
        equal: How many score the same, the right one included, int64 (N,).
        count: Number of candidates.
    """

    def __init__(self, better: Tensor, equal: Tensor, count: int) -> None:
        self.better, self.equal, self.count = better, equal, count

    @usual_torch()
    def recall(self, top: int) -> float:
        """Share of queries whose candidate is among the best ``top``, ties broken at random: chance is top / count."""
        return float(((top - self.better) / self.equal).clamp(0, 1).double().mean())

    @usual_torch()
    def median(self) -> float:
        """Median rank, the best being 1; of equal scores their mean rank."""
        ranks = self.better + (self.equal + 1) / 2
        return float(ranks.double().quantile(0.5))

    @classmethod
    def _of(cls, counted: list[tuple[Tensor, Tensor]], count: int) -> "Ranks":
        better, equal = (torch.cat(parts) for parts in zip(*counted, strict=True))
        return cls(better, equal, count)


@usual_torch()
def ranks_by_cosine(queries: Tensor, candidates: Tensor) -> Ranks:
    """Ranks by the cosine of query and candidate, (N, D) each; rows of one sample belong together.

    Raises:
        ValueError: The matrices do not belong together.
    """
    check_paired(queries=queries, candidates=candidates)
    left, right = (normalize(it.double(), dim=1) for it in (queries, candidates))
    counted = [_counted(-(left[rows] @ right.T), rows) for rows in blocks(len(left), len(right))]
    return Ranks._of(counted, len(right))


@usual_torch()
def ranks_by_volume(
    tuples: Tensor, singles: Tensor, present: Tensor | None = None, candidates: str = "singles"
) -> Ranks:
    """Ranks by the volume of a tuple and a single latent; all are brought to unit norm first.

    Args:
        tuples: (N, k, D), the latents of k modalities of each sample.
        singles: (N, D), the latent of another modality.
        present: Boolean (N, k): which latents each tuple has, at least one; all by default. What is absent has no
            influence: the volume is that of what is there.
        candidates: ``singles``: each tuple looks for its single latent; ``tuples``: the other way round. Tuples that
            lack different numbers of latents are not on one scale as candidates.

    Raises:
        ValueError: Shapes do not fit, a tuple has no latent, or there are more vectors than dimensions, whose volume
            is always 0.
    """
    _check(tuples, singles, present, candidates)
    rows, anchors = normalize(tuples.double(), dim=2), normalize(singles.double(), dim=1)
    if present is not None:
        rows, anchors = _with_axes_for_absent(rows, anchors, present)
    to_singles, counted = candidates == "singles", []
    for chosen in blocks(len(rows), len(rows) * rows.shape[1]):
        pair = (anchors, rows[chosen]) if to_singles else (anchors[chosen], rows)
        volumes = cross_volumes(*pair, power=2, epsilon=EPSILON, floor=0.0)  # (anchors, tuples)
        counted.append(_counted(volumes.T if to_singles else volumes, chosen))
    return Ranks._of(counted, len(rows))


def blocks(count: int, width: int) -> Sequence[Tensor]:
    """Numbers of rows in blocks of which the scores, ``width`` numbers a row, fit into memory."""
    return torch.split(torch.arange(count), max(1, MOST_NUMBERS // width))


def _with_axes_for_absent(rows: Tensor, anchors: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """An absent latent becomes an axis of its own, at right angles to all others, and scales no volume."""
    axes = torch.eye(rows.shape[1], dtype=rows.dtype).expand(len(rows), -1, -1)
    own = torch.cat([torch.zeros_like(rows), axes], dim=2)
    padded = pad(torch.nan_to_num(rows), (0, rows.shape[1]))
    return torch.where(present[:, :, None], padded, own), pad(anchors, (0, rows.shape[1]))


def _counted(costs: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """How many candidates cost less than the right one, and as much: costs (B, N), own candidates (B,)."""
    mine = costs.gather(1, own[:, None])
    return (costs < mine).sum(dim=1), (costs == mine).sum(dim=1)


def _check(tuples: Tensor, singles: Tensor, present: Tensor | None, candidates: str) -> None:
    check_matrix(singles=singles)
    count, size = singles.shape
    if tuples.ndim != 3 or tuples.shape[::2] != (count, size) or not tuples.shape[1] or not tuples.is_floating_point():
        raise ValueError(f"`tuples` must have shape ({count}, k, {size}), k at least 1; got {tuple(tuples.shape)}.")
    if tuples.shape[1] + 1 > size:
        raise ValueError(
            f"`tuples` and `singles` are {tuples.shape[1] + 1} vectors in {size} dimensions, whose volume is always 0; "
            "use larger latents, fewer modalities, or cosine."
        )
    if present is not None and (present.dtype != torch.bool or present.shape != tuples.shape[:2]):
        raise ValueError(
            f"`present` must be boolean {tuple(tuples.shape[:2])}; got {present.dtype} {tuple(present.shape)}."
        )
    if present is not None and not bool(present.any(dim=1).all()):
        raise ValueError("`present` must leave each tuple at least one latent.")
    if candidates not in ("singles", "tuples"):
        raise ValueError(f"`candidates` must be 'singles' or 'tuples'; got {candidates!r}.")
