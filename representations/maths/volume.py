"""Gramian volume: how far k vectors are from lying in fewer than k dimensions.

The volume of the parallelotope that k vectors span is the square root of the determinant of their Gram matrix. For
two unit vectors it is the sine of their angle. Source: Cicchetti et al., Gramian Multimodal Representation Learning and
Alignment (GRAM), ICLR 2025, arXiv 2412.11959.

A volume of 0 says that the vectors are linearly dependent, not that they are equal: three vectors in one plane have
volume 0, and so have a vector and its negative. Volumes lie in [0, 1] for vectors of unit norm only, and volumes of
different numbers of vectors are not on one scale.

Letters: k vectors, D dimensions, N anchors, B tuples of k - 1 vectors.
"""

import torch
from torch import Tensor

__all__ = ["at_least_float32", "cross_volumes", "signed_sines"]

EPSILON = 1e-6
"""Added to the diagonal of Gram matrices that gradients flow through."""
FLOOR = 1e-8
"""Added under the square root, whose slope is infinite at 0; the smallest volume is then 1e-4."""


def cross_volumes(
    anchors: Tensor, tuples: Tensor, *, power: int = 1, epsilon: float = EPSILON, floor: float = FLOOR
) -> Tensor:
    """Volumes of anchors (N, D) with tuples (B, k - 1, D), or for ``power`` 2 their squares: (N, B), at least 0.

    The square is det(G + epsilon I) with the Gram matrix G of an anchor a and a tuple T. With K = T T' + epsilon I and
    its Cholesky factor L it is det(K) (a'a + epsilon - |L^-1 T a|^2), Schur's formula: one factorisation per tuple, no
    loop over pairs. Float64 inside; the result has the dtype of the anchors, at least float32. Norms are 1, or at least
    not far above. Gradients are finite for any input, also where vectors are equal, as long as ``epsilon`` and
    ``floor``, which is added before the root is taken, are positive; ``epsilon`` must be where a tuple is dependent.

    Raises:
        ValueError: Wrong shapes or dtypes.
    """
    _check_cross(anchors, tuples)
    rows, anchor = tuples.double(), anchors.double()
    gram = epsilon * torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device) + rows @ rows.transpose(-2, -1)
    factor: Tensor = torch.linalg.cholesky_ex(gram).L  # Without its check, which would make a GPU wait; NaN stays NaN.
    explained: Tensor = torch.linalg.solve_triangular(factor, rows @ anchor.T, upper=False).square().sum(dim=-2)
    outside = (anchor.square().sum(dim=-1) + epsilon - explained).clamp(min=0.0)
    squared = factor.diagonal(dim1=-2, dim2=-1).square().prod(dim=-1) * outside.T
    return (squared if power == 2 else (squared + floor).sqrt()).to(at_least_float32(anchors))


def signed_sines(anchors: Tensor, others: Tensor, *, floor: float = FLOOR) -> Tensor:
    """A distance in [0, 2] that grows with the angle of unit vectors (N, D) and (B, D): (N, B).

    Sin below 90 degrees, where it is the volume of two vectors; beyond, where the volume falls again, its mirror image
    2 - sin. Not in the paper: unlike the volume it tells a vector from its negative. ``floor`` and errors as in
    `cross_volumes`.
    """
    _check_cross(anchors, others[:, None])
    cosine = anchors.double() @ others.double().T
    sine = ((1.0 - cosine.square()).clamp(min=0.0) + floor).sqrt()
    return torch.where(cosine >= 0.0, sine, 2.0 - sine).to(at_least_float32(anchors))


def at_least_float32(vectors: Tensor) -> torch.dtype:
    """The dtype of results: half precision becomes float32; float32 and float64 stay."""
    return torch.float64 if vectors.dtype == torch.float64 else torch.float32


def _check_cross(anchors: Tensor, tuples: Tensor) -> None:
    fitting = anchors.ndim == 2 and tuples.ndim == 3 and anchors.shape[-1] == tuples.shape[-1]
    if not fitting or 0 in (*anchors.shape, *tuples.shape):
        raise ValueError(
            "`anchors` and `tuples` must have shapes (N, D) and (B, k - 1, D), not empty; "
            f"got {tuple(anchors.shape)} and {tuple(tuples.shape)}."
        )
    if not (anchors.is_floating_point() and tuples.is_floating_point()):
        raise ValueError(f"`anchors` and `tuples` must be floating point; got {anchors.dtype} and {tuples.dtype}.")
