"""Exact plain values: digests of arrays, and numbers as text that distinguishes every bit."""

import csv
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

__all__ = ["array_digest", "digests", "exact", "multiset_digest", "read_columns", "weights_digest"]

_LENGTH = 24
"""Hexadecimal digits kept of each SHA-256: 96 bits."""


def array_digest(array: Any) -> str:
    """Digest of dtype, shape and bytes of an array or a CPU tensor (bfloat16 is not supported)."""
    values = np.ascontiguousarray(array.detach().numpy() if isinstance(array, torch.Tensor) else array)
    return _sha256(f"{values.dtype.str}{values.shape}".encode() + values.tobytes())[:_LENGTH]


def digests(arrays: Mapping[str, Any]) -> dict[str, str]:
    """Digest of each array by name, in the order of the names."""
    return {name: array_digest(arrays[name]) for name in sorted(arrays)}


def multiset_digest(tensors: Iterable[torch.Tensor]) -> dict[str, Any]:
    """Number of tensors, and one digest that depends on their contents but neither on names nor on their order."""
    each = sorted(array_digest(tensor) for tensor in tensors)
    return {"tensors": len(each), "digest": _sha256("\n".join(each).encode())[:_LENGTH]}


def weights_digest(path: Path) -> dict[str, Any]:
    """`multiset_digest` of all tensors of a safetensors file."""
    return multiset_digest(safetensors.torch.load_file(path).values())


def exact(value: Any) -> Any:
    """The same value with tuples as lists and every float as its shortest exact decimal text (`repr`).

    Raises:
        TypeError: The value holds something that JSON cannot hold.
    """
    if isinstance(value, Mapping):
        return {str(key): exact(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [exact(entry) for entry in value]
    if isinstance(value, float):
        return repr(float(value))
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"`value` must consist of plain values; got {type(value).__name__}: {value!r}.")


def read_columns(path: Path) -> dict[str, list[str]]:
    """Columns of a CSV file by name, as text: Python writes floats there as `repr`, so text compares bits."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
