"""Recorded samples of any set of modalities, in memory: what representations are trained and measured on."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from anysense.common.machine import usual_torch
from anysense.representations.arrays import Array, tensor_of
from anysense.representations.data.recorded import (
    Indices,
    broken_rows,
    checked_indices,
    checked_masks,
    checksum,
    mask_rows,
    misfit,
    named,
    random_halves,
    rows_of,
)
from anysense.representations.lengths import checked_lengths, with_padding
from anysense.representations.modality import Modality

__all__ = ["Samples", "Splits"]


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """N samples of named modalities, with or without targets, complete or not. Implements `Recorded`.

    All may be given as arrays of numpy or as tensors, in any layout: floats of another precision become float32, masks
    may be 0 and 1. They are kept as tensors, which share memory with what was given where that is possible.

    Attributes:
        modalities: What each modality looks like.
        values: Tensors (N, *shape) by modality name, of the modality's dtype (images also as float32).
        targets: int64 (N,) class labels or float32 (N,) numbers; None when there are none.
        masks: Boolean (N,) by modality name: which samples have it; modalities not named are in every sample. Values
            of absent entries are never looked at.
        groups: int64 (N,): samples of one group are not split up; None: each is a group of its own.
        details: Facts about the origin, for records; plain values.
        lengths: int64 (N,) by modality name: how many steps the sequences, waveforms or spectrograms of samples have;
            modalities not named always have all. What follows is never looked at and kept as zeros; samples with 0
            steps lack the modality.

    Raises:
        TypeError: Wrong container or dtype.
        ValueError: No modality, one that lacks values or has some of another shape or length, NaN or infinity where it
            is present or in targets, lengths that no sequence has, or a sample without any modality.
    """

    modalities: Mapping[str, Modality]
    values: Mapping[str, Tensor]
    targets: Tensor | None = None
    masks: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    groups: Tensor | None = None
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    lengths: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks names, shapes, dtypes and values."""
        known = self.modalities
        if not known:
            raise ValueError("`modalities` is empty; expected at least one modality.")
        if set(self.values) != set(self.modalities):
            raise ValueError(
                f"`values` must have exactly the modalities {sorted(self.modalities)}; got {sorted(self.values)}."
            )
        values = {name: rows_of(f"`values[{name!r}]`", self.values[name], *of.dtypes) for name, of in known.items()}
        self._take_over("values", values)
        for name, modality in self.modalities.items():
            _check_values(name, self.values[name], modality, len(self))
        self._take_over("masks", checked_masks(self.masks, self.modalities, len(self)))
        self._take_lengths(checked_lengths(self.lengths, self.modalities, len(self)))
        for name, value in self.values.items():
            rows = broken_rows(value, self.masks.get(name))
            if rows:
                raise ValueError(
                    f"`values[{name!r}]` has NaN or infinity in {len(rows)} samples, the first at {rows[:5]}. "
                    "Mark them as absent with `masks`, or remove them."
                )
        present = self.present(range(len(self)))
        empty = 0 if present is None else int((~present.any(dim=0)).sum())
        if empty:
            cause = "`masks` with `lengths`" if self.lengths else "`masks`"
            raise ValueError(f"{cause} leaves {empty} samples without any modality; remove them.")
        if self.targets is not None:
            self._take_over("targets", _checked_targets(self.targets, len(self)))
        if self.groups is not None:
            self._take_over("groups", rows_of("`groups`", self.groups, torch.int64))
            if self.groups.shape != (len(self),):
                raise ValueError(misfit("groups", "int64 of one axis", len(self), self.groups))

    def _take_over(self, name: str, value: Any) -> None:
        """Keep what was given as plain tensors."""
        object.__setattr__(self, name, value)

    def _take_lengths(self, lengths: Mapping[str, Tensor]) -> None:
        """Samples without steps are absent, absent ones have no steps, and padding is zero."""
        masks, values = dict(self.masks), dict(self.values)
        for name, steps in lengths.items():
            if name in masks or not bool(steps.all()):
                masks[name] = (steps > 0) & masks.get(name, torch.tensor(True, device="cpu"))
            values[name] = with_padding(values[name], self.modalities[name], steps, 0.0)
        kept = {name: steps * masks[name] if name in masks else steps for name, steps in lengths.items()}
        for field, value in (("masks", masks), ("lengths", kept), ("values", values)):
            self._take_over(field, value)

    def __len__(self) -> int:
        """Number of samples."""
        return len(next(iter(self.values.values())))

    def modalities_recorded(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(self.modalities)

    def observation(self, indices: Indices, modalities: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Raw observations (B, *shape), of all modalities by default."""
        chosen = checked_indices(indices, len(self))
        return {name: value.index_select(0, chosen) for name, value in named(self.values, modalities).items()}

    def present(self, indices: Indices) -> Tensor | None:
        """Which modalities the samples have, boolean (M, B); None where there are no masks."""
        return mask_rows(self.masks, self.modalities, checked_indices(indices, len(self)))

    def steps(self, indices: Indices, modalities: Collection[str] | None = None) -> dict[str, Tensor]:
        """How many steps sequences have, int64 (B,) by modality name."""
        chosen = checked_indices(indices, len(self))
        return {name: own[chosen] for name, own in self.lengths.items() if modalities is None or name in modalities}

    def target(self, indices: Indices) -> Tensor | None:
        """Targets (B,); None where there are none."""
        chosen = checked_indices(indices, len(self))
        return None if self.targets is None else self.targets[chosen]

    def probe_targets(self, indices: Indices) -> None:
        """Samples have no quantities to read out besides their targets."""

    def select(self, indices: Indices) -> "Samples":
        """The chosen samples, in the given order, as a copy."""
        chosen = checked_indices(indices, len(self))
        masks = {name: mask[chosen] for name, mask in self.masks.items()}
        groups = None if self.groups is None else self.groups[chosen]
        values, targets, lengths = self.observation(chosen), self.target(chosen), self.steps(chosen)
        return dataclasses.replace(self, values=values, targets=targets, masks=masks, groups=groups, lengths=lengths)

    @usual_torch()
    def split(self, validation_fraction: float, seed: int) -> tuple["Samples", "Samples"]:
        """Random split by groups into a training and a validation part, at least one group each.

        Raises:
            ValueError: The fraction or the seed is out of range, or there is only one group.
        """
        groups, number = torch.arange(len(self)), torch.arange(len(self))
        if self.groups is not None:
            groups, number = torch.unique(self.groups, return_inverse=True)
        train, held_out = random_halves(validation_fraction, seed, len(groups))
        if len(groups) < 2:
            raise ValueError(f"`split` needs at least 2 samples that are not of one group, got {len(groups)}.")
        if self.groups is None:
            return self.select(train), self.select(held_out)
        validation = torch.isin(number, held_out)
        return self.select((~validation).nonzero().flatten()), self.select(validation.nonzero().flatten())

    def fingerprint(self) -> str:
        """Number of samples and a checksum: all targets, names, and one to two thousand of the samples."""
        chosen = checked_indices(range(0, len(self), max(1, len(self) // 1024)), len(self))
        masks = {f"mask of {name}": mask[chosen] for name, mask in self.masks.items()}
        masks |= {f"steps of {name}": steps for name, steps in self.steps(chosen).items()}
        targets = {} if self.targets is None else {"targets": self.targets}
        return f"{len(self)} samples, checksum {checksum({**self.observation(chosen), **masks, **targets})}"


def _check_values(name: str, value: Tensor, modality: Modality, size: int) -> None:
    if tuple(value.shape) != (size, *modality.shape) or size == 0:
        raise ValueError(
            f"`values[{name!r}]` must have shape (N, *{modality.shape}) with the same N >= 1 for all modalities; "
            f"got {tuple(value.shape)}."
        )


def _checked_targets(targets: Array, size: int) -> Tensor:
    tensor = tensor_of("`targets`", targets, torch.int64, torch.float32)  # classes or numbers
    if tuple(tensor.shape) != (size,):
        raise ValueError(f"`targets` must have shape ({size},), one entry per sample; got {tuple(tensor.shape)}.")
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError("`targets` must be finite; got NaN or infinity. Remove or correct these samples.")
    return tensor


@dataclasses.dataclass(frozen=True)
class Splits:
    """The three parts of a data set: to train on, to choose by, to report on."""

    train: Samples
    validation: Samples
    test: Samples
