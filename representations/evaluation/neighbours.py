"""Classes read from latents by their nearest neighbours: no training, so it shows the geometry itself."""

import torch
from torch import Tensor

from anysense.representations.evaluation.checks import check_labels, check_matrix

__all__ = ["neighbour_accuracy", "predict_from_neighbours"]

_DISTANCES_AT_ONCE = 1 << 24


def predict_from_neighbours(queries: Tensor, references: Tensor, labels: Tensor, k: int = 5) -> Tensor:
    """Class that most of the ``k`` nearest references (Euclidean) have, for each query.

    Of classes with equally many votes, the one with the nearest member wins.

    Args:
        queries: Float (B, D), not among the references.
        references: Float (N, D).
        labels: Integer (N,), class of each reference.
        k: Number of neighbours, 1 to N.

    Returns:
        (B,), values of ``labels`` in its dtype.

    Raises:
        ValueError: Shapes do not fit, or ``k`` is outside 1..N.
    """
    check_matrix(queries=queries, references=references)
    check_labels(references=references, labels=labels)
    if queries.shape[1] != references.shape[1]:
        raise ValueError(
            f"`queries` and `references` must have the same number of features, "
            f"got {queries.shape[1]} and {references.shape[1]}."
        )
    if not 1 <= k <= len(references):
        raise ValueError(f"`k` must lie between 1 and the number of references ({len(references)}), got {k}.")
    classes, kinds = torch.unique(labels, return_inverse=True)
    known = references.double()
    rows = max(1, _DISTANCES_AT_ONCE // len(known))
    blocks = [queries[start : start + rows] for start in range(0, len(queries), rows)]
    votes = [_vote(block.double(), known, kinds, len(classes), k) for block in blocks]
    predictions: Tensor = classes[torch.cat(votes)]
    return predictions


def _vote(queries: Tensor, references: Tensor, kinds: Tensor, n_classes: int, k: int) -> Tensor:
    nearest = torch.cdist(queries, references).topk(k, dim=1, largest=False).indices
    chosen = kinds[nearest]  # (B, k), nearest first
    votes = torch.zeros(len(queries), n_classes, dtype=torch.int64, device=queries.device)
    votes.scatter_add_(1, chosen, torch.ones_like(chosen))
    first = torch.full_like(votes, k)
    first.scatter_reduce_(1, chosen, torch.arange(k, device=queries.device).expand_as(chosen), "amin")
    return (votes * (k + 1) - first).argmax(dim=1)


def neighbour_accuracy(
    queries: Tensor, query_labels: Tensor, references: Tensor, reference_labels: Tensor, k: int = 5
) -> Tensor:
    """Share of queries whose class :func:`predict_from_neighbours` finds, over samples.

    Args:
        queries: Float (B, D).
        query_labels: Integer (B,).
        references: Float (N, D).
        reference_labels: Integer (N,).
        k: Number of neighbours, 1 to N.

    Returns:
        Scalar in [0, 1].

    Raises:
        ValueError: Shapes do not fit, or ``k`` is outside 1..N.
    """
    check_labels(queries=queries, query_labels=query_labels)
    found = predict_from_neighbours(queries, references, reference_labels, k)
    return (found == query_labels).double().mean()
