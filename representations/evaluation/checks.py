"""Checks of latents that metrics share."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anysense.representations.arrays import tensor_of

__all__ = ["Points", "check_matrix", "check_paired", "finite_points"]

Points = NDArray[np.floating] | Tensor


def check_matrix(**matrices: Tensor) -> None:
    """Raise ValueError unless each named tensor is a floating (B, D) matrix with B, D >= 1."""
    for name, matrix in matrices.items():
        if matrix.ndim != 2 or matrix.numel() == 0 or not matrix.is_floating_point():
            raise ValueError(
                f"`{name}` must be a floating point matrix (samples, features) with at least one sample, "
                f"got {matrix.dtype} of shape {tuple(matrix.shape)}."
            )


def check_paired(**matrices: Tensor) -> None:
    """Raise ValueError unless both named tensors are floating matrices of one shape."""
    check_matrix(**matrices)
    (first, a), (second, b) = matrices.items()
    if a.shape != b.shape:
        raise ValueError(
            f"`{first}` and `{second}` must hold the same samples and features, "
            f"got shapes {tuple(a.shape)} and {tuple(b.shape)}."
        )


def finite_points(name: str, points: Points) -> NDArray[np.float64]:
    """Points as float64 (n, d); ValueError unless they are a floating matrix without NaN and infinity."""
    tensor = tensor_of(f"`{name}`", points).detach()
    check_matrix(**{name: tensor})
    bad = int((~tensor.isfinite().all(dim=1)).sum())
    if bad:
        raise ValueError(f"`{name}` must be finite; {bad} of {len(tensor)} rows hold NaN or infinity.")
    array: NDArray[np.float64] = tensor.cpu().double().numpy()
    return array
