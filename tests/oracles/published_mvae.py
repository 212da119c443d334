"""The loss of MVAE as its equations are written, one subset after the other (Wu & Goodman, NeurIPS 2018)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["published_loss"]

Network = Mapping[str, nn.Module]


def published_loss(
    encoders: Network, decoders: Network, values: Mapping[str, Tensor], weights: Mapping[str, float], noise: float
) -> Tensor:
    """Negative evidence bounds of all modalities together and of each alone, added; every pass runs its own networks.

    Args:
        encoders: From raw values (B, *shape) to mean and log-variance (B, D).
        decoders: From latents (B, D) to logits, with `target`, and ``likelihood`` gaussian or categorical.
        values: Complete raw values.
        weights: Weight of each modality's error.
        noise: Every sample lies this many standard deviations off its mean.
    """
    subsets = [tuple(values), *((name,) for name in values)]
    return torch.stack([_bound(encoders, decoders, values, weights, noise, subset) for subset in subsets]).sum()


def _bound(
    encoders: Network,
    decoders: Network,
    values: Mapping[str, Tensor],
    weights: Mapping[str, float],
    noise: float,
    subset: Sequence[str],
) -> Tensor:
    experts = [encoders[name](values[name]) for name in subset]
    precision = 1.0 + sum(torch.exp(-log_variance) for _, log_variance in experts)
    mean = sum(location * torch.exp(-log_variance) for location, log_variance in experts) / precision
    latent = mean + noise / precision.sqrt()
    bound = 0.5 * (1.0 / precision + mean**2 - 1.0 + precision.log()).sum(dim=1)
    for name in subset:
        logits, target = decoders[name](latent), decoders[name].target(values[name])
        if decoders[name].likelihood == "categorical":
            error = -(target * torch.log_softmax(logits, dim=1)).sum(dim=1)
        else:
            error = (torch.sigmoid(logits) - target).pow(2).reshape(len(target), -1).sum(dim=1)
        bound = bound + weights[name] * error
    return bound.mean()
