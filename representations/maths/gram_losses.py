"""Contrastive losses on Gramian volumes: vectors of one sample should span less than mixtures of two samples.

Source: Cicchetti et al., Gramian Multimodal Representation Learning and Alignment (GRAM), ICLR 2025, arXiv 2412.11959.
`joint_anchor`, with the joint latent in the place of the paper's text, is GRAM; the other functions are variants of it
for ablations, not from the paper. Left out is the paper's second term, data-anchor matching: it classifies pairs with a
cross-encoder over token sequences, which latents of whole observations do not have, to re-rank what was retrieved.

Letters: B rows of a batch, D latent dimensions, k vectors that span a volume.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from anysense.common.errors import unknown_name
from anysense.representations.maths.volume import cross_determinants, cross_volumes, signed_sines

__all__ = [
    "Contrast",
    "all_pairs",
    "hybrid",
    "joint_anchor",
    "modality_anchor",
    "pairwise",
    "pairwise_signed",
]

Latents = Mapping[str, Tensor]
Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Contrast:
    """Cross-entropy in both directions on distances between anchors and tuples.

    Attributes:
        temperature: What distances are divided by; positive. A tensor, for learning it, is not checked.
        label_smoothing: In [0, 1). Above 0 the best matched volume is no longer the smallest: only the gap to
            mismatched ones counts, which is then ``temperature * log(B / label_smoothing - B + 1)``.
        power: 1 for volumes, 2 for their squares, which are smooth at 0.

    Raises:
        ValueError: A value out of range.
    """

    temperature: float | Tensor = 0.1
    label_smoothing: float = 0.0
    power: int = 1

    def __post_init__(self) -> None:
        """Checks ranges."""
        if not isinstance(self.temperature, Tensor) and not self.temperature > 0.0:
            raise ValueError(f"`temperature` must be positive; got {self.temperature}.")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"`label_smoothing` must lie in [0, 1); got {self.label_smoothing}.")
        if self.power not in (1, 2):
            raise ValueError(f"`power` must be 1 or 2; got {self.power}.")

    def of_distances(self, distances: Tensor) -> Tensor:
        """Mean of two cross-entropies: which tuple an anchor belongs to, and which anchor a tuple.

        Log B when all distances are equal, exactly 0 when B = 1.

        Args:
            distances: Float (B, B), anchors by tuples; the diagonal holds the matched ones.

        Raises:
            ValueError: Not a square matrix.
        """
        if distances.ndim != 2 or len(distances) != distances.shape[1] or len(distances) == 0:
            raise ValueError(f"`distances` must be a square matrix (B, B); got shape {tuple(distances.shape)}.")
        logits, own = -distances / self.temperature, torch.arange(len(distances), device=distances.device)
        directions = [
            functional.cross_entropy(rows, own, label_smoothing=self.label_smoothing) for rows in (logits, logits.T)
        ]
        return 0.5 * (directions[0] + directions[1])

    def of_tuples(self, anchors: Tensor, *others: Tensor) -> Tensor:
        """`of_distances` of volumes of anchors (B, D) with tuples of the ``others``, each (B, D) and of unit norm."""
        tuples = torch.stack(others, dim=1)
        if self.power == 2:
            return self.of_distances(cross_determinants(anchors, tuples))
        return self.of_distances(cross_volumes(anchors, tuples))


def joint_anchor(joint: Tensor, single: Latents, contrast: Contrast) -> Terms:
    """Volume of the joint latent with all single latents of a sample at once: the term ``joint-anchor``.

    Small volumes do not make latents interchangeable: it is enough that the joint latent lies in the space that the
    single ones span, with any sign.

    Args:
        joint: Joint latents (B, D) of unit norm.
        single: Latents (B, D) of unit norm by modality, row by row of the same samples.
        contrast: Temperature and form of the loss.

    Returns:
        Scalars by name, in at least float32; what is minimised is their sum.

    Raises:
        ValueError: Shapes do not fit.
    """
    return {"joint-anchor": contrast.of_tuples(joint, *single.values())}


def pairwise(joint: Tensor, single: Latents, contrast: Contrast) -> Terms:
    """Volume of the joint latent with one modality's, the sine of their angle: a term for each modality.

    Does not tell a latent from its negative. Arguments, result and errors as in `joint_anchor`.
    """
    return {name: contrast.of_tuples(joint, latents) for name, latents in single.items()}


def pairwise_signed(joint: Tensor, single: Latents, contrast: Contrast) -> Terms:
    """As `pairwise`, with the distance `signed_sines` that goes on growing beyond 90 degrees; ``power`` must be 1."""
    if contrast.power != 1:
        raise ValueError(f"`power` must be 1 for 'pairwise_signed', which has no determinant; got {contrast.power}.")
    return {name: contrast.of_distances(signed_sines(joint, latents)) for name, latents in single.items()}


def all_pairs(joint: Tensor, single: Latents, contrast: Contrast) -> Terms:
    """As `pairwise`, and the same for every pair of modalities: the terms ``first-second``."""
    between = {
        f"{first}-{second}": contrast.of_tuples(single[first], single[second])
        for first, second in itertools.combinations(single, 2)
    }
    return pairwise(joint, single, contrast) | between


def modality_anchor(single: Latents, contrast: Contrast, anchor: str | None = None) -> Terms:
    """Volume of single latents only, as in the paper: the term ``modality-anchor``.

    Args:
        single: Latents (B, D) of unit norm by modality, at least two.
        contrast: Temperature and form of the loss.
        anchor: Modality that is exchanged between samples; the mean over all of them if none is named.

    Raises:
        ValueError: Unknown anchor, or fewer than two modalities.
    """
    if anchor is not None and anchor not in single:
        raise ValueError(unknown_name("anchor", anchor, single))
    if len(single) < 2:
        raise ValueError(f"`single` must hold at least two modalities, to contrast them; got {list(single)}.")
    anchors = list(single) if anchor is None else [anchor]
    losses = [
        contrast.of_tuples(single[name], *(latents for other, latents in single.items() if other != name))
        for name in anchors
    ]
    return {"modality-anchor": torch.stack(losses).mean()}


def hybrid(cosine: Terms, volume: Terms, weight: float) -> Terms:
    """``weight`` times the terms of a contrast of cosines, and 1 - ``weight`` times those of a contrast of volumes.

    The cosines fix sign and closeness, which volumes leave open. ``weight`` lies in [0, 1].
    """
    return {name: weight * term for name, term in cosine.items()} | {
        name: (1.0 - weight) * term for name, term in volume.items()
    }
