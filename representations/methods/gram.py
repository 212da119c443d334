"""GRAM: the encoders and the encoding rule of GMC, trained to make Gramian volumes small.

Source: Cicchetti et al., Gramian Multimodal Representation Learning and Alignment (GRAM), ICLR 2025, arXiv 2412.11959;
here the loss alone, in the place of GMC's.
"""

from dataclasses import dataclass
from typing import ClassVar

from anysense.representations.maths.contrast import VolumeSettings
from anysense.representations.methods.gmc import GMC, UnsupervisedSettings
from anysense.representations.settings import MethodSettings

__all__ = ["GRAM", "GRAMSettings"]


@dataclass(frozen=True)
class GRAMSettings(UnsupervisedSettings, VolumeSettings):
    """Architecture of GMC and loss of GRAM."""

    def __post_init__(self) -> None:
        """Checks types and ranges, and that something trains the joint encoder."""
        super().__post_init__()
        if self.variant == "modality_anchor" and self.alignment_weight == 0.0:
            raise ValueError(
                "`alignment_weight` must be positive for the variant 'modality_anchor': nothing else trains the joint "
                "encoder."
            )


class GRAM(GMC):
    """GMC with a `VolumeContrast`.

    Rows that lack a modality are left out of the loss, as in GMC: volumes of different numbers of vectors are not on
    one scale.
    """

    method: ClassVar[str] = "gram"
    settings_class: ClassVar[type[MethodSettings]] = GRAMSettings
