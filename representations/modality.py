"""What one modality delivers: name, shape, dtype and bounds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anysense.common.errors import unknown_name
from anysense.representations.kinds import AXES, COLOURS, Given, decided_kind, full_kind, grid_order

__all__ = ["DTYPES", "Bounds", "Modality", "modalities_from_space", "modality_dtype", "nested_tuple"]

DTYPES = ("uint8", "float32")

RESERVED = {"total", "alignment", "kl", "supervised", *dir(nn.ModuleDict())}
"""Names that mean something else: terms of losses, and attributes of the torch modules that keep networks by name."""

UNBOUNDED = 2.0**31 - 1
"""Bounds from here on, such as the largest number of a dtype, are none."""

MOST_WEIGHTS = 2**23
"""Most products of the longest side of an image and the one that it is shrunk to."""

Bounds = float | tuple[Any, ...]
"""One number for all entries, or nested tuples in the shape of the modality or of its last axes."""


@dataclass(frozen=True)
class Modality:
    """One modality. Everything in it survives JSON unchanged.

    Attributes:
        name: Key in the observation; a Python identifier.
        shape: Shape of one sample, without the batch axis.
        dtype: ``"uint8"`` (bytes, 0 to 255 unless there are bounds) or ``"float32"`` (physical units).
        low: Smallest value of each entry, or None when unknown.
        high: Largest value of each entry, or None when unknown.
        kind: What it is, such as ``"waveform"`` or ``"image:hwc"``; see `described`. None: told by the others.
        image_size: Longest side of the images that networks see; larger ones are shrunk. None: as they are.
        grey: Whether networks see colour images in grey.

    Raises:
        ValueError: Something is out of range, unknown, does not fit the shape, or has no effect.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: Bounds | None = None
    high: Bounds | None = None
    kind: str | None = None
    image_size: int | None = None
    grey: bool = False

    def __post_init__(self) -> None:
        """Checks every field, and turns lists (from JSON) into tuples."""
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"`name` of a modality must be an identifier such as 'image'; got {self.name!r}.")
        if self.name in RESERVED:
            raise ValueError(f"`name` of a modality must not be the reserved word {self.name!r}; choose another name.")
        object.__setattr__(self, "dtype", _dtype_name(self.dtype))
        if self.dtype not in DTYPES:
            raise ValueError(unknown_name("dtype", self.dtype, DTYPES))
        object.__setattr__(self, "shape", self._checked_shape())
        if (self.low is None) != (self.high is None):
            raise ValueError(f"`low` and `high` of modality {self.name!r} must both be given or both be None.")
        if self.low is not None:
            self._check_bounds()
        if self.kind is not None:
            object.__setattr__(self, "kind", full_kind(self.name, self.kind, self.shape))
        if self.image_size is not None or self.grey:
            self._check_preparation()

    def _check_preparation(self) -> None:
        if self.image_size is not None and (type(self.image_size) is not int or self.image_size < 1):
            raise ValueError(f"`image_size` of modality {self.name!r} must be 1 or more; got {self.image_size!r}.")
        kind = self.described().kind
        if kind is None or not kind.startswith("image") or isinstance(self.low, tuple) or isinstance(self.high, tuple):
            raise ValueError(
                f"`image_size` and `grey` have no meaning for modality {self.name!r} of kind {kind!r}; they are for "
                "images whose entries all have the same bounds."
            )
        object.__setattr__(self, "kind", kind)
        if max(self.grid_shape[1:]) * max(self.prepared.shape[1:]) >= MOST_WEIGHTS:
            raise ValueError(
                f"`image_size` {self.image_size} of modality {self.name!r} is too large for images of "
                f"{self.grid_shape}; give a smaller one."
            )

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """What its values may be in memory: images also floats in [0, 1]."""
        return (torch.uint8, torch.float32) if self.dtype == "uint8" else (torch.float32,)

    def _checked_shape(self) -> tuple[int, ...]:
        given: Any = self.shape if isinstance(self.shape, Sequence) else ()
        sizes = [int(size) if isinstance(size, np.integer) else size for size in given]
        if not sizes or not all(type(size) is int and size > 0 for size in sizes):
            raise ValueError(
                f"`shape` of modality {self.name!r} must hold positive integers, (1,) for a single number; got "
                f"{self.shape!r}."
            )
        return tuple(sizes)

    def _check_bounds(self) -> None:
        for label in ("low", "high"):
            try:
                bound = np.asarray(getattr(self, label), np.float64)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"bounds of modality {self.name!r} must be numbers or nested tuples of numbers."
                ) from error
            if bound.shape != self.shape[len(self.shape) - bound.ndim :]:
                raise ValueError(
                    f"`{label}` of modality {self.name!r} must be one number or have shape {self.shape}, or "
                    f"its last axes; got shape {bound.shape}."
                )
            if not np.isfinite(bound).all():
                raise ValueError(f"`{label}` of modality {self.name!r} must be finite; use None for unknown bounds.")
            object.__setattr__(self, label, nested_tuple(bound.tolist()))
        if not (np.asarray(self.low) < np.asarray(self.high)).all():
            raise ValueError(f"`low` of modality {self.name!r} must be below `high` in every entry.")

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(low, high), each an array of the shape of the modality.

        Raises:
            ValueError: The bounds are unknown.
        """
        if self.low is None or self.high is None:
            raise ValueError(
                f"modality {self.name!r} has no bounds; give `low` and `high`, or training data to `build` (`data`)."
            )
        return np.broadcast_to(self.low, self.shape).copy(), np.broadcast_to(self.high, self.shape).copy()

    def described(self) -> "Modality":
        """The same with its kind, told by shape, dtype and bounds where nobody named one.

        Raises:
            ValueError: They leave it open; the message says how to choose.
        """
        if self.kind is not None:
            return self
        low, high = (bound if isinstance(bound, float | int) else None for bound in (self.low, self.high))
        given = Given(self.name, self.shape, self.dtype, low, high, self.low is not None)
        return replace(self, kind=decided_kind(given))

    @cached_property
    def prepared(self) -> "Modality":
        """What networks see of an image that is shrunk or made grey: (channels, height, width); else the modality.

        Data may hold either; both give the same latents.
        """
        if self.image_size is None and not self.grey:
            return self
        channels, height, width = self.grid_shape
        assert self.kind is not None
        if self.grey and "c" in self.kind and self.shape[grid_order(self.kind)[0].index("c")] in COLOURS[1:]:
            channels //= self.shape[grid_order(self.kind)[0].index("c")]
        most = self.image_size or max(height, width)
        shape = (channels, min(height, most), min(width, most))
        return Modality(self.name, shape, self.dtype, self.low, self.high, "image:chw")

    @cached_property
    def time_axis(self) -> int | None:
        """Axis of ``shape`` along which time passes, of sequences, waveforms and spectrograms; None for other kinds."""
        order = str(self.described().kind).partition(":")[2]
        return next((axis for axis, letter in enumerate(order) if letter in "tn"), None)

    @cached_property
    def grid_shape(self) -> tuple[int, ...]:
        """Shape in which networks read a modality of known kind: channels, then one or two axes; not for vectors."""
        assert self.kind is not None
        order, wanted = grid_order(self.kind)
        sizes = [self.shape[order.index(letter)] for letter in wanted]
        axes = 1 if self.kind.startswith(("sequence", "waveform")) else 2
        return (math.prod(sizes[:-axes]), *sizes[-axes:])

    def explained(self) -> str:
        """One line: shape, dtype, kind if it is known, and what networks see."""
        if self.kind is None:
            return f"{self.name}: {self.dtype} {self.shape}"
        word, _, order = self.kind.partition(":")
        meaning = f" ({' x '.join(AXES[letter] for letter in order)})" if order else ""
        seen = "" if self.prepared is self else f", seen as {self.prepared.shape}"
        return f"{self.name}: {self.dtype} {self.shape}, read as {word}{meaning}{seen}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file; ``Modality(**values)`` restores it."""
        usual = {"kind": None, "image_size": None, "grey": False}
        return {name: value for name, value in asdict(self).items() if name not in usual or value != usual[name]}


