"""Reading tensors that others may have written (safetensors): no claim is believed before it fits the file."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from anysense.common.errors import reading
from anysense.common.json_files import check_entries, parse_json

__all__ = ["DTYPES", "TensorHeader", "check_tensors", "read_header", "read_tensors"]

MAX_HEADER_BYTES = 2**22
MAX_AXES = 16
DTYPES: Mapping[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "F32": torch.float32,
    "F64": torch.float64,
}
"""Types that a file may hold, by their names in safetensors; a format narrows them further."""
_ENTRY = {"dtype": str, "shape": [range(2**48)], "data_offsets": [range(2**63)]}


class TensorHeader(NamedTuple):
    """What a file claims to hold, found to be consistent: tensors without memory (on ``meta``) and texts, by name."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def check_tensors(found: Mapping[str, Any], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless tensors have the names, dtypes and shapes of others; either may be on ``meta``."""
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        raise ValueError(f"missing {_some(missing)}, unexpected {_some(extra)}")
    for name, tensor in expected.items():
        came = found[name]
        if not isinstance(came, Tensor) or came.dtype != tensor.dtype or came.shape != tensor.shape:
            got = f"{came.dtype} {tuple(came.shape)}" if isinstance(came, Tensor) else type(came).__name__
            raise ValueError(f"{name} must be {tensor.dtype} {tuple(tensor.shape)}; got {got}")


def read_header(path: str | Path, advice: str, dtypes: Collection[torch.dtype] = (torch.float32,)) -> TensorHeader:
    """The header of a safetensors file, compared with the size of the file.

    Args:
        path: The file.
        advice: What to do if it is damaged, a sentence.
        dtypes: Which types may come.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no safetensors file, cut short, or holds a tensor of another type.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` is missing. {advice}")
    with reading(path, advice), path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
            raise ValueError("it is not a safetensors file, or cut short")
        content = parse_json(file.read(length))
        check_entries(content, {"__metadata__?": {str: str}, str: _ENTRY})
        metadata = content.pop("__metadata__", {})
        end = 0
        for name, entry in sorted(content.items(), key=lambda item: item[1]["data_offsets"]):
            end = _checked_end(name, entry, end, dtypes)
        if end != size - 8 - length:
            raise ValueError(f"its tensors take {end} bytes, the file has {size - 8 - length} for them")
        tensors = {
            name: torch.empty(it["shape"], dtype=DTYPES[it["dtype"]], device="meta") for name, it in content.items()
        }
        return TensorHeader(tensors, metadata)


def read_tensors(
    path: str | Path,
    advice: str,
    dtypes: Collection[torch.dtype] = (torch.float32,),
    expected: Mapping[str, Tensor] | None = None,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; see `read_header` for its first arguments and what it raises.

    Args:
        path: The file.
        advice: What to do if it is damaged.
        dtypes: Which types may come.
        expected: What names, dtypes and shapes must be equal to, if known; compared before anything is read.
    """
    header = read_header(path, advice, dtypes)
    with reading(path, advice):
        if expected is not None:
            check_tensors(header.tensors, expected)
        return safetensors.torch.load_file(path), header.metadata


def _checked_end(name: str, entry: dict[str, Any], start: int, dtypes: Collection[torch.dtype]) -> int:
    """Where the bytes of a tensor end; ValueError unless they begin at ``start`` and are as many as it has numbers."""
    dtype, shape = DTYPES.get(entry["dtype"]), entry["shape"]
    if dtype not in dtypes or dtype is None:
        wanted = ", ".join(sorted(str(one).removeprefix("torch.") for one in dtypes))
        raise ValueError(f"`{name:.60}` is of type {entry['dtype']:.20}, expected one of {wanted}")
    end: int = start + math.prod(shape[:MAX_AXES]) * dtype.itemsize
    if len(shape) > MAX_AXES or entry["data_offsets"] != [start, end]:
        raise ValueError(f"`{name:.60}` does not have the bytes that its shape {shape[:MAX_AXES]} says")
    return end


def _some(names: list[str]) -> str:
    return f"{names[:3]} and {len(names) - 3} more" if len(names) > 3 else f"{names}"
