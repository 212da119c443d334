"""Files of tensors (safetensors): names, types and shapes are compared with what is expected before any is read."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anysense.common.errors import reading
from anysense.common.json_files import parse_json

__all__ = ["DTYPES", "Form", "check_forms", "forms_in", "forms_of", "read_tensors", "write_tensors"]

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
"""Types that a file may hold, by their names in safetensors."""
Form = tuple[torch.dtype, tuple[int | None, ...]]
"""Type and shape of a tensor; None for an axis of any length."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file, without copying the tensors; OSError where the disk refuses it."""
    try:
        save_file(dict(tensors), path, dict(metadata))
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error)) from error


def read_tensors(
    path: Path, advice: str, expected: Mapping[str, Form] | None = None
) -> tuple[dict[str, Tensor], dict[str, str], Any]:
    """Tensors of a file, its texts, and what the text ``about`` describes in JSON.

    Args:
        path: The file.
        advice: What to do if it is damaged, a sentence.
        expected: What it must hold, no more and no less; by default any tensors of float32.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no safetensors file, cut short, or holds something else.
    """
    found = forms_in(path, advice)
    with reading(path, advice), safe_open(path, framework="pt") as file:
        usual: Mapping[str, Form] = {name: (torch.float32, form[1]) for name, form in found.items()}
        check_forms(found, usual if expected is None else expected)
        metadata = file.metadata() or {}
        about = parse_json(metadata.get("about", "{}").encode())
        return {name: file.get_tensor(name) for name in found}, metadata, about


def forms_in(path: Path, advice: str) -> dict[str, Form]:
    """Type and shape of every tensor of a file, by name; raises as `read_tensors`."""
    with reading(path, advice), safe_open(path, framework="pt") as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        strange = {part.get_dtype() for part in parts.values()} - DTYPES.keys()
        if strange:
            raise ValueError(f"it holds numbers of type {sorted(strange)}, expected {', '.join(DTYPES)}")
        return {name: (DTYPES[part.get_dtype()], tuple(part.get_shape())) for name, part in parts.items()}


def forms_of(tensors: Mapping[str, Tensor]) -> dict[str, Form]:
    """Type and shape of tensors, by name."""
    return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}


def check_forms(found: Mapping[str, Form], expected: Mapping[str, Form]) -> None:
    """Raise ValueError unless all names are there, no others, and each tensor has the expected type and shape."""
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        raise ValueError(f"missing {_some(missing)}, unexpected {_some(extra)}")
    for name, (dtype, shape) in expected.items():
        fits = len(found[name][1]) == len(shape) and all(
            wanted in (None, length) for length, wanted in zip(found[name][1], shape, strict=True)
        )
        if found[name][0] != dtype or not fits:
            raise ValueError(f"{name} must be {dtype} {shape}; got {found[name][0]} {found[name][1]}")


def _some(names: list[str]) -> str:
    return f"{names[:3]} and {len(names) - 3} more" if len(names) > 3 else f"{names}"
