"""How near the latents of single modalities lie to the joint latents of the same samples."""

import torch
from torch import Tensor

from anysense.representations.evaluation.checks import check_paired


def mean_cosine(latents: Tensor, joint: Tensor) -> Tensor:
    r"""Mean cosine similarity of paired rows: :math:`\frac1B\sum_n \frac{z_n\cdot j_n}{|z_n||j_n|}`.

    Args:
        latents: Float (B, D), one modality.
        joint: Float (B, D), the joint latents of the same samples in the same order.

    Returns:
        Scalar in [-1, 1]; 1 is perfect alignment. A zero row counts as cosine 0.

    Raises:
        ValueError: Shapes differ, are not (B, D), or B is 0.
    """
    check_paired(latents=latents, joint=joint)
    return torch.nn.functional.cosine_similarity(latents, joint, dim=1).mean()


def rms_distance(latents: Tensor, joint: Tensor) -> Tensor:
    r"""Root mean square distance of paired rows: :math:`\sqrt{\frac1B\sum_n |z_n-j_n|^2}`.

    For unit vectors it equals :math:`\sqrt{2-2c}` with the mean cosine :math:`c`: 0 is perfect alignment,
    :math:`\sqrt2` is what unrelated directions give.

    Args:
        latents: Float (B, D), one modality.
        joint: Float (B, D), the joint latents of the same samples in the same order.

    Raises:
        ValueError: Shapes differ, are not (B, D), or B is 0.
    """
    check_paired(latents=latents, joint=joint)
    return (latents - joint).square().sum(dim=1).mean().sqrt()
