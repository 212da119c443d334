"""Diagonal Gaussians as mean and log-variance: product of experts, divergences, samples; all batched and stable.

Letters: M experts, B rows, D dimensions, S subsets of experts.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LOG_VARIANCE_LIMIT", "Gaussian", "draw", "kl", "kl_to_standard", "product_of_experts", "symmetric_kl"]

LOG_VARIANCE_LIMIT = 10.0
"""Encoders clamp log-variances to plus and minus this before any exponential."""


class Gaussian(NamedTuple):
    """Mean and log-variance, both of shape (..., D)."""

    mean: Tensor
    log_variance: Tensor


def draw(gaussian: Gaussian, noise: Tensor | None = None) -> Tensor:
    """A reparametrised sample, mean + exp(log_variance / 2) * noise; standard normal noise if none is given."""
    noise = torch.randn_like(gaussian.mean) if noise is None else noise
    return gaussian.mean + (0.5 * gaussian.log_variance).exp() * noise


def kl_to_standard(gaussian: Gaussian) -> Tensor:
    """KL divergence to N(0, I), summed over D: (...,)."""
    mean, log_variance = gaussian
    return 0.5 * (log_variance.exp() + mean.square() - 1.0 - log_variance).sum(dim=-1)


def kl(first: Gaussian, second: Gaussian) -> Tensor:
    """KL(first || second), summed over D; leading axes broadcast."""
    distance = (first.mean - second.mean).square() * (-second.log_variance).exp()
    ratio = first.log_variance - second.log_variance
    return 0.5 * (distance + ratio.exp() - 1.0 - ratio).sum(dim=-1)


def symmetric_kl(first: Gaussian, second: Gaussian) -> Tensor:
    """KL(first || second) + KL(second || first), summed over D; leading axes broadcast."""
    distance = (first.mean - second.mean).square()
    return (
        0.5 * (distance + second.log_variance.exp()) * (-first.log_variance).exp()
        + 0.5 * (distance + first.log_variance.exp()) * (-second.log_variance).exp()
        - 1.0
    ).sum(dim=-1)


def product_of_experts(experts: Gaussian, present: Tensor, prior: bool = True) -> Gaussian:
    """Product of N(0, I) and the experts (M, B, D) that are present (Wu & Goodman, NeurIPS 2018): (..., B, D).

    ``present`` is boolean (..., M, B); every leading index is another selection of experts, such as a table of subsets.
    Without ``prior`` it is the product of the experts alone, and N(0, I) where none is present.
    """
    mean, log_variance = experts
    chosen = present.unsqueeze(-1)
    log_precision = torch.where(chosen, -log_variance, -torch.inf)
    one = log_precision.new_zeros((*log_precision.shape[:-3], 1, *log_precision.shape[-2:]))
    if not prior:
        one = one.masked_fill(chosen.any(dim=-3, keepdim=True), -torch.inf)
    total = torch.logsumexp(torch.cat([one, log_precision], dim=-3), dim=-3)
    weight = (log_precision - total.unsqueeze(-3)).exp()
    return Gaussian((weight * torch.where(chosen, mean, 0.0)).sum(dim=-3), -total)
