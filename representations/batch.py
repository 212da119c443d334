"""A batch of checked observations in which absent input is zero. Letters: M modalities, B rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Batch", "blanked"]


@dataclass(frozen=True)
class Batch:
    """Checked observations of B rows.

    Attributes:
        inputs: Raw tensors (B, *shape) of the modalities that at least one row has; zeros in rows that lack them, and
            NaN in the padding of sequences, for networks that take lengths.
        modalities: Names of all M modalities of the representation, in its order.
        present: Boolean (M, B): which of them each row has; at least one.
        partial: Those of ``inputs`` that some rows lack.
        size: B.
        target: What a supervised method learns to predict, (B, ...); None otherwise.
    """

    inputs: dict[str, Tensor]
    modalities: tuple[str, ...]
    present: Tensor
    partial: frozenset[str]
    size: int
    target: Tensor | None = None

    @property
    def complete(self) -> bool:
        """Whether every row has every modality; known without waiting for the device."""
        return not self.partial and len(self.inputs) == len(self.modalities)

    def complete_rows(self) -> Tensor | None:
        """Boolean (B,): which rows have every modality; None when no row has."""
        rows = self.present.all(dim=0)
        return rows if len(self.inputs) == len(self.modalities) and bool(rows.any()) else None

    def given(self, name: str) -> Tensor:
        """Raw values (n, *shape) of the n rows that have a modality of ``inputs``."""
        rows = self.rows(name)
        return self.inputs[name] if rows is None else self.inputs[name][rows]

    def spread(self, values: Tensor, name: str) -> Tensor:
        """Values (n, D) of the rows that have a modality, in their places among all rows (B, D); zeros elsewhere."""
        rows = self.rows(name)
        if rows is None:
            return values
        return values.new_zeros((self.size, values.shape[1])).index_put((rows.nonzero().squeeze(1),), values)

    def rows(self, name: str) -> Tensor | None:
        """Boolean (B,): which rows have a modality of ``inputs``; None if all have it."""
        return self.present[self.modalities.index(name)] if name in self.partial else None

    def present_of(self, names: Iterable[str]) -> Tensor:
        """Boolean (m, B): which of m named modalities each row has."""
        return self.present[[self.modalities.index(name) for name in names]]

    def restricted(self, present: Tensor) -> "Batch":
        """The batch with fewer modalities: those that ``present``, boolean (M, B), leaves to each row, maybe none."""
        return blanked(self.inputs, self.modalities, self.present & present, self.size)


def blanked(observation: Mapping[str, Tensor], names: tuple[str, ...], present: Tensor, size: int) -> Batch:
    """A batch with zeros in the place of what is absent; modalities that no row has are left out."""
    counts = dict(zip(names, present.sum(dim=1).tolist(), strict=True))
    inputs = {name: value for name, value in observation.items() if counts[name] > 0}
    partial = frozenset(name for name in inputs if counts[name] < size)
    for name in partial:
        value = inputs[name]
        mask = present[names.index(name)].view(size, *[1] * (value.ndim - 1))
        inputs[name] = torch.where(mask, value, torch.zeros((), dtype=value.dtype, device=value.device))
    return Batch(inputs, names, present, partial, size)
