"""Bounds that nobody gave, from the data: what generative methods scale float modalities by."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from anysense.representations.data.recorded import Recorded, present_of
from anysense.representations.lengths import filled
from anysense.representations.modality import Modality, nested_tuple

__all__ = ["MARGIN", "with_assumed_bounds", "with_bounds"]

MARGIN = 0.05
"""Share of the range of the data by which inferred bounds lie outside of it, on each side."""
_ROWS_AT_ONCE = 1024
_LARGEST = 1.5e38
"""Bounds lie within this, so that their distance is a float32."""


def with_bounds(modalities: Mapping[str, Modality], data: Recorded) -> dict[str, Modality]:
    """The modalities, those of float32 without bounds with bounds of the data: least and largest value, and a margin.

    Vectors and sequences have bounds for each feature (the last axis), other arrays one pair of numbers. The margin is
    `MARGIN` of the range on each side; around a constant it is half of its size, at least 0.5.

    Args:
        modalities: What each modality looks like.
        data: The training data. Absent values and padding have no influence.

    Raises:
        ValueError: A modality without bounds is in no sample.
    """
    return {
        name: _bounded(modality, data) if _lacks_bounds(modality) else modality for name, modality in modalities.items()
    }


def with_assumed_bounds(modalities: Mapping[str, Modality]) -> dict[str, Modality]:
    """The same with [0, 1] in the place of unknown bounds: to find out before there are data whether networks fit."""
    return {
        name: replace(modality, low=0.0, high=1.0) if _lacks_bounds(modality) else modality
        for name, modality in modalities.items()
    }


def _lacks_bounds(modality: Modality) -> bool:
    return modality.dtype == "float32" and modality.low is None


def _bounded(modality: Modality, data: Recorded) -> Modality:
    # Entries of the last axis have bounds of their own, but not if they are steps, of which samples have fewer or more.
    axes, padded = len(modality.shape), bool(data.steps([0], [modality.name]))
    each = axes < 3 and not (padded and modality.time_axis == axes - 1)
    features = modality.shape[-1] if each else 1
    low, high = np.full(features, np.inf), np.full(features, -np.inf)
    for start in range(0, len(data), _ROWS_AT_ONCE):
        values = _values(modality, data, range(start, min(start + _ROWS_AT_ONCE, len(data)))).reshape(-1, features)
        if len(values):
            low, high = np.minimum(low, values.amin(dim=0).numpy()), np.maximum(high, values.amax(dim=0).numpy())
    if not np.isfinite(low).all():
        raise ValueError(f"the bounds of modality {modality.name!r} are unknown, and it is in no sample of the data.")
    largest = np.maximum(abs(low), abs(high))
    constant = high - low <= 1e-6 * largest  # float32 would not tell such values apart
    margin = np.where(constant, 0.5 * np.maximum(largest, 1.0), MARGIN * (high - low))
    shape = (features,) if each else ()
    ends = (end.clip(-_LARGEST, _LARGEST).reshape(shape).tolist() for end in (low - margin, high + margin))
    return replace(modality, low=nested_tuple(next(ends)), high=nested_tuple(next(ends)))


def _values(modality: Modality, data: Recorded, rows: range) -> Tensor:
    """What the rows have of the modality, float64."""
    names = [modality.name]
    values, present = data.observation(rows, names)[modality.name], present_of(data, rows, names)
    steps = data.steps(rows, names).get(modality.name)
    if steps is not None:  # 0 of absent ones
        axis = modality.time_axis
        assert axis is not None
        return values.movedim(1 + axis, 1)[filled(modality, steps).flatten(1)].to(torch.float64)
    return (values if present is None else values[present[0]]).to(torch.float64)
