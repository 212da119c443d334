"""Shape checks that all metrics share."""

from torch import Tensor


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
