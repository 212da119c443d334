"""Sequences of different lengths in one array: the first steps of a row are its sequence, the others are padding."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.arrays import Array, tensor_of
from anysense.representations.modality import Modality

__all__ = ["Lengths", "checked_lengths", "filled", "with_padding"]

Lengths = Mapping[str, Array]
"""How many steps each row has, whole numbers (B,), by modality name; 0: the row lacks the modality."""


def checked_lengths(lengths: Lengths, modalities: Mapping[str, Modality], size: int) -> dict[str, Tensor]:
    """Lengths as int64 (``size``,) by modality name.

    Raises:
        TypeError: No mapping, or something else than arrays of whole numbers.
        ValueError: An unknown modality, one without steps, another shape, or a number that no sequence has.
    """
    if not isinstance(lengths, Mapping):
        raise TypeError(f"`lengths` must map modality names to arrays of whole numbers; got {type(lengths).__name__}.")
    for name in lengths:
        if name not in modalities:
            raise ValueError(unknown_name("lengths", name, modalities))
    return {name: _checked(f"`lengths[{name!r}]`", value, modalities[name], size) for name, value in lengths.items()}


def filled(modality: Modality, lengths: Tensor) -> Tensor:
    """What is no padding in rows (B, *shape) of a modality with steps, boolean; 1 in the place of all other axes."""
    axis = _time_axis("`lengths`", modality)
    steps = torch.arange(modality.shape[axis], device=lengths.device)
    inside = steps < lengths[:, None]
    return inside.view(len(lengths), *(-1 if other == axis else 1 for other in range(len(modality.shape))))


def with_padding(value: Tensor, modality: Modality, lengths: Tensor, padding: float) -> Tensor:
    """Rows (B, *shape) with one number in all padding; if it is NaN, bytes become floats, divided by 255."""
    if math.isnan(padding) and value.dtype == torch.uint8:
        value = value.float() / 255.0
    return value.masked_fill(~filled(modality, lengths.to(value.device)), padding)


def _checked(label: str, value: Array, modality: Modality, size: int) -> Tensor:
    steps, lengths = modality.shape[_time_axis(label, modality)], tensor_of(label, value, torch.int64)
    if tuple(lengths.shape) != (size,):
        raise ValueError(f"{label} must have shape ({size},), one number per row; got {tuple(lengths.shape)}.")
    wrong = ((lengths < 0) | (lengths > steps)).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"{label} must lie between 0 (absent) and {steps}, the steps of {modality.name!r}; got "
            f"{int(lengths[wrong[0]])} in row {wrong[0]}{f' and {len(wrong) - 1} others' if wrong[1:] else ''}."
        )
    return lengths


def _time_axis(label: str, modality: Modality) -> int:
    axis = modality.time_axis
    if axis is None:
        raise ValueError(
            f"{label} must belong to a sequence, waveform or spectrogram; {modality.described().explained()}. If it is "
            f"one, say so with `kind` of its Modality, such as kind='sequence' (`--kind {modality.name}=sequence`)."
        )
    return axis
