"""Contrasts: losses that bring the latents of one sample together and keep those of different samples apart.

A contrast is a class with its settings; a method names it as its `contrast_class`.

Letters: B rows of a batch, D latent dimensions, k vectors that span a volume.
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.common.errors import unknown_name
from anysense.representations.maths import losses
from anysense.representations.maths.contrast_settings import (
    LEARNED_TEMPERATURES,
    ContrastSettings,
    CosineSettings,
    MixedSettings,
    Variant,
    VolumeSettings,
)
from anysense.representations.maths.volume import cross_volumes, signed_sines

__all__ = [
    "Contrast",
    "ContrastSettings",
    "CosineContrast",
    "CosineSettings",
    "MixedContrast",
    "MixedSettings",
    "TemperedContrast",
    "VolumeContrast",
    "VolumeSettings",
    "two_way_entropy",
]


class Contrast(nn.Module, ABC):
    """A loss on the latents of complete samples, made from its settings and the names of the modalities, in order."""

    least_dim: int = 1
    """Smallest size D of a latent with which the loss has a meaning."""

    def __init__(self, settings: Any, modalities: Sequence[str]) -> None:
        super().__init__()
        self.settings = settings

    @abstractmethod
    def terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scalars by name, in at least float32; what is minimised is their sum. ValueError if shapes do not fit.

        Latents are of unit norm, (B, D) with B at least 2: joint ones, and those of every modality of the same samples.
        """


class CosineContrast(Contrast):
    """Contrast of each modality's latents with the joint ones by their cosines: a term for each modality.

    Source: Poklukar et al., Geometric Multimodal Contrastive Representation Learning, ICML 2022, equations 2 and 3.
    """

    settings: CosineSettings

    def terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`infonce` or `joints_as_negatives` of `anysense.representations.maths.losses`, by modality."""
        loss = losses.infonce if self.settings.loss == "infonce" else losses.joints_as_negatives
        return {name: loss(joint, latents, self.settings.temperature) for name, latents in single.items()}


class TemperedContrast(Contrast):
    """A contrast with a temperature, which is learned if the settings say so."""

    def __init__(self, settings: Any, modalities: Sequence[str]) -> None:
        super().__init__(settings, modalities)
        if settings.learn_temperature:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(settings.temperature)))

    def temperature(self) -> float | Tensor:
        """The temperature; a learned one is first brought back into its range."""
        if not self.settings.learn_temperature:
            return float(self.settings.temperature)
        least, most = LEARNED_TEMPERATURES
        with torch.no_grad():  # A clamp inside the graph would have no gradient that leads back.
            self.log_temperature.clamp_(math.log(least), math.log(most))
        return self.log_temperature.exp()


class MixedContrast(TemperedContrast):
    """A contrast of whole tuples of latents, with a part of cosines.

    A tuple may fit well though its latents do not lie near each other, so that none can stand in for another; the
    cosines with the joint latent see to that. A single modality makes no tuple: then the cosines are all there is.

    Raises:
        ValueError: A single modality, and no part of cosines.
    """

    settings: MixedSettings

    def __init__(self, settings: MixedSettings, modalities: Sequence[str]) -> None:
        super().__init__(settings, modalities)
        cosine = CosineSettings(temperature=settings.cosine_temperature)
        self.cosine = CosineContrast(cosine, modalities) if settings.cosine_weight > 0.0 else None
        self.single = len(modalities) == 1
        if self.single and self.cosine is None:
            raise ValueError(
                f"`cosine_weight` must be positive with the one modality {modalities[0]!r}: there is nothing else to "
                "contrast."
            )

    @abstractmethod
    def tuple_terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms of the contrast of tuples, of at least two modalities; otherwise as `terms`."""

    def terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weighted terms of both parts: those of the cosines by modality, and those of the tuples."""
        terms = {} if self.single else self.tuple_terms(joint, single)
        if self.cosine is None:
            return terms
        return mixed(self.cosine.terms(joint, single), terms, self.settings.cosine_weight)


class VolumeContrast(TemperedContrast):
    """Contrast of Gramian volumes: vectors of one sample should span less than mixtures of two samples.

    Source: Cicchetti et al., Gramian Multimodal Representation Learning and Alignment (GRAM), ICLR 2025, arXiv
    2412.11959: the symmetric loss L = (D2A + A2D) / 2 on volumes of an anchor with a tuple of other vectors, see
    `two_way_entropy`. The paper's second term, data-anchor matching, is left out: it classifies pairs with a
    cross-encoder over token sequences, which latents of whole observations do not have.

    ================== ============================================ ========================================
    variant            anchor and tuple                             terms
    ================== ============================================ ========================================
    joint_anchor       joint latent; all single latents             ``joint-anchor``
    pairwise           joint latent; one modality's latent          each modality
    pairwise_signed    as pairwise, with `signed_sines`             each modality
    all_pairs          as pairwise, and every pair of modalities    each modality, and ``first-second``
    modality_anchor    one modality's latent; those of all others   ``modality-anchor``, the mean over anchors
    hybrid             as joint_anchor, or as modality_anchor if    weighted terms of both
                       one is named, and a `CosineContrast`
    ================== ============================================ ========================================

    ``joint_anchor`` is GRAM with the joint latent in the place of the paper's text, ``modality_anchor`` is its literal
    form; the others are not from the paper. Small volumes do not make latents interchangeable: with ``joint_anchor`` it
    is enough that the joint latent lies in the space that the single ones span, with any sign. ``pairwise_signed`` and
    the cosines of ``hybrid`` tell a latent from its negative. With a single modality ``modality_anchor`` has nothing to
    contrast and becomes ``joint_anchor``.

    Raises:
        ValueError: ``anchor`` is no modality.
    """

    settings: VolumeSettings

    def __init__(self, settings: VolumeSettings, modalities: Sequence[str]) -> None:
        super().__init__(settings, modalities)
        if settings.anchor is not None and settings.anchor not in modalities:
            raise ValueError(unknown_name("anchor", settings.anchor, modalities))
        self.spans = _spans(settings.variant, settings.anchor, modalities)
        self.least_dim = max(len(vectors) for several in self.spans.values() for vectors in several)
        cosine = CosineSettings(temperature=settings.cosine_temperature, loss=settings.loss)
        self.cosine = CosineContrast(cosine, modalities) if settings.variant == "hybrid" else None

    def terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms of the variant, see the class."""
        latents, temperature = {_JOINT: joint, **single}, self.temperature()
        terms = {}
        for name, several in self.spans.items():
            distances = [self._distances(*(latents[vector] for vector in vectors)) for vectors in several]
            smoothing = self.settings.label_smoothing
            terms[name] = torch.stack([two_way_entropy(each, temperature, smoothing) for each in distances]).mean()
        if self.cosine is None:
            return terms
        return mixed(self.cosine.terms(joint, single), terms, self.settings.hybrid_weight)

    def _distances(self, anchors: Tensor, *others: Tensor) -> Tensor:
        """Distances (B, B) of anchors (B, D) and tuples of the others, (B, D) each."""
        if self.settings.variant == "pairwise_signed":
            return signed_sines(anchors, *others)
        return cross_volumes(anchors, torch.stack(others, dim=1), power=self.settings.power)


