"""The file of recorded transitions: one ``.npz`` without pickled objects.

A file is data of somebody else: what its headers claim is compared with limits before anything is allocated for it.
"""

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from anysense.common.files import replace_file

__all__ = ["ABOUT", "FORMAT_VERSION", "prefixed", "read", "read_arrays", "write"]

FORMAT = "anysense transitions"
FORMAT_VERSION = 2
ABOUT = "about"
"""Name of the array that holds the description."""
_MOST_COMPRESSED, _ALWAYS_ALLOWED = 100, 1 << 26
"""A file may claim so many times its own size, plus 64 MiB; one that compresses better is stored uncompressed."""


def write(path: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write arrays and a JSON description to ``path``, complete or not at all.

    Args:
        path: File to write; an existing one is replaced.
        arrays: Named arrays, none with Python objects.
        about: What JSON can hold.

    Raises:
        OSError: The folder is not writable, or the disk is full.
        TypeError: ``about`` holds something that JSON cannot.
    """
    header = np.array(json.dumps({"format": FORMAT, "version": FORMAT_VERSION, **about}))
    content: dict[str, Any] = {ABOUT: header, **arrays}

    def fill(temporary: Path) -> None:
        for save in (np.savez_compressed, np.savez):
            with temporary.open("wb") as file:
                save(file, allow_pickle=False, **content)
            if sum(array.nbytes for array in content.values()) <= _limit(temporary):
                return

    replace_file(path, fill)


def read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and description (without format and version) of a file of `write`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, claims to be larger than it can be, is of another version, or not a file of
            transitions.
    """
    arrays = read_arrays(path)
    return arrays, _description(path, arrays.pop(ABOUT, None))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of any ``.npz`` file by name; errors as `read`, but for its description."""
    if not path.is_file():
        raise FileNotFoundError(
            f"`{path}` does not exist or is not a file; collect the data first or correct the path."
        )
    try:
        return _arrays(path)
    except MemoryError:
        raise
    except Exception as error:  # One altered byte can raise a dozen unrelated types here.
        raise ValueError(
            f"`{path}` is damaged or not a file of recorded transitions ({error}). Collect the data again."
        ) from error


def prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values under longer names."""
    return {f"{prefix}{name}": value for name, value in values.items()}


def _limit(path: Path) -> int:
    return _MOST_COMPRESSED * path.stat().st_size + _ALWAYS_ALLOWED


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        claimed = sum(member.file_size for member in members)
        if claimed > _limit(path):
            raise ValueError(f"it claims to hold {claimed:,} bytes in a file of {path.stat().st_size:,}")
        for member in members:
            _check_member(archive, member)
        arrays = {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
        if len(arrays) < len(members):
            raise ValueError("it holds two arrays of one name")
        return arrays


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise unless the header of an array claims exactly what the archive says that it takes."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed with another method than deflate")
    with archive.open(member) as file:
        if npy.read_magic(file) != (1, 0):
            raise ValueError(f"{member.filename} is of another version of numpy's format")
        shape, _, dtype = npy.read_array_header_1_0(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds Python objects")
        if min(shape, default=0) < 0 or file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"{member.filename} is not as long as its shape {shape} of {dtype} says")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        values: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        file.read(1)  # At the end the checksum is compared.
        return values


def _description(path: Path, text: NDArray[Any] | None) -> dict[str, Any]:
    try:
        about = {} if text is None else dict(json.loads(str(text)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"`{path}` has no readable description ({error}). Collect the data again.") from error
    if about.pop("format", None) != FORMAT:
        raise ValueError(f"`{path}` is not a file of recorded transitions.")
    version = about.pop("version", None)
    if version != FORMAT_VERSION:
        raise ValueError(
            f"`{path}` has format version {version!r}, this installation reads version {FORMAT_VERSION}; "
            "collect the data again or use the version that wrote it."
        )
    return about
