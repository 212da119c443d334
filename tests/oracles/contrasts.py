"""Contrastive losses of GMC and GRAM as loops over samples, straight from their definitions, in float64.

Letters: B samples, D latent dimensions, k vectors that span a volume, t temperature.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["infonce", "joints_as_negatives", "two_way_entropy", "volume", "volume_terms"]

Rows = np.ndarray


def infonce(joint: Rows, modality: Rows, temperature: float) -> float:
    """Two-view NT-Xent (Chen et al., ICML 2020) of joint and single latents (B, D)."""
    rows, count, total = np.concatenate([joint, modality]), len(joint), 0.0
    for i in range(2 * count):
        denominator = sum(math.exp(rows[i] @ rows[k] / temperature) for k in range(2 * count) if k != i)
        total -= math.log(math.exp(rows[i % count] @ rows[i % count + count] / temperature) / denominator)
    return total / (2 * count)


def joints_as_negatives(joint: Rows, modality: Rows, temperature: float) -> float:
    """The ablation of GMC (Poklukar et al., ICML 2022): only other joint latents are negatives."""
    total = 0.0
    for n in range(len(joint)):
        denominator = sum(math.exp(joint[n] @ joint[k] / temperature) for k in range(len(joint)) if k != n)
        total += math.log(denominator) - joint[n] @ modality[n] / temperature
    return total / len(joint)


def volume(vectors: Sequence[Rows]) -> float:
    """Root of the determinant of the Gram matrix of vectors (D,) (Cicchetti et al., ICLR 2025)."""
    matrix = np.stack(vectors)
    return math.sqrt(max(np.linalg.det(matrix @ matrix.T), 0.0))


def signed_sine(first: Rows, second: Rows) -> float:
    """Sine of the angle of two unit vectors up to 90 degrees, beyond that 2 minus the sine."""
    angle = math.acos(max(-1.0, min(1.0, float(first @ second))))
    return math.sin(angle) if angle <= math.pi / 2 else 2.0 - math.sin(angle)


def two_way_entropy(distances: Rows, temperature: float, smoothing: float = 0.0) -> float:
    """Mean over both directions and all B samples of the cross-entropy with smoothed targets; distances (B, B)."""
    count, total = len(distances), 0.0
    for table in (distances, distances.T):
        for i in range(count):
            weights = [math.exp(-table[i, j] / temperature) for j in range(count)]
            for j in range(count):
                target = (1.0 - smoothing) * (i == j) + smoothing / count
                total -= target * math.log(weights[j] / sum(weights))
    return total / (2 * count)


def volume_terms(
    variant: str,
    joint: Rows,
    single: Mapping[str, Rows],
    temperature: float,
    *,
    power: int = 1,
    smoothing: float = 0.0,
    anchor: str | None = None,
    hybrid_weight: float = 0.5,
    cosine_temperature: float = 0.3,
) -> dict[str, float]:
    """Terms of a contrast of volumes, by the names that the library gives them."""

    def loss(first: Rows, *others: Rows) -> float:
        table = np.empty((len(first), len(first)))
        for i, j in itertools.product(range(len(first)), repeat=2):
            if variant == "pairwise_signed":
                table[i, j] = signed_sine(first[i], others[0][j])
            else:
                table[i, j] = volume([first[i], *(other[j] for other in others)]) ** power
        return two_way_entropy(table, temperature, smoothing)

    with_joint = {name: loss(joint, rows) for name, rows in single.items()}
    if variant in ("pairwise", "pairwise_signed"):
        return with_joint
    if variant == "all_pairs":
        pairs = itertools.combinations(single, 2)
        return with_joint | {f"{one}-{two}": loss(single[one], single[two]) for one, two in pairs}
    together = {"joint-anchor": loss(joint, *single.values())}
    if variant == "modality_anchor" or anchor is not None:
        losses = [
            loss(single[name], *(rows for other, rows in single.items() if other != name))
            for name in (single if anchor is None else [anchor])
        ]
        together = {"modality-anchor": sum(losses) / len(losses)}
    if variant != "hybrid":
        return together
    cosines = {name: hybrid_weight * infonce(joint, rows, cosine_temperature) for name, rows in single.items()}
    return cosines | {name: (1.0 - hybrid_weight) * term for name, term in together.items()}
