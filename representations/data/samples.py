"""Recorded samples of any set of modalities, in memory: what representations are trained and measured on."""

import dataclasses
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.modality import Modality

__all__ = ["Indices", "Recorded", "Samples", "Splits", "checked_indices"]

Indices = Tensor | Sequence[int] | np.ndarray[Any, Any]
_ROWS_AT_ONCE = 1024


class Recorded(Protocol):
    """What pretraining and measuring need of any data set."""

    def __len__(self) -> int:
        """Number of samples."""

    def modalities_recorded(self) -> tuple[str, ...]:
        """Names of the modalities."""

    def observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations (B, *shape) of the chosen samples."""

    def present(self, indices: Indices) -> dict[str, Tensor] | None:
        """Which modalities the chosen samples have, boolean (B,) by name; None when they have all."""

    def target(self, indices: Indices) -> Tensor | None:
        """Targets (B, ...) of the chosen samples; None when there are none."""

    def fingerprint(self) -> str:
        """Short text that changes with the content."""


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """N samples of named modalities, with or without targets, complete or not.

    Attributes:
        modalities: What each modality looks like.
        values: Tensors (N, *shape) by modality name, of the modality's dtype.
        targets: int64 (N,) class labels or float32 (N,) numbers; None when there are none.
        masks: Boolean (N,) by modality name: which samples have it; modalities not named are in every sample. Values
            of absent entries are never looked at.
        details: Facts about the origin, for records; plain values.

    Raises:
        TypeError: Wrong container or dtype.
        ValueError: No modality, one that lacks values or has some of another shape or length, NaN or infinity where it
            is present or in targets, or a sample without any modality.
    """

    modalities: Mapping[str, Modality]
    values: Mapping[str, Tensor]
    targets: Tensor | None = None
    masks: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks names, shapes, dtypes and values."""
        if not self.modalities:
            raise ValueError("`modalities` is empty; expected at least one modality.")
        if set(self.values) != set(self.modalities):
            raise ValueError(
                f"`values` must have exactly the modalities {sorted(self.modalities)}; got {sorted(self.values)}."
            )
        for name, modality in self.modalities.items():
            _check_values(name, self.values[name], modality, len(self))
        for name, mask in self.masks.items():
            self._check_mask(name, mask)
        self._check_finite()
        self._check_rows()
        if self.targets is not None:
            _check_targets(self.targets, len(self))

    def __len__(self) -> int:
        """Number of samples."""
        return len(next(iter(self.values.values())))

    def modalities_recorded(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(self.modalities)

    def observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations (B, *shape) of the chosen samples.

        Raises:
            ValueError: Unknown modality.
            IndexError: No such sample, or indices that are not one row of integers; so in the other methods.
        """
        names = list(self.modalities if modalities is None else modalities)
        for name in names:
            if name not in self.values:
                raise ValueError(unknown_name("modalities", name, self.values))
        chosen = checked_indices(indices, len(self))
        return {name: self.values[name].index_select(0, chosen) for name in names}

    def present(self, indices: Indices) -> dict[str, Tensor] | None:
        """Which modalities the chosen samples have, boolean (B,) by name; None when they have all."""
        if not self.masks:
            return None
        chosen = checked_indices(indices, len(self))
        return {name: mask[chosen] for name, mask in self.masks.items()}

    def target(self, indices: Indices) -> Tensor | None:
        """Targets (B, ...) of the chosen samples; None when there are none."""
        return None if self.targets is None else self.targets[checked_indices(indices, len(self))]

    def select(self, indices: Indices) -> "Samples":
        """The chosen samples, in the given order, as a copy."""
        chosen = checked_indices(indices, len(self))
        return dataclasses.replace(
            self, values=self.observation(chosen), targets=self.target(chosen), masks=self.present(chosen) or {}
        )

    def split(self, validation_fraction: float, seed: int) -> tuple["Samples", "Samples"]:
        """Random split into a training and a validation part, at least one sample each.

        Raises:
            ValueError: The fraction is outside (0, 1), or there is only one sample.
        """
        if not 0 < validation_fraction < 1:
            raise ValueError(
                f"`validation_fraction` must lie between 0 and 1, both excluded; got {validation_fraction}."
            )
        if len(self) < 2:
            raise ValueError(f"`split` needs at least 2 samples, got {len(self)}.")
        held_out = min(max(round(validation_fraction * len(self)), 1), len(self) - 1)
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self)))
        return self.select(order[held_out:]), self.select(order[:held_out])

    def fingerprint(self) -> str:
        """Number of samples and a checksum: all targets, names, and one to two thousand of the samples."""
        chosen, checksum = torch.arange(0, len(self), max(1, len(self) // 1024)), 0
        for name, value in (*self.observation(chosen).items(), *(self.present(chosen) or {}).items()):
            checksum = zlib.crc32(value.numpy().tobytes(), zlib.crc32(name.encode(), checksum))
        if self.targets is not None:
            checksum = zlib.crc32(self.targets.numpy().tobytes(), checksum)
        return f"{len(self)} samples, checksum {checksum:08x}"

    def _check_mask(self, name: str, mask: Tensor) -> None:
        if name not in self.modalities:
            raise ValueError(unknown_name("masks", name, self.modalities))
        if not isinstance(mask, Tensor):
            raise TypeError(f"`masks[{name!r}]` must be a boolean torch.Tensor; got {type(mask).__name__}.")
        if mask.dtype != torch.bool or tuple(mask.shape) != (len(self),):
            raise ValueError(
                f"`masks[{name!r}]` must be boolean of shape ({len(self)},); got {mask.dtype} {tuple(mask.shape)}."
            )

    def _check_finite(self) -> None:
        for name, value in self.values.items():
            if not value.is_floating_point():
                continue
            # In parts: what isfinite needs in between is larger than its input.
            parts = torch.split(value, _ROWS_AT_ONCE)
            broken = ~torch.cat([torch.isfinite(part).flatten(1).all(dim=1) for part in parts])
            if name in self.masks:
                broken &= self.masks[name]
            if bool(broken.any()):
                rows = broken.nonzero().flatten().tolist()
                raise ValueError(
                    f"`values[{name!r}]` has NaN or infinity in {len(rows)} samples, the first at {rows[:5]}. "
                    "Mark them as absent with `masks`, or remove them."
                )

    def _check_rows(self) -> None:
        """A sample without any modality says nothing."""
        if len(self.masks) == len(self.modalities):
            empty = ~torch.stack(list(self.masks.values())).any(dim=0)
            if bool(empty.any()):
                raise ValueError(f"`masks` leaves {int(empty.sum())} samples without any modality; remove them.")


def _check_values(name: str, value: Tensor, modality: Modality, size: int) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"`values[{name!r}]` must be a torch.Tensor; got {type(value).__name__}.")
    allowed = {"uint8": (torch.uint8, torch.float32), "float32": (torch.float32,)}[modality.dtype]
    if value.dtype not in allowed:
        raise TypeError(f"`values[{name!r}]` must have dtype {modality.dtype}; got {value.dtype}.")
    if tuple(value.shape) != (size, *modality.shape) or size == 0:
        raise ValueError(
            f"`values[{name!r}]` must have shape (N, *{modality.shape}) with the same N >= 1 for all modalities; "
            f"got {tuple(value.shape)}."
        )


def _check_targets(targets: Tensor, size: int) -> None:
    if not isinstance(targets, Tensor) or targets.dtype not in (torch.int64, torch.float32):
        got = targets.dtype if isinstance(targets, Tensor) else type(targets).__name__
        raise TypeError(f"`targets` must be a torch.Tensor of dtype int64 (classes) or float32 (numbers); got {got}.")
    if tuple(targets.shape) != (size,):
        raise ValueError(f"`targets` must have shape ({size},), one entry per sample; got {tuple(targets.shape)}.")
    if not bool(torch.isfinite(targets).all()):
        raise ValueError("`targets` must be finite; got NaN or infinity. Remove or correct these samples.")


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


@dataclasses.dataclass(frozen=True)
class Splits:
    """The three parts of a data set: to train on, to choose by, to report on."""

    train: Samples
    validation: Samples
    test: Samples
