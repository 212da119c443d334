"""Delaunay Component Analysis (Poklukar et al., 2022): geometric alignment of two sets of latents."""

from anysense.representations.evaluation.dca.analysis import dca
from anysense.representations.evaluation.dca.scores import Component, DCAResult, dca_score

__all__ = ["Component", "DCAResult", "dca", "dca_score"]
