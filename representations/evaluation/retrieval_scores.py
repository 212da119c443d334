"""Scores of one query against all candidates, by cosine and by volume, and classes without a classifier."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.retrieval import EPSILON, Ranks, blocks, ranks_by_cosine, ranks_by_volume
from anysense.representations.evaluation.task_settings import RETRIEVAL_TOPS as TOPS
from anysense.representations.maths.volume import cross_volumes

__all__ = ["Latents", "class_means", "class_shares", "nearest_share", "scores"]

Latents = Mapping[tuple[str, ...], Tensor]
"""Latents (N, D) by subset."""


def scores(latents: Latents, subset: tuple[str, ...], name: str) -> dict[str, float]:
    """All values of one query and one modality that is looked for, by the key of a column."""
    single, tuples = latents[(name,)], _tuple(latents, subset)
    ranks: dict[tuple[str, str], Ranks] = {
        ("", "cosine"): ranks_by_cosine(latents[subset], single),
        ("back_", "cosine"): ranks_by_cosine(single, latents[subset]),
        ("", "volume"): ranks_by_volume(tuples, single),
        ("back_", "volume"): ranks_by_volume(tuples, single, candidates="tuples"),
    }
    found: dict[str, float] = {}
    for (back, score), one in ranks.items():
        found |= {f"{back}recall_{top}_{score}": one.recall(top) for top in TOPS}
        found[f"{back}rank_{score}"] = one.median()
    return found


@usual_torch()
def class_means(latents: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Each class that occurs among ``classes`` (N,), and the mean of its latents (N, D); all at unit norm."""
    known, labels = normalize(latents.double(), dim=1), torch.as_tensor(np.unique(classes.numpy()))
    return labels, normalize(torch.stack([known[classes == label].mean(dim=0) for label in labels]), dim=1)


def class_shares(
    latents: Latents, subset: tuple[str, ...], test: Tensor, labels: Tensor, candidates: Tensor, name: str
) -> dict[str, float]:
    """Share of test samples, classes (N,), whose best candidate is that of their own class, by volume and by cosine.

    Candidates (C, D) stand for the classes ``labels`` (C,): `class_means`, or latents of the labels. The best one has
    the smallest volume with the latents of the subset's modalities, or the largest cosine with the subset's latent.
    """
    anchors = normalize(candidates.double(), dim=1)
    closeness = normalize(latents[subset].double(), dim=1) @ anchors.T
    volumes = cross_volumes(anchors, _tuple(latents, subset), power=2, epsilon=EPSILON, floor=0.0).T
    costs = {f"{name}_volume": volumes, f"{name}_cosine": -closeness}
    return {key: float((labels[cost.argmin(dim=1)] == test).double().mean()) for key, cost in costs.items()}


@usual_torch()
def nearest_share(
    latents: Latents, known: Latents, subset: tuple[str, ...], test: Tensor, classes: Tensor
) -> dict[str, float]:
    """Share of test samples, classes (N,), that have the class of the nearest known sample, ``classes`` (M,).

    The nearest has the largest sum, over the modalities of the subset, of the cosines of the two latents: that is the
    smallest distance between unit latents side by side.
    """
    queries, candidates = _tuple(latents, subset).flatten(1), _tuple(known, subset).flatten(1)
    found = [(queries[rows] @ candidates.T).argmax(dim=1) for rows in blocks(len(queries), len(candidates))]
    return {"nearest": float((classes[torch.cat(found)] == test).double().mean())}


def _tuple(latents: Latents, subset: tuple[str, ...]) -> Tensor:
    """Latents of single modalities, unit norm, float64 (N, k, D)."""
    return normalize(torch.stack([latents[(name,)] for name in subset], dim=1).double(), dim=2)
