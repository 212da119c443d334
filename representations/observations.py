"""Raw observations are checked here, and become a `Batch`. Letters: M modalities, B rows."""

from collections.abc import Mapping

import torch
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.common.machine import resolve_device
from anysense.representations.arrays import Array, Mask, mask_of, tensor_of
from anysense.representations.batch import Batch, blanked
from anysense.representations.lengths import Lengths, checked_lengths, with_padding
from anysense.representations.modality import Modality

__all__ = ["Observation", "Present", "check_batch"]

Observation = Mapping[str, Array]
"""Numbers (B, *shape) by modality name."""
Present = Mapping[str, Mask] | Mask
"""Which rows have which modality: boolean (B,) by name (all rows if not named), or boolean (M, B)."""


def check_batch(
    observation: Observation,
    present: Present | None,
    modalities: Mapping[str, Modality],
    device: torch.device,
    *,
    lengths: Lengths | None = None,
    validate: bool = True,
) -> Batch:
    """Checks an observation, blanks absent input, marks padding; see `Representation.encode` for arguments, errors."""
    if device.type == "meta":  # no weights
        resolve_device(device)
    given = _given(observation, modalities, device, validate=validate)
    size = next((len(value) for value in given.values()), 0)
    if size == 0:
        raise ValueError(
            f"`observation` holds no data; expected at least one row of at least one of {list(modalities)}."
        )
    table = torch.ones((len(modalities), size), dtype=torch.bool, device=device)
    for index in [index for index, name in enumerate(modalities) if name not in given]:
        table[index] = False
    steps = {} if lengths is None else checked_lengths(lengths, modalities, size)
    if present is None and not steps:
        batch = Batch(given, tuple(modalities), table, frozenset(), size)
    else:
        rows = {} if present is None else _rows(present, modalities, size)
        if validate:
            _check_given(given, rows)
        for name, mask in (*rows.items(), *((name, own > 0) for name, own in steps.items())):
            table[list(modalities).index(name)] &= mask.to(device)
        batch = blanked(given, tuple(modalities), table, size)
        _check_rows(batch, "`lengths`" if present is None else "`present` with `lengths`" if steps else "`present`")
    _pad(batch, modalities, steps, 0.0)
    if validate:
        for name, value in batch.inputs.items():
            _check_values(name, value, modalities[name])
    _pad(batch, modalities, steps, torch.nan)
    return batch


def _pad(batch: Batch, modalities: Mapping[str, Modality], lengths: Mapping[str, Tensor], padding: float) -> None:
    """Put a number into all padding, but not into the zeros of rows that lack the modality."""
    for name in lengths.keys() & batch.inputs.keys():
        own, modality, rows = lengths[name], modalities[name], batch.rows(name)
        if rows is not None:
            own = torch.where(rows, own.to(rows.device), max(modality.shape))
        batch.inputs[name] = with_padding(batch.inputs[name], modality, own, padding)


def _given(
    observation: Observation, modalities: Mapping[str, Modality], device: torch.device, *, validate: bool
) -> dict[str, Tensor]:
    """Plain tensors of the observation, in the order of the modalities."""
    if not isinstance(observation, Mapping):
        raise TypeError(f"`observation` must map modality names to tensors; got {type(observation).__name__}.")
    given = {}
    for name in observation if validate else ():
        if name not in modalities:
            raise ValueError(unknown_name("observation", name, modalities))
    for name, modality in modalities.items():
        if name in observation:
            given[name] = tensor_of(_label(name), observation[name], *modality.dtypes, device=device)
            if validate:
                _check_tensor(name, given[name], modality, device)
    sizes = {name: len(value) for name, value in given.items()}
    if validate and len(set(sizes.values())) > 1:
        raise ValueError(f"`observation` must have one batch size for all modalities; got {sizes}.")
    return given


def _check_tensor(name: str, value: Tensor, modality: Modality, device: torch.device) -> None:
    shape = f"(B, {', '.join(map(str, modality.shape))})"
    if value.ndim == 0 or tuple(value.shape[1:]) not in (modality.shape, modality.prepared.shape):
        hint = " Add the batch axis with .unsqueeze(0)." if tuple(value.shape) == modality.shape else ""
        raise ValueError(f"{_label(name)} must have shape {shape}; got {tuple(value.shape)}.{hint}")
    if value.device != device:
        raise ValueError(
            f"{_label(name)} is on {value.device}, the representation on {device}; move one of them with .to(...)."
        )


def _rows(present: Present, modalities: Mapping[str, Modality], size: int) -> dict[str, Tensor]:
    """Checked masks, boolean (B,), by modality name."""
    if isinstance(present, Mapping):
        for name in present:
            if name not in modalities:
                raise ValueError(unknown_name("present", name, modalities))
        return {name: mask_of(f"`present[{name!r}]`", mask, (size,), "one per row") for name, mask in present.items()}
    names = list(modalities)
    if not hasattr(present, "shape"):
        raise TypeError(
            "`present` must map modality names to boolean arrays, or be one boolean array (M, B); "
            f"got {type(present).__name__}."
        )
    meaning = f"one row per modality of {names}, one column per sample"
    return dict(zip(names, mask_of("`present`", present, (len(names), size), meaning), strict=True))


def _check_given(given: Mapping[str, Tensor], rows: Mapping[str, Tensor]) -> None:
    for name, mask in rows.items():
        if name not in given and bool(mask.any()):
            raise ValueError(f"`present` marks rows of {name!r} as present, but `observation` has no {name!r}.")


def _check_rows(batch: Batch, cause: str) -> None:
    """Every row needs a modality."""
    if not batch.inputs:
        raise ValueError(f"{cause} leaves every row without any modality; each row needs at least one.")
    if len(batch.partial) < len(batch.inputs):
        return
    empty = (~batch.present.any(dim=0)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"{cause} leaves rows {_shortened(empty)} without any modality; each row needs at least one.")


def _check_values(name: str, value: Tensor, modality: Modality) -> None:
    if value.dtype == torch.uint8:
        return
    label, value = _label(name), value.detach()
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


def _label(name: str) -> str:
    return f"`observation[{name!r}]`"


def _shortened(rows: list[int]) -> str:
    return f"{rows[:5]}{f' and {len(rows) - 5} more' if len(rows) > 5 else ''}"
