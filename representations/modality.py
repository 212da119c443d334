"""What one modality delivers: name, shape, dtype and bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from torch import nn

from anysense.common.errors import unknown_name

__all__ = ["DTYPES", "Bounds", "Modality", "modalities_from_space"]

DTYPES = ("uint8", "float32")

RESERVED = {"total", "alignment", "kl", "supervised", *dir(nn.ModuleDict())}
"""Names that mean something else: terms of losses, and attributes of the torch modules that keep networks by name."""

Bounds = float | tuple[Any, ...]
"""One number for all entries, or nested tuples in the shape of the modality."""


@dataclass(frozen=True)
class Modality:
    """One modality. Everything in it survives JSON unchanged.

    Attributes:
        name: Key in the observation; a Python identifier.
        shape: Shape of one sample, without the batch axis.
        dtype: ``"uint8"`` (images, 0 to 255) or ``"float32"`` (physical units).
        low: Smallest value of each entry, or None when unknown.
        high: Largest value of each entry, or None when unknown.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: Bounds | None = None
    high: Bounds | None = None

    def __post_init__(self) -> None:
        """Checks every field, and turns lists (from JSON) into tuples."""
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"`name` of a modality must be an identifier such as 'image'; got {self.name!r}.")
        if self.name in RESERVED:
            raise ValueError(f"`name` of a modality must not be the reserved word {self.name!r}; choose another name.")
        if self.dtype not in DTYPES:
            raise ValueError(unknown_name("dtype", self.dtype, DTYPES))
        object.__setattr__(self, "shape", self._checked_shape())
        if (self.low is None) != (self.high is None):
            raise ValueError(f"`low` and `high` of modality {self.name!r} must both be given or both be None.")
        if self.low is not None:
            self._check_bounds()

    def _checked_shape(self) -> tuple[int, ...]:
        if not self.shape or not all(type(size) is int and size > 0 for size in self.shape):
            raise ValueError(f"`shape` of modality {self.name!r} must hold positive integers; got {self.shape!r}.")
        return tuple(self.shape)

    def _check_bounds(self) -> None:
        for label in ("low", "high"):
            try:
                bound = np.asarray(getattr(self, label), np.float64)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"bounds of modality {self.name!r} must be numbers or nested tuples of numbers."
                ) from error
            if bound.shape not in ((), self.shape):
                raise ValueError(
                    f"`{label}` of modality {self.name!r} must be one number or have shape {self.shape}; "
                    f"got shape {bound.shape}."
                )
            if not np.isfinite(bound).all():
                raise ValueError(f"`{label}` of modality {self.name!r} must be finite; use None for unknown bounds.")
            object.__setattr__(self, label, _nested_tuple(bound.tolist()))
        if not (np.asarray(self.low) < np.asarray(self.high)).all():
            raise ValueError(f"`low` of modality {self.name!r} must be below `high` in every entry.")

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(low, high), each an array of the shape of the modality.

        Raises:
            ValueError: The bounds are unknown.
        """
        if self.low is None or self.high is None:
            raise ValueError(f"modality {self.name!r} has no bounds; give `low` and `high` (needed for normalisation).")
        return np.broadcast_to(self.low, self.shape).copy(), np.broadcast_to(self.high, self.shape).copy()

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file; ``Modality(**values)`` restores it."""
        return asdict(self)


def _nested_tuple(value: Any) -> Any:
    return tuple(map(_nested_tuple, value)) if isinstance(value, list) else value


def modalities_from_space(space: gymnasium.Space[Any], modalities: Iterable[str] | None = None) -> dict[str, Modality]:
    """Modalities of a Gymnasium ``Dict`` space of ``Box`` spaces.

    Args:
        space: Observation space of one environment (not of a vector environment).
        modalities: Names to take; by default every ``Box`` entry of dtype uint8 or float32.

    Returns:
        Modalities by name, in the order of the space. Infinite bounds become None.

    Raises:
        TypeError: Not a ``Dict`` space, or a named entry is no such ``Box``.
        ValueError: Unknown or no modality.
    """
    if not isinstance(space, gymnasium.spaces.Dict):
        raise TypeError(
            f"`space` must be a gymnasium.spaces.Dict with one Box per modality; got {type(space).__name__}."
        )
    boxes = {key: box for key, box in space.items() if isinstance(box, gymnasium.spaces.Box)}
    fitting = {key: box for key, box in boxes.items() if str(box.dtype) in DTYPES}
    names = list(fitting) if modalities is None else list(modalities)
    for name in names:
        if name not in space.spaces:
            raise ValueError(unknown_name("modalities", name, fitting))
        if name not in fitting:
            raise TypeError(f"`space` entry {name!r} must be a Box of dtype uint8 or float32; got {space[name]}.")
    if not names:
        raise ValueError("`modalities` is empty; expected at least one modality of the space.")
    return {name: _modality_from_box(name, box) for name, box in fitting.items() if name in names}


def _modality_from_box(name: str, box: gymnasium.spaces.Box) -> Modality:
    bounded = bool(np.isfinite(box.low).all() and np.isfinite(box.high).all())
    low, high = (_collapsed(box.low), _collapsed(box.high)) if bounded else (None, None)
    return Modality(name, tuple(int(size) for size in box.shape), str(box.dtype), low, high)


def _collapsed(bound: NDArray[Any]) -> Bounds:
    """One number when all entries are equal (an image has thousands), else nested tuples."""
    first = float(bound.flat[0])
    return first if bool((bound == first).all()) else _nested_tuple(bound.astype(np.float64).tolist())


def modalities_from_json(values: Iterable[Mapping[str, Any]]) -> dict[str, Modality]:
    """Inverse of `Modality.to_json` for a whole list."""
    modalities = [Modality(**value) for value in values]
    return {modality.name: modality for modality in modalities}
