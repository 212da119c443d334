"""What the names in a pickle of arrays stand for: makers of our own that rebuild arrays from their bytes."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_MOST_AXES, _DEEPEST = 32, 32
_NUMPY_ROOMS = ("numpy.core", "numpy._core")
_BUILTINS = ("builtins", "__builtin__")
_DTYPE_CODE = re.compile(r"(b1|[iu][1248]|f[248]|c8|c16|[SU][1-9]\d{0,6}|O[48]?)")


class NotAdmitted(Exception):
    """The file asks for something that no data set needs."""


class Placeholder:
    """Stands for a value until the whole file is read."""

    __slots__ = ()

    def set_state(self, state: Any) -> None:
        """Take what the file stores for it."""
        raise NotAdmitted(f"a state for {type(self).__name__}")

    def value(self, walk: Callable[[Any], Any]) -> Any:
        """The final value; ``walk`` turns what it holds into final values."""
        raise TypeError(f"{type(self).__name__} is no value.")


class Named(Placeholder):
    """A name that a file may mention but not call, such as a type."""

    __slots__ = ("content", "name")

    def __init__(self, name: str, content: Any = None) -> None:
        self.name, self.content = name, content


class Maker(Placeholder):
    """A name that a file may call: our own function instead."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


class StoredObject(Placeholder):
    """An object of a class that is not imported: nothing but what the file stores as its attributes.

    Attributes:
        class_name: ``module.Class`` in the file.
        state: Attributes by name.
    """

    __slots__ = ("class_name", "state")

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name
        self.state: dict[str, Any] = {}

    def set_state(self, state: Any) -> None:
        """Keep the attributes."""
        if not isinstance(state, dict):
            raise NotAdmitted(f"a {type(state).__name__} as the state of {self.class_name}")
        self.state = state

    def value(self, walk: Callable[[Any], Any]) -> "StoredObject":
        """The object itself, with final attributes."""
        self.state = walk(self.state)
        return self


class _Dtype(Placeholder):
    """A number, text or object type."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        self.order: Any = "="
        self.code = as_text(code).lstrip("<>=|")
        if _DTYPE_CODE.fullmatch(self.code) is None:
            raise NotAdmitted(f"the array type {self.code[:40]!r}")

    def set_state(self, state: Any) -> None:
        order, *parts = state[1:5]
        if any(part is not None for part in parts) or as_text(order) not in tuple("<>=|"):
            raise NotAdmitted("an array type with fields")
        self.order = as_text(order)

    def dtype(self) -> np.dtype[Any]:
        return np.dtype("O" if self.code.startswith("O") else self.code).newbyteorder(self.order)


class _Array(Placeholder):
    """An array, rebuilt from its bytes or from a list of objects."""

    __slots__ = ("_content", "_dtype", "_order", "_shape")

    def __init__(self, kind: Any, *_: Any) -> None:
        if not (isinstance(kind, Named) and kind.name == "numpy.ndarray"):
            raise NotAdmitted("an array that is no numpy.ndarray")
        self._content: Any = None

    @classmethod
    def from_buffer(cls, content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> "_Array":
        """What protocol 5 writes."""
        if axes is not None or order not in ("C", "F"):
            raise NotAdmitted("an array with permuted axes")
        array = cls(_NDARRAY)
        array.set_state((1, shape, dtype, order == "F", content))
        return array

    def set_state(self, state: Any) -> None:
        *_, shape, dtype, fortran, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes | list):
            raise NotAdmitted("an array without type or content")
        self._shape, self._dtype = as_shape(shape), dtype.dtype()
        self._content = content
        self._order: Literal["C", "F"] = "F" if fortran else "C"

    def value(self, walk: Callable[[Any], Any]) -> NDArray[Any] | list[Any]:
        """A read-only view of the bytes; of an array of objects, the flat list."""
        if isinstance(self._content, list) != (self._dtype.kind == "O"):
            raise ValueError("an array whose content does not fit its type")
        flat = walk(self._content) if self._dtype.kind == "O" else whole_buffer(self._content, self._dtype)
        if len(flat) != math.prod(self._shape):
            raise ValueError(f"an array of shape {self._shape} has {len(flat)} entries")
        return flat if isinstance(flat, list) else flat.reshape(self._shape, order=self._order)


def _scalar(dtype: Any, content: Any) -> Any:
    if not isinstance(dtype, _Dtype) or dtype.dtype().kind == "O" or not isinstance(content, bytes):
        raise NotAdmitted("a number of unknown type")
    (number,) = whole_buffer(content, dtype.dtype()).tolist()
    return number


def _reconstructed(kind: Any, base: Any, state: Any) -> StoredObject:
    """What ``copyreg._reconstructor`` makes of a class without base data."""
    if not (isinstance(base, Named) and base.name == "builtins.object" and state is None):
        raise NotAdmitted("an object with data of a base class")
    return new_object(kind)


def new_object(kind: Any) -> StoredObject:
    """An empty object of an unknown class."""
    if not (isinstance(kind, Named) and kind.content is StoredObject):
        raise NotAdmitted("an object of something that is no class")
    return StoredObject(kind.name)


def whole_buffer(content: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """All of ``content`` as a flat read-only array; raises ValueError unless it is a whole number of entries."""
    if not len(content):
        return np.empty(0, dtype)
    return np.frombuffer(content, dtype)


def as_text(text: Any) -> str:
    """Text that Python 2 may have written as bytes."""
    if isinstance(text, bytes):
        return text.decode("latin1")
    if not isinstance(text, str):
        raise NotAdmitted(f"a {type(text).__name__} in place of a text")
    return text


def as_shape(shape: Any) -> tuple[int, ...]:
    """A tuple of axis lengths, checked."""
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise NotAdmitted("an array with a wrong shape")
    return shape


_NDARRAY = Named("numpy.ndarray")

GLOBALS: Mapping[tuple[str, str], Placeholder] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Maker(_Dtype),
    **{(f"{room}.multiarray", "_reconstruct"): Maker(_Array) for room in _NUMPY_ROOMS},
    **{(f"{room}.multiarray", "scalar"): Maker(_scalar) for room in _NUMPY_ROOMS},
    **{(f"{room}.numeric", "_frombuffer"): Maker(_Array.from_buffer) for room in _NUMPY_ROOMS},
    ("collections", "OrderedDict"): Maker(lambda: {}),
    **{(room, "bytes"): Maker(lambda: b"") for room in _BUILTINS},
    **{(room, "object"): Named("builtins.object") for room in _BUILTINS},
    **{(room, "_reconstructor"): Maker(_reconstructed) for room in ("copyreg", "copy_reg")},
}
"""Everything that a pickle of arrays may mention, and what it gets instead."""


def final(value: Any) -> Any:
    """``value`` without placeholders, with texts as keys.

    Raises:
        NotAdmitted: It is nested too deeply, or in itself.
    """
    done: dict[int, Any] = {}

    def walk(value: Any, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise NotAdmitted(f"values nested more than {_DEEPEST} deep")
        if not isinstance(value, list | tuple | dict | Placeholder):
            return value
        if id(value) not in done:
            done[id(value)] = _finished(value, lambda part: walk(part, depth + 1))
        return done[id(value)]

    return walk(value)


def _finished(value: Any, walk: Callable[[Any], Any]) -> Any:
    if isinstance(value, Placeholder):
        return value.value(walk)
    if isinstance(value, dict):
        return {as_text(key) if isinstance(key, bytes) else key: walk(entry) for key, entry in value.items()}
    return type(value)(walk(entry) for entry in value)
