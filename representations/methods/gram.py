"""GRAM: the encoders and the encoding rule of GMC, trained to make Gramian volumes small.

Source: Cicchetti et al., Gramian Multimodal Representation Learning and Alignment (GRAM), ICLR 2025, arXiv 2412.11959;
here the loss alone, in the place of GMC's. The paper's data-anchor matching is left out, see `gram_losses`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from anysense.common.errors import unknown_name
from anysense.representations.maths import gram_losses
from anysense.representations.methods import gmc
from anysense.representations.methods.gmc import GMC, GMCSettings
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks

__all__ = ["GRAM", "GRAMSettings"]

Variant = Literal["joint_anchor", "pairwise", "modality_anchor", "pairwise_signed", "all_pairs", "hybrid"]
LEARNED_TEMPERATURES = (0.01, 1.0)


@dataclass(frozen=True)
class GRAMSettings(GMCSettings):
    """Architecture of GMC and loss of GRAM.

    ``loss`` is the cosine part of the variant ``hybrid`` and has no meaning for the others.
    """

    temperature: float = 0.1
    """Temperature of the contrast of volumes."""
    variant: Variant = "joint_anchor"
    """What is contrasted, see `gram_losses`; only ``joint_anchor`` is GRAM. ``pairwise_signed`` and ``hybrid`` also
    make the latents of one sample interchangeable, which volumes alone do not."""
    power: int = 1
    """1 to contrast volumes, 2 to contrast their squares."""
    label_smoothing: float = 0.0
    """Share of the target probability that mismatched samples get (0.1 in the paper): above 0 loosely aligned latents
    are the optimum."""
    learn_temperature: bool = False
    """Train the temperature too, between 0.01 and 1."""
    anchor: str | None = None
    """``modality_anchor``: the modality that is exchanged between samples; all of them in turn if None."""
    hybrid_weight: float = 0.5
    """``hybrid``: weight of the cosine part; the volumes get the rest."""
    cosine_temperature: float = 0.3
    """``hybrid``: temperature of the cosine part."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("cosine_temperature")
        gram_losses.Contrast(self.temperature, self.label_smoothing, self.power)
        if not 0.0 <= self.hybrid_weight <= 1.0:
            raise ValueError(f"`hybrid_weight` must lie in [0, 1]; got {self.hybrid_weight}.")
        least, most = LEARNED_TEMPERATURES
        if self.learn_temperature and not least <= self.temperature <= most:
            raise ValueError(f"`temperature` must lie in [{least}, {most}] to be learned; got {self.temperature}.")
        if self.variant == "pairwise_signed" and self.power != 1:
            raise ValueError(f"`power` must be 1 for the variant 'pairwise_signed'; got {self.power}.")
        if self.variant == "modality_anchor" and self.alignment_weight == 0.0:
            raise ValueError(
                "`alignment_weight` must be positive for the variant 'modality_anchor': nothing else trains the joint "
                "encoder."
            )


def contrast_terms(
    variant: Variant,
    joint: Tensor,
    single: Mapping[str, Tensor],
    contrast: gram_losses.Contrast,
    cosine_terms: Callable[[], dict[str, Tensor]],
    anchor: str | None,
    hybrid_weight: float,
) -> dict[str, Tensor]:
    """Terms of one variant, whose sum is minimised; ``cosine_terms`` gives the cosine part of ``hybrid``."""
    match variant:
        case "pairwise":
            return gram_losses.pairwise(joint, single, contrast)
        case "pairwise_signed":
            return gram_losses.pairwise_signed(joint, single, contrast)
        case "all_pairs":
            return gram_losses.all_pairs(joint, single, contrast)
        case "modality_anchor":
            return gram_losses.modality_anchor(single, contrast, anchor)
        case "hybrid":
            volume = gram_losses.joint_anchor(joint, single, contrast)
            return gram_losses.hybrid(cosine_terms(), volume, hybrid_weight)
        case _:
            return gram_losses.joint_anchor(joint, single, contrast)


class GRAM(GMC):
    """GMC with volumes instead of cosines in the loss.

    Rows that lack a modality are left out of the loss, as in GMC: volumes of different numbers of vectors are not on
    one scale.
    """

    method: ClassVar[str] = "gram"
    settings_class: ClassVar[type[GRAMSettings]] = GRAMSettings

    settings: GRAMSettings

    def __init__(self, modalities: Mapping[str, Modality], settings: GRAMSettings, networks: Networks) -> None:
        super().__init__(modalities, settings, networks)
        if settings.anchor is not None and settings.anchor not in modalities:
            raise ValueError(unknown_name("anchor", settings.anchor, modalities))
        vectors = self._vectors()
        if settings.latent_dim < vectors:
            raise ValueError(
                f"`latent_dim` must be at least {vectors}: {vectors} vectors in fewer dimensions have no volume; "
                f"got {settings.latent_dim}."
            )
        if settings.learn_temperature:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(settings.temperature)))

    def contrast(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Terms of the contrast of volumes, whose sum is minimised; arguments as in GMC."""
        settings = self.settings
        contrast = gram_losses.Contrast(self.temperature(), settings.label_smoothing, settings.power)
        return contrast_terms(
            self._variant(),
            joint,
            single,
            contrast,
            lambda: gmc.cosine_terms(joint, single, settings.loss, settings.cosine_temperature),
            settings.anchor,
            settings.hybrid_weight,
        )

    def temperature(self) -> float | Tensor:
        """Temperature of the contrast of volumes; a learned one is first brought back into its range."""
        if not self.settings.learn_temperature:
            return self.settings.temperature
        least, most = LEARNED_TEMPERATURES
        with torch.no_grad():  # A clamp inside the graph would have no gradient that leads back.
            self.log_temperature.clamp_(math.log(least), math.log(most))
        return self.log_temperature.exp()

    def _variant(self) -> Variant:
        """The variant of the settings; a single modality has nothing but the joint latent to be contrasted with."""
        lonely = self.settings.variant == "modality_anchor" and len(self.modalities) == 1
        return "joint_anchor" if lonely else self.settings.variant

    def _vectors(self) -> int:
        """How many vectors span one volume."""
        match self._variant():
            case "joint_anchor" | "hybrid":
                return len(self.modalities) + 1
            case "modality_anchor":
                return len(self.modalities)
            case _:
                return 2
