"""Our own files of samples, safetensors with a description: names, types and shapes are checked before any is read."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anysense.common.json_files import parse_json

__all__ = ["Form", "read_tensors", "write_tensors"]

Form = tuple[str, tuple[int, ...]]
"""Type as safetensors names it, and the shape behind the first axis, the samples."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file, without copying the tensors; OSError where the disk refuses it."""
    try:
        save_file(dict(tensors), path, dict(metadata))
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error)) from error


def read_tensors(path: Path, wanted: Mapping[str, Form]) -> tuple[dict[str, Tensor], dict[str, str], Any]:
    """Tensors of a file that holds exactly the wanted ones, its metadata, and what their entry ``about`` describes.

    Raises:
        ValueError: The file is damaged, or holds something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            found = {name: (part.get_dtype(), tuple(part.get_shape()[1:])) for name, part in parts.items()}
            about = parse_json(metadata.get("about", "{}").encode())
            wrong = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))[:5]
            if wrong:
                one = [f"{name!r} must be {wanted.get(name)}, got {found.get(name)}" for name in wrong]
                raise ValueError("; ".join(one))
            return {name: file.get_tensor(name) for name in found}, metadata, about
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(f"`{path}` is damaged ({error}).") from error
