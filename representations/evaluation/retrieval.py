"""How often a latent of one modality finds the joint latent of its own sample."""

import torch
from torch import Tensor

from anysense.representations.evaluation.checks import check_paired


def retrieval_accuracy(queries: Tensor, keys: Tensor, top: int = 1) -> Tensor:
    r"""Share of queries whose own key is among the ``top`` most similar keys (cosine).

    With :math:`s_{nk}` the cosine of query n and key k, :math:`g_n=\#\{k: s_{nk}>s_{nn}\}` and
    :math:`t_n=\#\{k: s_{nk}=s_{nn}\}`, the value is
    :math:`\frac1B\sum_n \mathrm{clip}((top-g_n)/t_n, 0, 1)`: the expected accuracy when ties are broken at random,
    so a collapsed representation scores chance, ``top / B``. Values depend on B: compare only equal B.

    Args:
        queries: Float (B, D), latents of one modality.
        keys: Float (B, D), joint latents; row n belongs to query n.
        top: How many best keys count as found, 1 to B.

    Returns:
        Scalar in [0, 1].

    Raises:
        ValueError: Shapes differ, or ``top`` is outside 1..B.
    """
    check_paired(queries=queries, keys=keys)
    if not 1 <= top <= len(queries):
        raise ValueError(f"`top` must lie between 1 and the number of samples ({len(queries)}), got {top}.")
    similarity = torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(keys, dim=1).T  # (B, B)
    own = similarity.diagonal().unsqueeze(1)  # (B, 1)
    greater = (similarity > own).sum(dim=1)
    ties = (similarity == own).sum(dim=1)
    return ((top - greater) / ties).clamp(0, 1).mean()
