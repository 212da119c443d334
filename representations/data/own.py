"""Files of recorded observations: those of `Transitions.save`, and plain ``.npz`` files made elsewhere."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from anysense.representations.data import storage
from anysense.representations.data.samples import Samples
from anysense.representations.data.transitions import Transitions
from anysense.representations.modality import Modality

__all__ = ["read_recorded"]

_MASK, _STEPS, _GROUP = "present.", "lengths.", "trajectory"


def read_recorded(path: str | Path, modalities: Mapping[str, Modality]) -> Transitions | Samples:
    """Read a file of `Transitions.save`, or an ``.npz`` file with one array for each modality.

    Such a file of one's own, as ``numpy.savez`` writes it, holds N samples: an array (N, *shape) by modality name; if
    some lack a modality, booleans (N,) ``present.NAME`` (what is absent is not looked at); if sequences have
    different lengths, integers (N,) ``lengths.NAME`` (what follows them is not looked at); and, if samples belong
    together, integers (N,) ``trajectory``: those of one trajectory are never split over training and validation.

    Args:
        path: The file.
        modalities: What each modality looks like.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or an array is missing, unknown, or of another shape or dtype.
    """
    arrays = storage.read_arrays(Path(path))
    if storage.ABOUT in arrays:
        return Transitions.load(path)
    more = {f"{prefix}{name}" for name in modalities for prefix in (_MASK, _STEPS)}
    if not set(modalities) <= arrays.keys() <= {*modalities, *more, _GROUP}:
        raise ValueError(
            f"`{path}` must hold an array for each of {', '.join(modalities)}, and may hold {_MASK}NAME, {_STEPS}NAME "
            f"and {_GROUP}; it holds {', '.join(sorted(arrays)) or 'nothing'}."
        )
    try:
        return Samples(
            modalities,
            {name: torch.from_numpy(_cast(name, arrays[name], modality)) for name, modality in modalities.items()},
            masks={name: torch.from_numpy(arrays[_MASK + name]) for name in modalities if _MASK + name in arrays},
            lengths={name: torch.from_numpy(arrays[_STEPS + name]) for name in modalities if _STEPS + name in arrays},
            groups=torch.from_numpy(arrays[_GROUP].astype(np.int64)) if _GROUP in arrays else None,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{path}` does not hold samples of these modalities: {error}") from error


def _cast(name: str, values: NDArray[np.generic], modality: Modality) -> NDArray[np.generic]:
    """Numbers as float32, if the modality is no image."""
    if modality.dtype == "float32" and values.dtype.kind in "biuf":
        return values.astype(np.float32)
    if str(values.dtype) != modality.dtype:
        raise TypeError(f"`{name}` must have dtype {modality.dtype}; got {values.dtype}.")
    return values
