"""What pretraining and evaluation need of recorded data, and what all kinds of data share."""

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.common.validation import check_integer, check_range
from anysense.representations.arrays import Array, Mask, mask_of, plain_array, tensor_of

__all__ = [
    "Indices",
    "Recorded",
    "broken_rows",
    "check_origin",
    "checked_indices",
    "checked_masks",
    "checksum",
    "column_names",
    "mask_rows",
    "misfit",
    "named",
    "plain_fields",
    "present_of",
    "random_halves",
    "rows_of",
]

Indices = Tensor | Sequence[int] | np.ndarray[Any, Any]
_ROWS_AT_ONCE = 1024


class Recorded(Protocol):
    """N recorded samples of M modalities. Every method that takes indices (B,) raises IndexError for wrong ones."""

    def __len__(self) -> int:
        """N."""

    def modalities_recorded(self) -> tuple[str, ...]:
        """Names of the modalities."""

    def observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations (B, *shape) of all or of the named modalities; ValueError for an unknown one."""

    def present(self, indices: Indices) -> Tensor | None:
        """Which modalities the samples have, boolean (M, B); None where all samples have all."""

    def steps(self, indices: Indices, modalities: Collection[str] | None = None) -> dict[str, Tensor]:
        """How many steps sequences have, int64 (B,), of all or of the named modalities; those not in it have all."""

    def target(self, indices: Indices) -> Tensor | None:
        """Targets (B, ...); None where there are none."""

    def probe_targets(self, indices: Indices) -> tuple[tuple[str, ...], Tensor] | None:
        """Names of quantities to read out of latents, and their values, float (B, P); None where there are none."""

    def fingerprint(self) -> str:
        """Short text that changes with the content."""


def present_of(data: Recorded, indices: Indices, names: Iterable[str]) -> Tensor | None:
    """Which of the named modalities the samples have, boolean (len(names), B); None for data without masks.

    A modality that was not recorded is absent.
    """
    present = data.present(indices)
    if present is None:
        return None
    rows = dict(zip(data.modalities_recorded(), present, strict=True))
    return torch.stack([rows.get(name, torch.zeros_like(present[0])) for name in names])


def mask_rows(masks: Mapping[str, Tensor], names: Iterable[str], rows: Tensor) -> Tensor | None:
    """Rows of the masks of the names, boolean (M, B), True for names without a mask; None without masks."""
    if not masks:
        return None
    whole = torch.ones(len(rows), dtype=torch.bool, device="cpu")
    return torch.stack([masks[name][rows] if name in masks else whole for name in names])


def checked_indices(indices: Indices, size: int) -> Tensor:
    """Indices as int64 (B,); IndexError unless they are one row of integers between 0 and ``size`` - 1."""
    chosen = torch.as_tensor(plain_array(indices), device="cpu")
    if chosen.numel() == 0:
        chosen = chosen.long()
    if chosen.ndim != 1 or chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool:
        raise IndexError(f"`indices` must be one row of integers, got {chosen.dtype} of shape {tuple(chosen.shape)}.")
    if chosen.numel() and (int(chosen.min()) < 0 or int(chosen.max()) >= size):
        raise IndexError(
            f"`indices` must lie between 0 and {size - 1}, got {int(chosen.min())} to {int(chosen.max())}."
        )
    return chosen.long()


def named(values: Mapping[str, Tensor], names: Iterable[str] | None) -> dict[str, Tensor]:
    """The named ones of the modalities, all by default; ValueError for one that was not recorded."""
    chosen = list(values if names is None else names)
    for name in chosen:
        if name not in values:
            raise ValueError(unknown_name("modalities", name, values))
    return {name: values[name] for name in chosen}


def checked_masks(masks: Mapping[str, Mask], modalities: Iterable[str], size: int) -> dict[str, Tensor]:
    """Masks as boolean tensors (``size``,) by modality name; TypeError or ValueError for others."""
    known = list(modalities)
    for name in masks:
        if name not in known:
            raise ValueError(unknown_name("masks", name, known))
    return {name: mask_of(f"`masks[{name!r}]`", mask, (size,), "one per sample") for name, mask in masks.items()}


def rows_of(label: str, value: Array, *dtypes: torch.dtype) -> Tensor:
    """A plain tensor with at least the axis of rows; TypeError or ValueError for others, see `tensor_of`."""
    tensor = tensor_of(label, value, *dtypes)
    if tensor.ndim == 0:
        raise ValueError(f"{label} must have one entry per row; got one number.")
    return tensor


def check_origin(stack: Any, most: int, policy: Any, seed: Any, world: Any) -> None:
    """Raise ValueError unless a stack of frames, a policy, a seed and a world are what `Transitions` says they are."""
    if stack is not None and (type(stack) is not int or not 1 <= stack <= most):
        raise ValueError(f"`frame_stack` must be None or an integer from 1 to {most}, got {stack!r}.")
    if not isinstance(policy, str) or not (seed is None or type(seed) is int):
        raise ValueError(f"`policy` must be a string and `seed` an integer, got {policy!r}, {seed!r}.")
    if not isinstance(world, Mapping) or (world and set(world) != {"id", "options"}):
        raise ValueError(f"`world` must hold an id and options, as `World.to_json` gives them; got {world!r}.")


def plain_fields(record: Any, forms: Mapping[str, tuple[torch.dtype, ...]]) -> dict[str, Any]:
    """Fields of a record, arrays or mappings of them, as plain tensors of the given dtypes; None is left out."""
    fields = {name: getattr(record, name) for name in forms if getattr(record, name) is not None}
    return {
        name: {key: rows_of(f"`{name}[{key!r}]`", one, *forms[name]) for key, one in value.items()}
        if isinstance(value, Mapping)
        else rows_of(f"`{name}`", value, *forms[name])
        for name, value in fields.items()
    }


def broken_rows(value: Tensor, mask: Tensor | None = None) -> list[int]:
    """Rows with NaN or infinity among those that ``mask``, boolean (N,), marks; among all by default."""
    if not value.is_floating_point() or len(value) == 0:
        return []
    # In parts: what isfinite needs in between is larger than its input.
    broken = ~torch.cat([torch.isfinite(part).flatten(1).all(dim=1) for part in torch.split(value, _ROWS_AT_ONCE)])
    rows: list[int] = (broken if mask is None else broken & mask).nonzero().flatten().tolist()
    return rows


def random_halves(validation_fraction: float, seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Numbers below ``count`` in random order, those to train on and those held out, at least one each of two or more.

    Raises:
        ValueError: The fraction is outside (0, 1), or the seed no whole number of at least 0.
    """
    fraction = check_range("validation_fraction", validation_fraction, 0, 1, ends="()")
    order = torch.from_numpy(np.random.default_rng(check_integer("seed", seed, 0)).permutation(count))
    held_out = min(max(round(fraction * count), 1), count - 1)
    return order[held_out:], order[:held_out]


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of names and contents, 8 hexadecimal digits."""
    value = 0
    for name, tensor in tensors.items():
        value = zlib.crc32(tensor.contiguous().numpy().tobytes(), zlib.crc32(name.encode(), value))
    return f"{value:08x}"


def column_names(arrays: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names of all columns of arrays (N, K): ``name_0``, ``name_1``, ..., or ``name`` where there is but one."""
    return tuple(
        name if values.shape[1] == 1 else f"{name}_{column}"
        for name, values in arrays.items()
        for column in range(values.shape[1])
    )


def misfit(name: str, expected: str, rows: int, values: Tensor) -> str:
    """The message that an array is not as expected."""
    return f"`{name}` must be {expected} with {rows} rows, got {values.dtype} of shape {tuple(values.shape)}."
