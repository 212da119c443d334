"""Delaunay Component Analysis (Poklukar et al., 2022): geometric alignment of two sets of latents."""

from anysense.representations.evaluation.dca.analysis import Points, dca
from anysense.representations.evaluation.dca.components import find_clusters
from anysense.representations.evaluation.dca.filter import cover_sphere
from anysense.representations.evaluation.dca.graph import Graph
from anysense.representations.evaluation.dca.rays import Progress, delaunay_graph, random_directions
from anysense.representations.evaluation.dca.scores import Component, DCAResult, Quality, dca_score, score

__all__ = [
    "Component",
    "DCAResult",
    "Graph",
    "Points",
    "Progress",
    "Quality",
    "cover_sphere",
    "dca",
    "dca_score",
    "delaunay_graph",
    "find_clusters",
    "random_directions",
    "score",
]
