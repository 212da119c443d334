"""Checkpoints: nested plain values with arrays and tensors, in one file that comes back to the bit or is refused.

A file holds a line with the format and its version, the SHA-256 of all that follows, one line of JSON (the values, with
dtype and shape in the place of each array) and the numbers of the arrays in the same order. Reading calls and imports
nothing that the file names, and takes no more memory than the file has bytes.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from anysense.common.errors import FileFormatError, reading
from anysense.common.files import replace_file
from anysense.common.json_files import MAX_JSON_BYTES, check_entries, parse_json
from anysense.common.tensors import DTYPES

__all__ = ["read_checkpoint", "write_checkpoint"]

_HEAD = b"anysense checkpoint 3\n"
_WIDE = {"uint16": torch.uint16, "uint32": torch.uint32, "uint64": torch.uint64, "bfloat16": torch.bfloat16}
_DTYPES = {**{str(dtype).removeprefix("torch."): dtype for dtype in DTYPES.values()}, **_WIDE}
_NUMBERS = {"dtype": tuple(_DTYPES), "shape": [range(2**48)]}
MAX_AXES = 32
_KEYS = range(2**31)
_ADVICE = "Remove it to start from the beginning, or restore it from a copy."


def write_checkpoint(path: str | Path, state: Any) -> Path:
    """Put nested dictionaries, lists and tuples of arrays, tensors and plain values in the place of a file.

    Raises:
        TypeError: Something else is among them.
        ValueError: They are more than can be read again: too many or too deeply nested.
        OSError: The file cannot be written.
    """
    arrays: list[Tensor] = []
    values = json.dumps(_packed(state, arrays), allow_nan=False).encode() + b"\n"
    parse_json(values)

    def write(temporary: Path) -> None:
        digest = hashlib.sha256(values)
        with temporary.open("wb") as file:
            file.write(_HEAD + bytes(2 * digest.digest_size) + b"\n" + values)
            for array in arrays:
                flat = array.detach().cpu().contiguous().view(-1)
                flat = flat.as_strided(flat.shape, (1,))  # what has less than two entries may have any stride
                content = flat.view(torch.uint8).numpy().data
                digest.update(content)
                file.write(content)
            file.seek(len(_HEAD))
            file.write(digest.hexdigest().encode())

    return replace_file(path, write)


def read_checkpoint(path: str | Path) -> Any:
    """The state in a file of `write_checkpoint`; tensors are on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is cut short, altered, of another version or no checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` does not exist; expected a checkpoint.")
    with reading(path, _ADVICE), path.open("rb") as file:
        if file.read(len(_HEAD)) != _HEAD:
            raise FileFormatError(f"`{path}` is not a checkpoint of this release of anysense. {_ADVICE}")
        noted = file.readline(65)
        start = file.tell()
        if hashlib.file_digest(file, "sha256").hexdigest().encode() + b"\n" != noted:
            raise ValueError("it is cut short or altered: its SHA-256 is not the one that it names")
        end = file.tell()
        file.seek(start)
        state = _Unpacking(file, end).value(parse_json(file.readline(MAX_JSON_BYTES)))
        if file.tell() != end:
            raise ValueError("it holds more than it describes")
        return state


def _packed(value: Any, arrays: list[Tensor]) -> Any:
    """The value as JSON holds it; arrays are appended to a list."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray | Tensor):
        kind = "tensor" if isinstance(value, Tensor) else "array"
        arrays.append(value if isinstance(value, Tensor) else torch.from_numpy(np.require(value, None, ["C", "W"])))
        name = str(arrays[-1].dtype).removeprefix("torch.")
        if name not in _DTYPES:
            raise TypeError(f"a checkpoint cannot hold {name} numbers; expected one of {', '.join(_DTYPES)}.")
        return {kind: {"dtype": name, "shape": list(value.shape)}}
    if isinstance(value, Mapping):
        if not all(type(key) is str or (type(key) is int and key in _KEYS) for key in value):  # a float is searched for
            raise TypeError(f"a checkpoint takes texts and small integers as keys; got {list(value)!r:.200}.")
        return {"keys": list(value), "values": [_packed(entry, arrays) for entry in value.values()]}
    if isinstance(value, list | tuple):
        entries = [_packed(entry, arrays) for entry in value]
        return entries if isinstance(value, list) else {"tuple": entries}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"a checkpoint holds plain values, arrays and tensors; got {type(value).__name__}.")


class _Unpacking:
    """Makes values of JSON and of the numbers in the rest of a file, which ends at a byte."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self.file, self.end = file, end

    def value(self, packed: Any) -> Any:
        made: Any = packed
        match packed:
            case list():
                made = [self.value(entry) for entry in packed]
            case {"keys": list(keys), "values": list(values)}:
                check_entries(keys, [(str, _KEYS)], "keys")
                made = {key: self.value(entry) for key, entry in zip(keys, values, strict=True)}
            case {"tuple": list(entries)}:
                made = tuple(self.value(entry) for entry in entries)
            case {"tensor": dict(numbers)}:
                made = self.numbers(numbers)
            case {"array": dict(numbers)}:
                made = self.numbers(numbers).numpy()
            case {"float": "inf" | "-inf" | "nan" as text}:
                made = float(text)
            case dict():
                raise ValueError("it holds a value of an unknown kind")
        return made

    def numbers(self, described: dict[str, Any]) -> Tensor:
        check_entries(described, _NUMBERS, "array")
        dtype, shape = _DTYPES[described["dtype"]], described["shape"]
        size = math.prod(shape[:MAX_AXES]) * dtype.itemsize
        if len(shape) > MAX_AXES or size > self.end - self.file.tell():
            raise ValueError(f"it claims an array larger than its file, of shape {shape[:MAX_AXES]}")
        tensor = torch.empty(shape, dtype=dtype)
        self.file.readinto(tensor.view(-1).view(torch.uint8).numpy())  # type: ignore[attr-defined]
        return tensor
