"""Raw observations are checked here, and become a batch in which absent input is zero.

Letters: M modalities, B rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.modality import Modality

__all__ = ["Batch", "Present", "check_batch"]

Present = Mapping[str, Tensor] | Tensor
"""Which rows have which modality: boolean (B,) by name (all rows if not named), or boolean (M, B)."""


@dataclass(frozen=True)
class Batch:
    """Checked observations of B rows.

    Attributes:
        inputs: Raw tensors (B, *shape) of the modalities that at least one row has; zeros in rows that lack them.
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
        return _blanked(self.inputs, self.modalities, self.present & present, self.size)


def check_batch(
    observation: Mapping[str, Tensor],
    present: Present | None,
    modalities: Mapping[str, Modality],
    device: torch.device,
    *,
    validate: bool = True,
) -> Batch:
    """Checks an observation and blanks absent input; see `Representation.encode` for arguments and errors."""
    if validate:
        _check_observation(observation, modalities, device)
    size = next((len(value) for value in observation.values()), 0)
    if size == 0:
        raise ValueError(
            f"`observation` holds no data; expected at least one row of at least one of {list(modalities)}."
        )
    given = {name: observation[name] for name in modalities if name in observation}
    table = torch.ones((len(modalities), size), dtype=torch.bool, device=device)
    for index in [index for index, name in enumerate(modalities) if name not in given]:
        table[index] = False
    if present is None:
        batch = Batch(given, tuple(modalities), table, frozenset(), size)
    else:
        if validate:
            _check_present(given, present, modalities, size)
        table &= _table(present, modalities, table)
        batch = _blanked(given, tuple(modalities), table, size)
        _check_rows(batch)
    if validate:
        for name, value in batch.inputs.items():
            _check_values(name, value, modalities[name])
    return batch


def _table(present: Present, names: Iterable[str], given: Tensor) -> Tensor:
    """``present`` as boolean (M, B), on the device of ``given``; ones for modalities that are not named."""
    if isinstance(present, Tensor):
        return present.to(given.device)
    every = torch.ones_like(given[0])
    return torch.stack([present[name].to(given.device) if name in present else every for name in names])


def _blanked(observation: Mapping[str, Tensor], names: tuple[str, ...], present: Tensor, size: int) -> Batch:
    """A batch with zeros in the place of what is absent; modalities that no row has are left out."""
    counts = dict(zip(names, present.sum(dim=1).tolist(), strict=True))
    inputs = {name: value for name, value in observation.items() if counts[name] > 0}
    partial = frozenset(name for name in inputs if counts[name] < size)
    for name in partial:
        value = inputs[name]
        mask = present[names.index(name)].view(size, *[1] * (value.ndim - 1))
        inputs[name] = torch.where(mask, value, torch.zeros((), dtype=value.dtype, device=value.device))
    return Batch(inputs, names, present, partial, size)


def _check_rows(batch: Batch) -> None:
    """Every row needs a modality."""
    if not batch.inputs:
        raise ValueError("`present` leaves every row without any modality; each row needs at least one.")
    if len(batch.partial) < len(batch.inputs):
        return
    empty = (~batch.present.any(dim=0)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"`present` leaves rows {_shortened(empty)} without any modality; each row needs at least one."
        )


def _check_observation(
    observation: Mapping[str, Tensor], modalities: Mapping[str, Modality], device: torch.device
) -> None:
    if not isinstance(observation, Mapping):
        raise TypeError(f"`observation` must map modality names to tensors; got {type(observation).__name__}.")
    for name, value in observation.items():
        if name not in modalities:
            raise ValueError(unknown_name("observation", name, modalities))
        _check_tensor(name, value, modalities[name], device)
    sizes = {name: len(value) for name, value in observation.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"`observation` must have one batch size for all modalities; got {sizes}.")


def _check_tensor(name: str, value: Tensor, modality: Modality, device: torch.device) -> None:
    label, shape = f"`observation[{name!r}]`", f"(B, {', '.join(map(str, modality.shape))})"
    if not isinstance(value, Tensor):
        raise TypeError(f"{label} must be a torch.Tensor; got {type(value).__name__}. Convert it with torch.as_tensor.")
    dtypes = [torch.float32, torch.uint8] if modality.dtype == "uint8" else [torch.float32]
    if value.dtype not in dtypes:
        wanted = " or ".join(map(str, dtypes))
        raise TypeError(f"{label} must have dtype {wanted}; got {value.dtype}. Convert it with .to(...).")
    if tuple(value.shape[1:]) not in (modality.shape, modality.prepared.shape):
        hint = " Add the batch axis with .unsqueeze(0)." if tuple(value.shape) == modality.shape else ""
        raise ValueError(f"{label} must have shape {shape}; got {tuple(value.shape)}.{hint}")
    if value.device != device:
        raise ValueError(
            f"{label} is on {value.device}, the representation on {device}; move one of them with .to(...)."
        )


def _check_present(
    given: Mapping[str, Tensor], present: Present, modalities: Mapping[str, Modality], size: int
) -> None:
    if isinstance(present, Tensor):
        names, label = list(modalities), "`present`"
        _check_mask(label, present, (len(names), size), f"one row per modality of {names}, one column per sample")
        rows = dict(zip(names, present, strict=True))
    elif isinstance(present, Mapping):
        for name, mask in present.items():
            if name not in modalities:
                raise ValueError(unknown_name("present", name, modalities))
            _check_mask(f"`present[{name!r}]`", mask, (size,), "one per row")
        rows = dict(present)
    else:
        raise TypeError(
            f"`present` must map modality names to boolean tensors, or be one boolean tensor (M, B); "
            f"got {type(present).__name__}."
        )
    for name, mask in rows.items():
        if name not in given and bool(mask.any()):
            raise ValueError(f"`present` marks rows of {name!r} as present, but `observation` has no {name!r}.")


def _check_mask(label: str, mask: object, shape: tuple[int, ...], meaning: str) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"{label} must be a boolean torch.Tensor; got {got}. Convert it with .bool().")
    if tuple(mask.shape) != shape:
        raise ValueError(f"{label} must have shape {shape}, {meaning}; got {tuple(mask.shape)}.")


def _check_values(name: str, value: Tensor, modality: Modality) -> None:
    if value.dtype == torch.uint8:
        return
    label, value = f"`observation[{name!r}]`", value.detach()
    if not bool(torch.isfinite(value).all()):
        rows = (~torch.isfinite(value)).flatten(1).any(dim=1).nonzero().flatten().tolist()
        raise ValueError(
            f"{label} must be finite where it is present; got NaN or infinity in rows {_shortened(rows)}. "
            f"Mark broken rows as absent with `present`."
        )
    least, most = value.amin().item(), value.amax().item()
    if modality.dtype == "uint8" and (least < 0.0 or most > 1.0):
        raise ValueError(
            f"{label} is floating point and must lie in [0, 1]; got values from {least:g} to {most:g}. "
            "Pass the raw uint8 image, or divide by 255."
        )


def _shortened(rows: list[int]) -> str:
    return f"{rows[:5]}{f' and {len(rows) - 5} more' if len(rows) > 5 else ''}"