def two_way_entropy(distances: Tensor, temperature: float | Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean of two cross-entropies: which tuple an anchor belongs to, and which anchor a tuple (D2A and A2D of GRAM).

    Log B when all distances are equal, exactly 0 when B = 1. Distances are float (B, B), anchors by tuples, the matched
    ones on the diagonal; they are divided by the temperature. ``label_smoothing`` in [0, 1) is the share of the target
    probability that is spread over all B. A ValueError for other shapes.
    """
    if distances.ndim != 2 or len(distances) != distances.shape[1] or len(distances) == 0:
        raise ValueError(f"`distances` must be a square matrix (B, B); got shape {tuple(distances.shape)}.")
    logits, own = -distances / temperature, torch.arange(len(distances), device=distances.device)
    tuples, anchors = (
        functional.cross_entropy(rows, own, label_smoothing=label_smoothing) for rows in (logits, logits.T)
    )
    return 0.5 * (tuples + anchors)


def mixed(cosine: Mapping[str, Tensor], others: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Terms of a part of cosines with its weight, and others with the rest of 1."""
    terms = {name: weight * term for name, term in cosine.items()}
    return terms | {name: (1.0 - weight) * term for name, term in others.items()}


_JOINT = ""
"""Stands for the joint latent among the names of modalities."""


def _spans(variant: Variant, anchor: str | None, modalities: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """The volumes whose losses a term is the mean of, each by the names of what spans it, the anchor first."""
    pairs: dict[str, list[tuple[str, ...]]] = {name: [(_JOINT, name)] for name in modalities}
    match variant:
        case "pairwise" | "pairwise_signed":
            return pairs
        case "all_pairs":
            between = itertools.combinations(modalities, 2)
            return {**{"-".join(two): [two] for two in between}, **pairs}
        case "modality_anchor" | "hybrid" if len(modalities) > 1 and (anchor or variant == "modality_anchor"):
            anchors = modalities if anchor is None else [anchor]
            return {"modality-anchor": [(one, *(name for name in modalities if name != one)) for one in anchors]}
        case _:
            return {"joint-anchor": [(_JOINT, *modalities)]}
