"""How near the latents of single modalities lie to the joint latents of the same samples.

All functions take float matrices (B, D) whose rows belong together, and raise ValueError for others.
"""

import torch
from torch import Tensor

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.checks import check_paired
from anysense.representations.evaluation.task_settings import RETRIEVAL_BLOCK

__all__ = ["RETRIEVAL_BLOCK", "mean_cosine", "retrieval_accuracy", "retrieval_in_blocks", "rms_distance"]


def mean_cosine(latents: Tensor, joint: Tensor) -> Tensor:
    r"""Mean cosine similarity :math:`\frac1B\sum_n \frac{z_n\cdot j_n}{|z_n||j_n|}`; a zero row counts as cosine 0."""
    check_paired(latents=latents, joint=joint)
    return torch.nn.functional.cosine_similarity(latents, joint, dim=1).mean()


def rms_distance(latents: Tensor, joint: Tensor) -> Tensor:
    r"""Root mean square distance :math:`\sqrt{\frac1B\sum_n |z_n-j_n|^2}`.

    For unit vectors it equals :math:`\sqrt{2-2c}` with the mean cosine :math:`c`; unrelated directions give
    :math:`\sqrt2`.
    """
    check_paired(latents=latents, joint=joint)
    return (latents - joint).square().sum(dim=1).mean().sqrt()


@usual_torch()
def retrieval_accuracy(queries: Tensor, keys: Tensor, top: int = 1) -> Tensor:
    r"""Share of queries whose own key is among the ``top`` (1 to B) most similar keys by cosine, in [0, 1].

    With :math:`s_{nk}` the cosine of query n and key k, :math:`g_n=\#\{k: s_{nk}>s_{nn}\}` and
    :math:`t_n=\#\{k: s_{nk}=s_{nn}\}`, the value is
    :math:`\frac1B\sum_n \mathrm{clip}((top-g_n)/t_n, 0, 1)`: the expected accuracy when ties are broken at random,
    so a collapsed representation scores chance, ``top / B``. Values depend on B: compare only equal B.
    """
    check_paired(queries=queries, keys=keys)
    if not 1 <= top <= len(queries):
        raise ValueError(f"`top` must lie between 1 and the number of samples ({len(queries)}), got {top}.")
    similarity = torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(keys, dim=1).T  # (B, B)
    own = similarity.diagonal().unsqueeze(1)  # (B, 1)
    greater = (similarity > own).sum(dim=1)
    ties = (similarity == own).sum(dim=1)
    return ((top - greater) / ties).clamp(0, 1).mean()


def retrieval_in_blocks(latents: Tensor, joint: Tensor) -> Tensor:
    """Mean `retrieval_accuracy` over blocks of `RETRIEVAL_BLOCK` samples (of all, if there are fewer).

    A rest that fills no block is left out.
    """
    block = min(RETRIEVAL_BLOCK, len(joint))
    starts = range(0, len(joint) - block + 1, block)
    return torch.stack([retrieval_accuracy(latents[at : at + block], joint[at : at + block]) for at in starts]).mean()
