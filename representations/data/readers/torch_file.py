"""Read files that ``torch.save`` wrote, zip and legacy format, without torch's unpickler: as arrays and plain data."""

import io
import math
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from anysense.representations.data.readers.unpickle import (
    FUNCTIONS,
    Name,
    Part,
    Reader,
    Refused,
    as_shape,
    as_text,
    guarded,
)

__all__ = ["read_torch"]

_MAGIC, _PROTOCOL, _LONGEST_DIRECTORY, _CHUNK = 0x1950A86A20F9469CFC6C, 1001, 2**20, 2**24
_TYPES = {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1"}
_STORAGES = {f"torch.{name}Storage": np.dtype(code) for name, code in {**_TYPES, "Byte": "u1", "Bool": "?"}.items()}
_STORAGES["torch.storage.UntypedStorage"] = np.dtype("u1")


def read_torch(path: str | Path, advice: str = "Download it again.") -> Any:
    """What a file of ``torch.save`` holds, tensors as NumPy arrays.

    An object, as in data sets that were saved whole, comes as the dictionary of its attributes; its class is neither
    looked for nor imported. If the file is damaged, the message ends with ``advice``. Raises what `read_pickle` raises.
    """

    def read(file: Part) -> Any:
        start = file.raw.read(2)
        file.raw.seek(0)
        return _read_zip(file) if start == b"PK" else _read_legacy(file)

    return guarded(Path(path), "a file of torch.save with arrays and plain data", advice, read)


class _Storages:
    """The numbers of all tensors of a file of ``size`` bytes; ``fill`` is called with key and bytes of each new one."""

    def __init__(self, size: int, fill: Callable[[str, NDArray[np.uint8]], None]) -> None:
        self.by_key: dict[str, NDArray[Any]] = {}
        self._bytes_left, self._fill = size, fill

    def find(self, pid: Any) -> NDArray[Any]:
        """The storage that a persistent id announces."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or as_text(pid[0]) != "storage":
            raise Refused("something else than numbers outside of the pickle")
        _, kind, key, _, size, *views = pid
        if not isinstance(kind, Name) or kind.full not in _STORAGES:
            raise ValueError(_unknown(kind))
        if type(size) is not int or size < 0 or any(view is not None for view in views):
            raise Refused("a part of a storage")
        key, dtype = as_text(key), _STORAGES[kind.full]
        if key not in self.by_key:
            self._bytes_left -= size * dtype.itemsize
            if self._bytes_left < 0:
                raise ValueError(f"{size} numbers of {dtype} announced, more than the file holds")
            self.by_key[key] = np.zeros(size, dtype)
            self._fill(key, self.by_key[key].view(np.uint8))
        if self.by_key[key].size != size or self.by_key[key].dtype != dtype:
            raise Refused("a storage with two sizes or types")
        return self.by_key[key]


def _copy(part: Part, content: NDArray[np.uint8]) -> None:
    for start in range(0, content.size, _CHUNK):
        piece = content[start : start + _CHUNK]
        piece[:] = np.frombuffer(part.read(piece.size), np.uint8)


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any = None, hooks: Any = None, metadata: Any = None
) -> NDArray[Any]:
    (offset,), shape, strides = as_shape((offset,)), as_shape(shape), as_shape(strides)
    if not isinstance(storage, np.ndarray) or storage.ndim != 1 or len(shape) != len(strides):
        raise Refused("a tensor without numbers of its own")
    count, width = math.prod(shape), storage.itemsize
    if not count:
        return np.empty(shape, storage.dtype)
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if max(count, last + 1) > storage.size:
        raise ValueError(f"a tensor of shape {shape} lies outside of its storage")
    return np.ndarray(shape, storage.dtype, storage, offset * width, [stride * width for stride in strides])


def _typed_tensor(storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any) -> Any:
    """What stands for ``_rebuild_tensor_v3``: types without a storage class of their own."""
    raise ValueError(_unknown(dtype))


def _unknown(kind: Any) -> str:
    came = kind.full if isinstance(kind, Name) else type(kind).__name__
    return f"a tensor of {came}; expected float16, 32 or 64, int8 to int64, uint8 or bool"


_FUNCTIONS = {
    **FUNCTIONS,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
}


class _Capped(io.BufferedReader):
    """A file whose list of parts is read only if it is short: each part costs memory."""

    longest = _LONGEST_DIRECTORY

    def read(self, count: int | None = -1, /) -> bytes:
        if count is not None and count > self.longest:
            raise Refused(f"a list of its parts of {count} bytes")
        return super().read(count)


def _read_zip(file: Part) -> Any:
    with _Capped(cast(io.RawIOBase, file.raw)) as capped, zipfile.ZipFile(capped) as archive:
        capped.longest = sys.maxsize
        parts = {entry.filename: entry for entry in archive.infolist()}
        if any(entry.compress_type or entry.file_size != entry.compress_size for entry in archive.infolist()):
            raise Refused("a compressed part, which torch never writes")
        if sum(entry.file_size for entry in archive.infolist()) > file.size:
            raise Refused("parts that are larger than the file")
        folder = next((name for name in parts if name.endswith("/data.pkl")), "").removesuffix("data.pkl")
        if not folder:
            raise ValueError("a zip archive, but not one of torch")

        def part(name: str) -> Part:
            return Part(cast(BinaryIO, archive.open(folder + name)), parts[folder + name].file_size)

        def fill(key: str, content: NDArray[np.uint8]) -> None:
            stored = part(f"data/{key}")
            if stored.size != content.size:
                raise ValueError(f"numbers of {content.size} bytes announced, {stored.size} bytes found")
            _copy(stored, content)

        if f"{folder}byteorder" in parts and archive.read(f"{folder}byteorder") != b"little":
            raise Refused("numbers in big-endian byte order")
        return Reader(part("data.pkl"), _FUNCTIONS, _Storages(file.size, fill).find).load()


def _read_legacy(file: Part) -> Any:
    if Reader(file).load() != _MAGIC or Reader(file).load() != _PROTOCOL:
        raise ValueError("not of torch, or of a version that nobody uses any more")
    if Reader(file).load().get("little_endian") is not True:
        raise Refused("numbers in big-endian byte order")
    storages = _Storages(file.size, lambda key, content: None)
    loaded = Reader(file, _FUNCTIONS, storages.find).load()
    for key in Reader(file).load():
        storage = storages.by_key.pop(as_text(key))
        if int.from_bytes(file.read(8), "little") != storage.size:
            raise ValueError(f"other than {storage.size} numbers found")
        _copy(file, storage.view(np.uint8))
    if storages.by_key:
        raise ValueError("tensors without numbers")
    return loaded
