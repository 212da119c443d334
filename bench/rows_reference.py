"""Perceptual dropout and the doubly reparametrised objective row by row, which `anysense bench mhd` compares with.

Dropout of messages as in Nexus (Vasco et al., Neural Networks 2022), the objective as in MMVAE (Shi et al., NeurIPS
2019) with the gradient of Tucker et al. (ICLR 2019). They are measuring sticks, not part of the library.

Letters: M modalities, K samples of each, B rows, C size of a message, D latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from anysense.representations.maths.gaussian import Gaussian
from anysense.representations.methods.mmvae import MMVAE

__all__ = ["plain_dreg", "plain_mean_message"]


def plain_mean_message(messages: Sequence[Tensor], rate: float, draws: Tensor | None = None) -> Tensor:
    """Mean (B, C) of the messages (B, C) of each modality that perceptual dropout leaves in a row.

    Args:
        messages: One tensor per modality.
        rate: Probability that a row loses some of them.
        draws: As of `anysense.representations.methods.nexus.perceptual_dropout`, (2 + M, B); drawn row by row if not given.
    """
    mean = torch.zeros_like(messages[0])
    for row in range(len(mean)):
        drawn = torch.rand(2 + len(messages)) if draws is None else draws[:, row]
        kept = list(range(len(messages)))
        if drawn[0] < rate:
            dropped = 1 + int(drawn[1] * (len(messages) - 1))
            kept = drawn[2:].argsort()[dropped:].tolist()
        mean[row] = torch.cat([messages[index][row].unsqueeze(0) for index in kept], dim=0).mean(dim=0)
    return mean


def plain_dreg(model: MMVAE, observation: Mapping[str, Tensor], noise: Tensor) -> Tensor:
    """Loss of MMVAE with Gaussian posteriors and the objective ``dreg_looser``, for complete rows.

    Args:
        model: Whose encoders, decoders and priors to use.
        observation: Raw values (B, *shape) of every modality.
        noise: Standard normal, (M, K, B, D).
    """
    assert model.raw_prior_scale is not None
    names = list(model.modalities)
    experts: list[Gaussian] = [model.encoders[name](observation[name]) for name in names]
    prior_scales = torch.nn.functional.softplus(model.raw_prior_scale) + 1e-6
    rows = noise.shape[2]
    total = torch.zeros(())
    for row in range(rows):
        posteriors = [(expert.mean[row], (0.5 * expert.log_variance[row]).exp()) for expert in experts]
        for source, (location, scale) in enumerate(posteriors):
            latents = location + scale * noise[source, :, row]
            weights = _normal(latents, torch.zeros_like(location), prior_scales[source])
            for name in names:
                decoder = model.decoder(name)
                target = decoder.target(observation[name][row : row + 1])
                weights = weights - decoder.error(decoder(latents), target)
            densities = [_normal(latents, *(value.detach() for value in expert)) for expert in posteriors]
            weights = weights - torch.logsumexp(torch.stack(densities), dim=0) + math.log(len(names))
            normalised = weights.detach().softmax(dim=0)
            if latents.requires_grad:
                latents.register_hook(partial(torch.mul, normalised[:, None]))  # type: ignore[no-untyped-call]
            total = total - (normalised * weights).sum() / len(names)
    return total / rows


def _normal(value: Tensor, location: Tensor, scale: Tensor) -> Tensor:
    """Log-density (K,) of values (K, D) under a normal distribution with location and scale (D,)."""
    residual = (value - location) / scale
    return -(0.5 * residual**2 + scale.log() + 0.5 * math.log(2.0 * math.pi)).sum(dim=-1)
