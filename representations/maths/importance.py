"""Objectives of a mixture of experts, from the log-weights of samples that each expert drew.

Letters: M experts, K samples of each, B rows. A log-weight is log p(x, z) - log q(z | x).

Sources: MMVAE (Shi et al., NeurIPS 2019, 1911.03393), IWAE (Burda et al., ICLR 2016, 1509.00519), DReG (Tucker et al.,
ICLR 2019, 1810.04152).
"""

import math

import torch
from torch import Tensor

__all__ = ["dreg_weights", "iwae", "iwae_looser", "mean_over_experts", "mixture_log_density", "scale_gradient"]


def mixture_log_density(log_densities: Tensor, present: Tensor) -> Tensor:
    """Log-density (..., B) of the equal mixture of the experts (M, ..., B) that are present, boolean (M, B)."""
    shape = (len(present), *[1] * (log_densities.ndim - 2), present.shape[1])
    total = torch.logsumexp(log_densities.masked_fill(~present.view(shape), -torch.inf), dim=0)
    return total - present.sum(dim=0).log()


def mean_over_experts(values: Tensor, present: Tensor) -> Tensor:
    """Mean (B,) of values (M, B) over the experts that are present, boolean (M, B)."""
    return torch.where(present, values, 0.0).sum(dim=0) / present.sum(dim=0)


def iwae_looser(log_weights: Tensor, present: Tensor) -> Tensor:
    """Mean over experts of each one's importance-weighted bound: (M, K, B) to (B,)."""
    return mean_over_experts(torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1]), present)


def iwae(log_weights: Tensor, present: Tensor) -> Tensor:
    """Importance-weighted bound over the samples of all experts together, which is tighter: (M, K, B) to (B,)."""
    chosen = log_weights.masked_fill(~present[:, None], -torch.inf)
    return torch.logsumexp(chosen, dim=(0, 1)) - (present.sum(dim=0) * log_weights.shape[1]).log()


def dreg_weights(log_weights: Tensor) -> Tensor:
    """Normalised weights over each expert's own samples, without gradient: (M, K, B) to (M, K, B)."""
    return log_weights.detach().softmax(dim=1)


def scale_gradient(value: Tensor, factor: Tensor) -> None:
    """Multiplies the gradient that reaches ``value`` by ``factor``, if one is recorded, in the next backward pass.

    A hook, because in DReG the factor follows from what is computed from ``value``.
    """
    if value.requires_grad:
        value.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
