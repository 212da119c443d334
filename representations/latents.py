"""Where latents lie: their mean and spread in the training data, so that an agent can be given them at one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

__all__ = ["LatentStatistics"]

SMALLEST_SHARE = 0.01
"""Deviations count as at least this share of the largest one: a dimension that hardly varies is not blown up."""


@dataclass(frozen=True)
class LatentStatistics:
    """Mean and standard deviation of each latent dimension, over samples with all their modalities.

    Args:
        mean: D finite numbers.
        deviation: D finite numbers that are not negative.

    Raises:
        ValueError: Other numbers, or not as many of one as of the other.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.deviation) or not self.mean:
            sizes = f"{len(self.mean)} and {len(self.deviation)} numbers"
            raise ValueError(f"`mean` and `deviation` must have one number for each latent dimension; got {sizes}.")
        if not all(map(math.isfinite, self.mean)):
            raise ValueError("`mean` must hold finite numbers.")
        if not all(0.0 <= value < math.inf for value in self.deviation):
            raise ValueError("`deviation` must hold finite numbers of at least 0.")

    @classmethod
    def of(cls, latents: Tensor) -> Self:
        """Those of latents (N, D), computed in float64."""
        latents = latents.detach().to("cpu", torch.float64)
        return cls(tuple(latents.mean(dim=0).tolist()), tuple(latents.std(dim=0, correction=0).tolist()))

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Self | None:
        """What `to_json` gave; None for None."""
        return None if values is None else cls(tuple(values["mean"]), tuple(values["deviation"]))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    def standardised(self, latents: Tensor) -> Tensor:
        """Latents (B, D) minus the mean, over the deviation, of which none counts as less than 1% of the largest."""
        mean, deviation = latents.new_tensor(self.mean), latents.new_tensor(self.deviation)
        largest = deviation.max()
        scale = deviation.clamp(min=float(largest) * SMALLEST_SHARE) if largest > 0 else torch.ones_like(deviation)
        return (latents - mean) / scale
