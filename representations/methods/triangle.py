"""TRIANGLE: the encoders and the encoding rule of GMC, trained to make triangles of latents small.

Source: Grassucci et al., A TRIANGLE Enables Multimodal Alignment Beyond Cosine Similarity, NeurIPS 2025, arXiv
2509.24734; here the contrast alone, in the place of GMC's.

Letters: B rows, D latent dimensions.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.maths.contrast import Contrast, MixedContrast, two_way_entropy
from anysense.representations.maths.volume import FLOOR, at_least_float32
from anysense.representations.methods.gmc import GMC
from anysense.representations.methods.settings.triangle import TriangleSettings
from anysense.representations.settings import MethodSettings

__all__ = ["TRIANGLE", "TriangleContrast", "TriangleSettings", "triangle_areas"]


class TriangleContrast(MixedContrast):
    """Contrast of areas: the triangle of three latents of one sample should be smaller than those of two samples.

    The corners are the ends of latents of unit norm. One corner is the anchor, the others are a pair of modalities; the
    loss is the mean of two cross-entropies on areas over a temperature, which pair an anchor belongs to, and which
    anchor a pair (`anysense.representations.maths.contrast.two_way_entropy`). What counts as a triangle:

    =============== ===================== =========================================================
    variant         modalities            triangles
    =============== ===================== =========================================================
    joint_anchor    2                     the joint latent with both modalities
    joint_anchor    3 or more             the joint latent with every two modalities, the mean
    modality_anchor 3                     the paper's: one modality with both others, the mean over
                                          anchors, or of the one that is named
    modality_anchor 4 or more             one modality with every two others, the mean
    modality_anchor 2                     none: an error
    either          1                     none: cosines alone, an error without them
    =============== ===================== =========================================================

    The paper knows three modalities and one anchor; its data-anchor matching is left out, as in GRAM. Points of a
    sphere never lie on one line, so an area is 0 as soon as two of three corners coincide, wherever the third is. So
    small triangles do not make latents interchangeable; the part of cosines, see `MixedContrast`, is not in the paper.

    Raises:
        ValueError: Too few modalities, or ``anchor`` is none.
    """

    settings: TriangleSettings

    def __init__(self, settings: TriangleSettings, modalities: Sequence[str]) -> None:
        super().__init__(settings, modalities)
        if settings.anchor is not None and settings.anchor not in modalities:
            raise ValueError(unknown_name("anchor", settings.anchor, modalities))
        if settings.variant == "modality_anchor" and len(modalities) < 3:
            raise ValueError(
                "`variant` 'modality_anchor' needs three modalities, the corners of a triangle; got "
                f"{list(modalities)}. Use 'joint_anchor', whose third corner is the joint latent."
            )
        joint_anchor = settings.variant == "joint_anchor"
        anchors = [_JOINT] if joint_anchor else modalities if settings.anchor is None else [settings.anchor]
        self.triangles = [
            (anchor, *pair)
            for anchor in anchors
            for pair in itertools.combinations([name for name in modalities if name != anchor], 2)
        ]

    def tuple_terms(self, joint: Tensor, single: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``triangle``, the mean over triangles."""
        latents, temperature = {_JOINT: joint, **single}, self.temperature()
        areas = [triangle_areas(*(latents[corner] for corner in corners)) for corners in self.triangles]
        smoothing = self.settings.label_smoothing
        return {"triangle": torch.stack([two_way_entropy(area, temperature, smoothing) for area in areas]).mean()}


def triangle_areas(anchors: Tensor, first: Tensor, second: Tensor, *, floor: float = FLOOR) -> Tensor:
    """Areas (N, B) of the triangles whose corners are an anchor (N, D) and a pair of vectors, (B, D) each.

    Half the root of |u|^2 |v|^2 - (u.v)^2, where u and v lead from the anchor to the others. For unit vectors between
    0 and 3 sqrt(3) / 4. ``floor`` is added before the root is taken, whose slope is infinite at 0. Float64 inside; the
    result has the dtype of the anchors, at least float32.

    Raises:
        ValueError: Shapes that do not belong together.
    """
    fitting = anchors.ndim == 2 and first.shape == second.shape and first.shape[1:] == anchors.shape[1:]
    if not fitting:
        shapes = ", ".join(str(tuple(each.shape)) for each in (anchors, first, second))
        raise ValueError(f"`anchors`, `first` and `second` must have shapes (N, D), (B, D) and (B, D); got {shapes}.")
    one, two, three = anchors.double(), first.double(), second.double()
    own = one.square().sum(dim=1)[:, None]
    to_two, to_three, between = one @ two.T, one @ three.T, (two * three).sum(dim=1)
    sides = own + two.square().sum(dim=1) - 2.0 * to_two, own + three.square().sum(dim=1) - 2.0 * to_three
    products = own + between - to_two - to_three
    squared = (sides[0] * sides[1] - products.square()).clamp(min=0.0)
    return (0.5 * (squared + floor).sqrt()).to(at_least_float32(anchors))


_JOINT = ""
"""Stands for the joint latent among the names of modalities."""


class TRIANGLE(GMC):
    """GMC with a `TriangleContrast`. Rows that lack a modality are left out of the loss, as in GMC."""

    method: ClassVar[str] = "triangle"
    settings_class: ClassVar[type[MethodSettings]] = TriangleSettings
    contrast_class: ClassVar[type[Contrast]] = TriangleContrast
