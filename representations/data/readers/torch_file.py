"""Read files that ``torch.save`` wrote, zip and legacy format, without torch's unpickler: as arrays and plain data."""

import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from anysense.representations.data.readers.pickled_values import (
    GLOBALS,
    Maker,
    Named,
    NotAdmitted,
    Placeholder,
    as_shape,
    as_text,
    final,
    whole_buffer,
)
from anysense.representations.data.readers.unpickle import Unpickler, WholeReads, guarded, is_zip

__all__ = ["read_torch"]

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_KIND = "a file of torch.save with arrays and plain data"
_STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}


def read_torch(path: str | Path) -> Any:
    """What a file of ``torch.save`` holds, tensors as NumPy arrays (read-only).

    One object of a class that is not known here may be in it, as in data sets that were saved whole: it comes as a
    `StoredObject` with its attributes; its class is neither looked for nor imported.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut off or damaged, not of torch, or holds anything else; what it asks for is not run.
    """
    return guarded(Path(path), _KIND, _read)


def _read(file: WholeReads) -> Any:
    return _read_zip(file) if is_zip(file.raw) else _read_legacy(file)


class _Storage(Placeholder):
    """The numbers of one or several tensors, read later."""

    __slots__ = ("array", "dtype", "size")

    def __init__(self, dtype: str, size: int) -> None:
        self.dtype, self.size = np.dtype(dtype).newbyteorder("<"), size
        self.array: NDArray[Any] | None = None

    def fill(self, content: bytes) -> None:
        """Take the bytes, of which there must be as many as announced."""
        if len(content) != self.size * self.dtype.itemsize:
            raise ValueError(f"{self.size} numbers of type {self.dtype} announced, {len(content)} bytes found")
        self.array = whole_buffer(content, self.dtype)


class _Tensor(Placeholder):
    """A view of a storage."""

    __slots__ = ("_offset", "_shape", "_storage", "_strides")

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> None:
        self._shape, self._strides = as_shape(shape), as_shape(strides)
        if not isinstance(storage, _Storage) or len(self._shape) != len(self._strides) or type(offset) is not int:
            raise NotAdmitted("a tensor without numbers of its own")
        self._storage, self._offset = storage, offset

    def value(self, walk: Callable[[Any], Any]) -> NDArray[Any]:
        """A read-only view of the numbers."""
        array, count = self._storage.array, math.prod(self._shape)
        last = sum((length - 1) * stride for length, stride in zip(self._shape, self._strides, strict=True))
        if array is None or count > array.size or self._offset < 0 or (count and self._offset + last >= array.size):
            raise ValueError(f"a tensor of shape {self._shape} lies outside of its storage")
        if not count:
            return np.empty(self._shape, array.dtype)
        strides = [stride * array.itemsize for stride in self._strides]
        return as_strided(array[self._offset :], self._shape, strides, writeable=False)


_NAMES: Mapping[tuple[str, str], Placeholder] = {
    **GLOBALS,
    **{("torch", name): Named(f"torch.{name}", dtype) for name, dtype in _STORAGES.items()},
    ("torch._utils", "_rebuild_tensor"): Maker(_Tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Maker(_Tensor),
}


class _Storages:
    """All storages of a file, by key."""

    def __init__(self) -> None:
        self.by_key: dict[str, _Storage] = {}

    def find(self, pid: Any) -> _Storage:
        """The storage that a persistent id announces."""
        label, kind, key, _, size, *views = pid if isinstance(pid, tuple) and len(pid) in (5, 6) else (None,) * 5
        if as_text(label) != "storage" or not isinstance(kind, Named) or not isinstance(kind.content, str):
            raise NotAdmitted("something else than numbers outside of the pickle")
        if type(size) is not int or size < 0 or any(view is not None for view in views):
            raise NotAdmitted("a part of a storage")
        storage = self.by_key.setdefault(as_text(key), _Storage(kind.content, size))
        if storage.size != size or storage.dtype != np.dtype(kind.content).newbyteorder("<"):
            raise NotAdmitted("a storage with two sizes or types")
        return storage


def _read_zip(file: WholeReads) -> Any:
    with zipfile.ZipFile(file.raw) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        for entry in entries.values():
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise NotAdmitted("a compressed part, which torch never writes")
        if sum(entry.file_size for entry in entries.values()) > file.size:
            raise NotAdmitted("parts that are larger than the file")
        pickled = next((name for name in entries if name.endswith("/data.pkl")), "")
        if not pickled:
            raise ValueError("a zip archive, but not one of torch")
        folder = pickled.removesuffix("data.pkl")
        order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"
        if order != b"little":
            raise NotAdmitted(f"numbers in {order[:10]!r} byte order")
        storages = _Storages()
        with archive.open(pickled) as part:
            reads = WholeReads(cast(BinaryIO, part), entries[pickled].file_size)
            loaded = Unpickler(reads, _NAMES, storages.find, objects=True).load()
        for key, storage in storages.by_key.items():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return final(loaded)


def _read_legacy(file: WholeReads) -> Any:
    def load(storages: _Storages | None = None) -> Any:
        find = storages.find if storages else None
        return Unpickler(file, _NAMES if storages else GLOBALS, find, objects=storages is not None).load()

    if load() != _MAGIC or load() != _PROTOCOL:
        raise ValueError("not of torch, or of a version that nobody uses any more")
    if final(load()).get("little_endian") is not True:
        raise NotAdmitted("numbers in 'big' byte order")
    storages = _Storages()
    loaded = load(storages)
    for key in load():
        storage = storages.by_key[as_text(key)]
        (size,) = struct.unpack("<q", file.read(8))
        if size != storage.size:
            raise ValueError(f"{storage.size} numbers announced, {size} found")
        storage.fill(file.read(size * storage.dtype.itemsize))
    return final(loaded)