def _dtype_name(dtype: Any) -> str:
    """A name as it is; that of a dtype of torch or numpy: ``float32`` of ``np.float32`` or ``tensor.dtype``."""
    if isinstance(dtype, np.dtype) or (isinstance(dtype, type) and issubclass(dtype, np.generic)):
        return np.dtype(dtype).name
    return str(dtype).removeprefix("torch.")


def nested_tuple(value: Any) -> Any:
    """Nested lists as nested tuples."""
    return tuple(map(nested_tuple, value)) if isinstance(value, list) else value


def modalities_from_space(space: gymnasium.Space[Any], modalities: Iterable[str] | None = None) -> dict[str, Modality]:
    """Modalities of a Gymnasium ``Dict`` space of ``Box`` spaces.

    Args:
        space: Observation space of one environment (not of a vector environment).
        modalities: Names to take; by default every ``Box`` entry of numbers.

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
    fitting = {key: box for key, box in boxes.items() if box.shape and np.dtype(box.dtype).kind in "biuf"}
    names = list(fitting) if modalities is None else list(modalities)
    for name in names:
        if name not in space.spaces:
            raise ValueError(unknown_name("modalities", name, fitting))
        if name not in fitting:
            raise TypeError(
                f"`space` entry {name!r} must be a Box of numbers with at least one axis; got {space[name]}. Wrap the "
                "environment so that it is one, or leaves it out."
            )
    if not names:
        raise ValueError(f"`space` must hold a Box of numbers for each modality; got {space}.")
    return {name: _modality_from_box(name, box) for name, box in fitting.items() if name in names}


def modality_dtype(box: gymnasium.spaces.Box) -> str:
    """The dtype that a modality has whose space is a Box: bytes stay, all other real numbers become float32."""
    changed = np.dtype(box.dtype).kind in "biuf" and box.dtype != np.uint8
    return "float32" if changed else str(box.dtype)


def _modality_from_box(name: str, box: gymnasium.spaces.Box) -> Modality:
    """An entry whose bounds are equal gets room above."""
    low, high = box.low.astype(np.float64), box.high.astype(np.float64)
    bounded = bool(box.low.size and (np.maximum(abs(low), abs(high)) < UNBOUNDED).all())
    high = np.where(high > low, high, low + 1.0)
    shape = tuple(int(size) for size in box.shape)
    return Modality(
        name, shape, modality_dtype(box), *((_collapsed(low), _collapsed(high)) if bounded else (None, None))
    )


def _collapsed(bound: NDArray[Any]) -> Bounds:
    """One number when all entries are equal (an image has thousands), else nested tuples."""
    first = float(bound.flat[0])
    return first if bool((bound == first).all()) else nested_tuple(bound.astype(np.float64).tolist())


def modalities_from_json(values: Iterable[Mapping[str, Any]]) -> dict[str, Modality]:
    """Inverse of `Modality.to_json` for a whole list."""
    modalities = [Modality(**value) for value in values]
    return {modality.name: modality for modality in modalities}
