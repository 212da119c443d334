"""What pretraining and evaluation need of recorded data, and the checks that all kinds of data share."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from anysense.common.errors import unknown_name

__all__ = [
    "Indices",
    "Recorded",
    "broken_rows",
    "check_fraction",
    "check_masks",
    "check_selection",
    "checked_indices",
    "checksum",
    "held_out_count",
    "mask_rows",
    "present_of",
]

Indices = Tensor | Sequence[int] | np.ndarray[Any, Any]
_ROWS_AT_ONCE = 1024


class Recorded(Protocol):
    """N recorded samples of M modalities. Every method that takes indices raises IndexError for wrong ones."""

    def __len__(self) -> int:
        """N."""

    def modalities_recorded(self) -> tuple[str, ...]:
        """Names of the modalities."""

    def observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations (B, *shape) of the chosen samples, of all or of the named modalities."""

    def present(self, indices: Indices) -> Tensor | None:
        """Which modalities the chosen samples have, boolean (M, B); None where all samples have all."""

    def target(self, indices: Indices) -> Tensor | None:
        """Targets (B, ...) of the chosen samples; None where there are none."""

    def probe_targets(self, indices: Indices) -> tuple[tuple[str, ...], Tensor] | None:
        """Quantities to read out of latents, with their names: float (B, P). None where there are none."""

    def fingerprint(self) -> str:
        """Short text that changes with the content."""


def present_of(data: Recorded, indices: Indices, names: Iterable[str]) -> Tensor | None:
    """Which of the named modalities the chosen samples have, boolean (len(names), B); None for data without masks.

    A modality that was not recorded is absent.
    """
    present = data.present(indices)
    if present is None:
        return None
    rows = dict(zip(data.modalities_recorded(), present, strict=True))
    return torch.stack([rows.get(name, torch.zeros_like(present[0])) for name in names])


def mask_rows(masks: Mapping[str, Tensor], names: Iterable[str], rows: Tensor) -> Tensor | None:
    """Chosen rows of the masks of the names, boolean (M, B), True for names without a mask; None without masks."""
    if not masks:
        return None
    whole = torch.ones(len(rows), dtype=torch.bool)
    return torch.stack([masks[name][rows] if name in masks else whole for name in names])


def checked_indices(indices: Indices, size: int) -> Tensor:
    """Indices as int64 (B,).

    Raises:
        IndexError: They are not one row of integers between 0 and ``size`` - 1.
    """
    chosen = torch.as_tensor(indices)
    if chosen.numel() == 0:
        chosen = chosen.long()
    if chosen.ndim != 1 or chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool:
        raise IndexError(f"`indices` must be one row of integers, got {chosen.dtype} of shape {tuple(chosen.shape)}.")
    if chosen.numel() and (int(chosen.min()) < 0 or int(chosen.max()) >= size):
        raise IndexError(
            f"`indices` must lie between 0 and {size - 1}, got {int(chosen.min())} to {int(chosen.max())}."
        )
    return chosen.long()


def check_selection(modalities: Iterable[str], recorded: Iterable[str]) -> list[str]:
    """The names as a list; ValueError for one that was not recorded."""
    names, known = list(modalities), list(recorded)
    for name in names:
        if name not in known:
            raise ValueError(unknown_name("modalities", name, known))
    return names


def check_masks(masks: Mapping[str, Tensor], modalities: Iterable[str], size: int) -> None:
    """Raise unless ``masks`` holds boolean tensors (``size``,) by modality name (TypeError, ValueError)."""
    known = list(modalities)
    for name, mask in masks.items():
        if name not in known:
            raise ValueError(unknown_name("masks", name, known))
        if not isinstance(mask, Tensor):
            raise TypeError(f"`masks[{name!r}]` must be a boolean torch.Tensor; got {type(mask).__name__}.")
        if mask.dtype != torch.bool or tuple(mask.shape) != (size,):
            raise ValueError(
                f"`masks[{name!r}]` must be boolean of shape ({size},); got {mask.dtype} {tuple(mask.shape)}."
            )


def broken_rows(value: Tensor, mask: Tensor | None = None) -> list[int]:
    """Rows that hold NaN or infinity, of those that ``mask`` (boolean, one entry per row) marks; all by default."""
    if not value.is_floating_point() or len(value) == 0:
        return []
    # In parts: what isfinite needs in between is larger than its input.
    parts = torch.split(value.detach(), _ROWS_AT_ONCE)
    broken = ~torch.cat([torch.isfinite(part).flatten(1).all(dim=1) for part in parts])
    rows: list[int] = (broken if mask is None else broken & mask).nonzero().flatten().tolist()
    return rows


def check_fraction(fraction: float) -> None:
    """Raise ValueError unless a validation fraction lies between 0 and 1, both excluded."""
    if not 0 < fraction < 1:
        raise ValueError(f"`validation_fraction` must lie between 0 and 1, both excluded; got {fraction}.")


def held_out_count(fraction: float, count: int) -> int:
    """How many of ``count`` are held out: the fraction, rounded, but at least one on each side."""
    return min(max(round(fraction * count), 1), count - 1)


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of names and contents, 8 hexadecimal digits."""
    value = 0
    for name, tensor in tensors.items():
        value = zlib.crc32(tensor.contiguous().numpy().tobytes(), zlib.crc32(name.encode(), value))
    return f"{value:08x}"
