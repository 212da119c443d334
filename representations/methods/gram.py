"""GRAM: the encoders and the encoding rule of GMC, trained to make Gramian volumes small.

Source: Cicchetti et al., Gramian Multimodal Representation Learning and Alignment (GRAM), ICLR 2025, arXiv 2412.11959;
here the loss alone, in the place of GMC's.
"""

from typing import ClassVar

from anysense.representations.maths.contrast import Contrast, VolumeContrast
from anysense.representations.methods.gmc import GMC
from anysense.representations.methods.settings.gmc import GRAMSettings
from anysense.representations.settings import MethodSettings

__all__ = ["GRAM", "GRAMSettings"]


class GRAM(GMC):
    """GMC with a `VolumeContrast`.

    Rows that lack a modality are left out of the loss, as in GMC: volumes of different numbers of vectors are not on
    one scale.
    """

    method: ClassVar[str] = "gram"
    settings_class: ClassVar[type[MethodSettings]] = GRAMSettings
    contrast_class: ClassVar[type[Contrast]] = VolumeContrast
