"""Symile: the encoders and the encoding rule of GMC, trained by products of all modalities' latents.

Source: Saporta et al., Contrasting with Symile: Simple Model-Agnostic Representation Learning for Unlimited
Modalities, NeurIPS 2024, arXiv 2411.01053; here the loss alone, in the place of GMC's.

Letters: B rows, M modalities, D latent dimensions.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from anysense.representations.maths.contrast import Contrast, MixedContrast
from anysense.representations.maths.volume import at_least_float32
from anysense.representations.methods.gmc import GMC
from anysense.representations.methods.settings.symile import SymileSettings
from anysense.representations.settings import MethodSettings

__all__ = ["Symile", "SymileContrast", "SymileSettings", "multilinear_logits"]


class SymileContrast(MixedContrast):
    """Which samples' latents belong together, by their multilinear inner product: the sum over D of M factors.

    Each modality is the anchor in turn: its latent is to be told from B - 1 tuples of the other modalities' latents,
    each of which comes from another sample (the tuple's members are independent, as under the product of marginals).
    The loss is the mean over anchors, as in the paper. With two modalities it is the symmetric loss of their cosines.

    What differs from the paper: latents have unit norm, and products of M such vectors shrink as D ** (1 - M / 2), so
    they are multiplied by the inverse; temperatures then mean the same for any M and D. Large products do not make
    latents interchangeable: two of them may change sign together, dimension by dimension. The part of cosines, see
    `MixedContrast`, is not in the paper.
    """

    def tuple_terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``symile``, the mean over anchors; shuffles with torch's default generator if there are three or more."""
        rows = torch.stack(list(single.values()))
        rows = rows.to(at_least_float32(rows))
        own = torch.arange(rows.shape[1], device=rows.device)
        with torch.autocast(rows.device.type, enabled=False):
            temperature, losses = self.temperature(), []
            for anchor in range(len(rows)):
                others = torch.cat([rows[:anchor], rows[anchor + 1 :]])
                logits = multilinear_logits(rows[anchor], others, shuffled(others)) / temperature
                losses.append(functional.cross_entropy(logits, own))
            return {"symile": torch.stack(losses).mean()}


def multilinear_logits(anchors: Tensor, others: Tensor, mixed: Tensor) -> Tensor:
    """Products (B, B) of each anchor (B, D) with its own tuple on the diagonal, and elsewhere with mixed tuples.

    Tuples and mixed tuples are (M - 1, B, D); products are sums over D times D ** (M / 2 - 1). A mixed tuple stands in
    the column of its number, so the one of the anchor's own number is not used.
    """
    logits = anchors @ mixed.prod(dim=0).T
    own = (anchors * others.prod(dim=0)).sum(dim=1)
    diagonal = torch.eye(len(own), dtype=torch.bool, device=own.device)
    scale: float = math.pow(anchors.shape[1], (len(others) + 1) / 2 - 1)
    return scale * torch.where(diagonal, own[:, None], logits)


def shuffled(others: Tensor) -> Tensor:
    """Rows (M - 1, B, D) of every modality but the first in an order of its own: tuples of several samples.

    The first one keeps its order, so that no column but the diagonal has the anchor's own.
    """
    first, *rest = others
    return torch.stack([first, *(rows[torch.randperm(len(rows), device=rows.device)] for rows in rest)])


class Symile(GMC):
    """GMC with a `SymileContrast`. Rows that lack a modality are left out of the loss, as in GMC."""

    method: ClassVar[str] = "symile"
    settings_class: ClassVar[type[MethodSettings]] = SymileSettings
    contrast_class: ClassVar[type[Contrast]] = SymileContrast
