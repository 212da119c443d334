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

__all__ = ["at_least_float32", "cross_volumes", "gram_matrix", "signed_sines", "volume"]

EPSILON = 1e-6
"""Added to the diagonal of Gram matrices that gradients flow through."""
FLOOR = 1e-8
"""Added under the square root, whose slope is infinite at 0; the smallest volume is then 1e-4."""


def gram_matrix(vectors: Tensor, present: Tensor | None = None) -> Tensor:
    """Inner products of k vectors, (..., k, D) to (..., k, k), float64.

    Args:
        vectors: Floating point, (..., k, D).
        present: Boolean (..., k). Absent vectors count as unit vectors at right angles to all others, whatever they
            hold; the determinant is then that of the present ones.

    Raises:
        ValueError: Wrong shape or dtype.
    """
    _check_vectors(vectors)
    rows, absent = _blanked(vectors, present)
    return torch.diag_embed(absent) + rows @ rows.transpose(-2, -1)


def volume(vectors: Tensor, present: Tensor | None = None) -> Tensor:
    """Volume of each set of k vectors, (..., k, D) to (...,): the product of their singular values.

    Exact to rounding also where the vectors are nearly dependent, and with finite gradients everywhere (at volume 0 one
    of many that are right). Takes and raises what `gram_matrix` does; returns the dtype of the vectors, at least
    float32.
    """
    _check_vectors(vectors)
    rows, absent = _blanked(vectors, present)
    singular: Tensor = torch.linalg.svdvals(torch.cat([rows, torch.diag_embed(absent)], dim=-1))
    return singular.prod(dim=-1).to(at_least_float32(vectors))


def cross_volumes(
    anchors: Tensor,
    tuples: Tensor,
    present: Tensor | None = None,
    *,
    power: int = 1,
    epsilon: float = EPSILON,
    floor: float = FLOOR,
) -> Tensor:
    """Volumes of every anchor with every tuple, or their squares: (N, B).

    The square is det(G + epsilon I) with the Gram matrix G of an anchor a and a tuple T. With K = T T' + epsilon I and
    its Cholesky factor L it is det(K) (a'a + epsilon - |L^-1 T a|^2), Schur's formula: one factorisation per tuple, no
    loop over pairs. Float64 inside. Gradients are finite for any input, also where vectors are equal, as long as
    ``epsilon`` and ``floor`` are positive.

    Args:
        anchors: Floating point, (N, D); of unit norm, or at least not far above.
        tuples: Floating point, (B, k - 1, D); likewise.
        present: Boolean (B, k - 1); absent vectors of a tuple are left out, whatever they hold.
        power: 1 for volumes, 2 for their squares.
        epsilon: Added to the squared length of every present vector. 0 only where no tuple is linearly dependent.
        floor: Added to the square before its root is taken; unused for ``power`` 2.

    Returns:
        At least 0, of the dtype of the anchors, at least float32.

    Raises:
        ValueError: Wrong shapes or dtypes.
    """
    _check_cross(anchors, tuples)
    rows, absent = _blanked(tuples, present)
    anchor = anchors.double()
    gram = torch.diag_embed(absent + epsilon * (1.0 - absent)) + rows @ rows.transpose(-2, -1)
    factor: Tensor = torch.linalg.cholesky_ex(gram).L  # Without its check, which would make a GPU wait; NaN stays NaN.
    explained: Tensor = torch.linalg.solve_triangular(factor, rows @ anchor.T, upper=False).square().sum(dim=-2)
    outside = (anchor.square().sum(dim=-1) + epsilon - explained).clamp(min=0.0)
    squared = factor.diagonal(dim1=-2, dim2=-1).square().prod(dim=-1) * outside.T
    return (squared if power == 2 else (squared + floor).sqrt()).to(at_least_float32(anchors))


def signed_sines(anchors: Tensor, others: Tensor, *, floor: float = FLOOR) -> Tensor:
    """A distance in [0, 2] that grows with the angle of unit vectors: sin below 90 degrees, 2 - sin above; (N, B).

    The volume of two vectors up to 90 degrees; beyond, where the volume falls again, its mirror image. Not in the
    paper: unlike the volume it tells a vector from its negative.

    Args:
        anchors: Floating point (N, D), of unit norm.
        others: Floating point (B, D), of unit norm.
        floor: As in `cross_volumes`.

    Raises:
        ValueError: Wrong shapes or dtypes.
    """
    _check_cross(anchors, others[:, None])
    cosine = anchors.double() @ others.double().T
    sine = ((1.0 - cosine.square()).clamp(min=0.0) + floor).sqrt()
    return torch.where(cosine >= 0.0, sine, 2.0 - sine).to(at_least_float32(anchors))


def at_least_float32(vectors: Tensor) -> torch.dtype:
    """The dtype of results: half precision becomes float32; float32 and float64 stay."""
    return torch.float64 if vectors.dtype == torch.float64 else torch.float32


def _blanked(vectors: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
    """Vectors (..., k, D) with zeros where absent, and 1 where absent, else 0 (..., k); both float64.

    Near dependence determinants lose all digits of float32.
    """
    if present is None:
        return vectors.double(), vectors.new_zeros(vectors.shape[:-1], dtype=torch.float64)
    if present.dtype != torch.bool or present.shape != vectors.shape[:-1]:
        raise ValueError(
            f"`present` must be boolean of shape {tuple(vectors.shape[:-1])}, one entry per vector; "
            f"got {present.dtype} of shape {tuple(present.shape)}."
        )
    return torch.where(present[..., None], vectors.double(), 0.0), (~present).double()


def _check_vectors(vectors: Tensor) -> None:
    if vectors.ndim < 2 or not vectors.is_floating_point() or 0 in vectors.shape[-2:]:
        raise ValueError(
            "`vectors` must be floating point of shape (..., k, D) with k, D >= 1; "
            f"got {vectors.dtype} of shape {tuple(vectors.shape)}."
        )


def _check_cross(anchors: Tensor, tuples: Tensor) -> None:
    fitting = anchors.ndim == 2 and tuples.ndim == 3 and anchors.shape[-1] == tuples.shape[-1]
    if not fitting or 0 in (*anchors.shape, *tuples.shape):
        raise ValueError(
            "`anchors` and `tuples` must have shapes (N, D) and (B, k - 1, D), not empty; "
            f"got {tuple(anchors.shape)} and {tuple(tuples.shape)}."
        )
    if not (anchors.is_floating_point() and tuples.is_floating_point()):
        raise ValueError(f"`anchors` and `tuples` must be floating point; got {anchors.dtype} and {tuples.dtype}.")
