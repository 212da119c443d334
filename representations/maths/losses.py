"""Contrastive losses between joint and single-modality latents, in a form that cannot overflow.

Letters: B rows of a batch, D latent dimensions, t temperature; s(a, b) = a.b / t.

Source: Poklukar et al., Geometric Multimodal Contrastive Representation Learning, ICML 2022, equations 2 and 3. The
published objective is the two-view NT-Xent of SimCLR (Chen et al., ICML 2020) with the joint and one modality's
latent as views.
"""

import torch
from torch import Tensor
from torch.nn import functional

from anysense.representations.maths.volume import at_least_float32

__all__ = ["alignment", "infonce", "joints_as_negatives"]


def infonce(joint: Tensor, modality: Tensor, temperature: float) -> Tensor:
    """Mean over 2B anchors of ``-log(exp s(positive) / sum of exp s over the 2B - 1 other rows)``.

    Joint latents (B, D), of unit norm in GMC, and those of one modality of the same samples are both anchors; the
    negatives of a row are all other rows of both kinds. Log(2B - 1) when all similarities are equal, exactly 0 when
    B = 1. A scalar, in at least float32 even under autocast.

    Raises:
        ValueError: Shapes differ, are not (B, D) with B >= 1, or the temperature is not positive.
    """
    rows = torch.cat(_checked(joint, modality, temperature, fewest=1))
    with torch.autocast(joint.device.type, enabled=False):
        logits = rows @ rows.T / temperature
        logits = logits.masked_fill(torch.eye(len(rows), dtype=torch.bool, device=rows.device), -torch.inf)
        positives = torch.arange(len(rows), device=rows.device).roll(len(joint))
        return functional.cross_entropy(logits, positives)


def joints_as_negatives(joint: Tensor, modality: Tensor, temperature: float) -> Tensor:
    """Mean over B samples of ``-s(joint, modality) + log(sum of exp s(joint, other joints))``.

    The ablation of the paper: only other joint latents are negatives, so the value may fall below 0. Otherwise as
    `infonce`, except that B must be at least 2: a single row has no negatives.
    """
    joint, modality = _checked(joint, modality, temperature, fewest=2)
    with torch.autocast(joint.device.type, enabled=False):
        positives = (joint * modality).sum(dim=1) / temperature
        logits = joint @ joint.T / temperature
        logits = logits.masked_fill(torch.eye(len(joint), dtype=torch.bool, device=joint.device), -torch.inf)
        return (torch.logsumexp(logits, dim=1) - positives).mean()


def alignment(joint: Tensor, modality: Tensor) -> Tensor:
    """Mean squared distance between the joint latent and one modality's latent of the same sample; both (B, D)."""
    joint, modality = _checked(joint, modality, temperature=1.0, fewest=1)
    return (joint - modality).square().sum(dim=1).mean()


def _checked(joint: Tensor, modality: Tensor, temperature: float, fewest: int) -> tuple[Tensor, Tensor]:
    """Both latents in at least float32."""
    if joint.ndim != 2 or joint.shape != modality.shape:
        raise ValueError(
            f"`joint` and `modality` must share one shape (B, D); got {tuple(joint.shape)} and {tuple(modality.shape)}."
        )
    if len(joint) < fewest:
        raise ValueError(f"`joint` must have at least {fewest} row{'s' if fewest > 1 else ''}; got {len(joint)}.")
    if not temperature > 0.0:
        raise ValueError(f"`temperature` must be positive; got {temperature}.")
    return joint.to(at_least_float32(joint)), modality.to(at_least_float32(modality))
