"""The door of every representation: a raw observation becomes a checked batch in which absent input is blanked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.modality import Modality

__all__ = ["Batch", "check_batch"]


@dataclass(frozen=True)
class Batch:
    """Checked observations of B rows.

    Attributes:
        inputs: Raw tensors (B, *shape) of the modalities that at least one row has; zeros in rows that lack them.
        masks: Boolean tensors (B,) of the modalities that only some rows have.
        missing: Modalities that no row has.
        size: B.
        target: What a supervised method learns to predict, (B, ...); None otherwise.
    """

    inputs: dict[str, Tensor]
    masks: dict[str, Tensor]
    missing: tuple[str, ...]
    size: int
    target: Tensor | None = None

    @property
    def complete(self) -> bool:
        """Whether every row has every modality."""
        return not self.missing and not self.masks

    def complete_rows(self) -> Tensor | None:
        """Boolean (B,): which rows have every modality; None when no row has."""
        if self.missing:
            return None
        rows = torch.stack(list(self.masks.values())).all(dim=0)
        return rows if bool(rows.any()) else None

    def present(self, names: Iterable[str]) -> Tensor:
        """Boolean (M, B): which of the named modalities each row has."""
        device = next(iter(self.inputs.values())).device
        whole, none = (torch.full((self.size,), value, device=device) for value in (True, False))
        return torch.stack([self.masks.get(name, whole) if name in self.inputs else none for name in names])


def check_batch(
    observation: Mapping[str, Tensor],
    present: Mapping[str, Tensor] | None,
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
    if validate and present is not None:
        _check_present(observation, present, modalities, size)
    batch = _blank_absent(observation, present or {}, modalities, size)
    if validate:
        for name, value in batch.inputs.items():
            _check_values(name, value, modalities[name])
    return batch


def _blank_absent(
    observation: Mapping[str, Tensor], present: Mapping[str, Tensor], modalities: Mapping[str, Modality], size: int
) -> Batch:
    inputs, masks = {}, {}
    for name in modalities:
        value = observation.get(name)
        if value is None:
            continue
        mask = present.get(name)
        if mask is not None:
            mask = mask.to(value.device)
            if not bool(mask.any()):
                continue
            if not bool(mask.all()):
                masks[name] = mask
                value = torch.where(
                    mask.view(size, *[1] * (value.ndim - 1)),
                    value,
                    torch.zeros((), dtype=value.dtype, device=value.device),
                )
        inputs[name] = value
    _check_rows(inputs, masks)
    return Batch(inputs, masks, tuple(name for name in modalities if name not in inputs), size)


def _check_rows(inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """A row without any modality says nothing."""
    if not inputs:
        raise ValueError("`present` leaves every row without any modality; each row needs at least one.")
    if len(masks) < len(inputs):
        return
    empty = ~torch.stack(list(masks.values())).any(dim=0)
    if bool(empty.any()):
        rows = empty.nonzero().flatten().tolist()
        raise ValueError(f"`present` leaves rows {_shortened(rows)} without any modality; each row needs at least one.")


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
    label = f"`observation[{name!r}]`"
    if not isinstance(value, Tensor):
        raise TypeError(f"{label} must be a torch.Tensor; got {type(value).__name__}. Convert it with torch.as_tensor.")
    dtypes = {torch.uint8, torch.float32} if modality.dtype == "uint8" else {torch.float32}
    if value.dtype not in dtypes:
        wanted = " or ".join(sorted(str(dtype) for dtype in dtypes))
        raise TypeError(f"{label} must have dtype {wanted}; got {value.dtype}. Convert it with .to(...).")
    if tuple(value.shape) == modality.shape:
        raise ValueError(
            f"{label} lacks the batch axis: expected shape (B, {_listed(modality.shape)}), got {tuple(value.shape)}. "
            "Add one with .unsqueeze(0)."
        )
    if tuple(value.shape[1:]) != modality.shape:
        raise ValueError(f"{label} must have shape (B, {_listed(modality.shape)}); got {tuple(value.shape)}.")
    if value.device != device:
        raise ValueError(
            f"{label} is on {value.device}, the representation on {device}; move one of them with .to(...)."
        )


def _check_present(
    observation: Mapping[str, Tensor], present: Mapping[str, Tensor], modalities: Mapping[str, Modality], size: int
) -> None:
    if not isinstance(present, Mapping):
        raise TypeError(f"`present` must map modality names to boolean tensors; got {type(present).__name__}.")
    for name, mask in present.items():
        if name not in modalities:
            raise ValueError(unknown_name("present", name, modalities))
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
            raise TypeError(f"`present[{name!r}]` must be a boolean torch.Tensor; got {got}. Convert it with .bool().")
        if tuple(mask.shape) != (size,):
            raise ValueError(f"`present[{name!r}]` must have shape ({size},), one per row; got {tuple(mask.shape)}.")
        if name not in observation and bool(mask.any()):
            raise ValueError(f"`present[{name!r}]` marks rows as present, but `observation` has no {name!r}.")


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


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _shortened(rows: list[int]) -> str:
    return f"{rows[:5]}{f' and {len(rows) - 5} more' if len(rows) > 5 else ''}"
