"""Laplace and normal densities as location and scale, both of shape (..., D), independent over D."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

__all__ = ["SMALLEST_SCALE", "LocationScale", "ScaleForm", "log_density", "make_density", "samples", "unit_noise"]

ScaleForm = Literal["softmax", "softplus", "log_variance"]
"""How a network's output becomes a scale: ``softmax`` (times D: the mean over D is 1; a Laplace density),
``softplus`` or ``log_variance`` (normal densities)."""

SMALLEST_SCALE = 1e-6
"""Added to every scale that comes from a softmax or softplus."""


class LocationScale(NamedTuple):
    """Location and scale (..., D): a Laplace density, or a normal one with mean and standard deviation."""

    location: Tensor
    scale: Tensor
    laplace: bool


def make_density(location: Tensor, raw_scale: Tensor, form: ScaleForm) -> LocationScale:
    """Density whose scale is ``raw_scale`` (..., D) after the non-linearity called ``form``."""
    if form == "softmax":
        scale = raw_scale.softmax(dim=-1) * raw_scale.shape[-1] + SMALLEST_SCALE
    elif form == "softplus":
        scale = torch.nn.functional.softplus(raw_scale) + SMALLEST_SCALE
    else:
        scale = (0.5 * raw_scale).exp()
    return LocationScale(location, scale, form == "softmax")


def log_density(value: Tensor, density: LocationScale) -> Tensor:
    """Log-density of ``value`` (..., D), summed over D: (...,); leading axes broadcast."""
    location, scale, laplace = density
    residual = (value - location) / scale
    if laplace:
        return -(residual.abs() + scale.log() + math.log(2.0)).sum(dim=-1)
    return -(0.5 * residual.square() + scale.log() + 0.5 * math.log(2.0 * math.pi)).sum(dim=-1)


def samples(density: LocationScale, count: int) -> Tensor:
    """Reparametrised samples (count, ..., D), with noise from torch's default generator."""
    location, scale, laplace = density
    return location + scale * unit_noise((count, *location.shape), laplace, None, location.device)


def unit_noise(shape: Sequence[int], laplace: bool, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Standard noise, Laplace (the difference of two exponential variables) or normal."""
    if not laplace:
        return torch.randn(tuple(shape), generator=generator, device=device)
    exponential = torch.empty((2, *shape), device=device).exponential_(generator=generator)
    return exponential[0] - exponential[1]
