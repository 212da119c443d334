"""The cached file of `mhd-offline`: safetensors, images and sounds in 256 steps, with a checksum."""

import json
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anysense.common.cache import CACHE_VARIABLE
from anysense.common.files import replace_file

__all__ = ["Kept", "file_name", "packed", "read", "unpacked", "write"]

FORMAT_VERSION = 1
"""To be raised with every change of what the file holds or how the samples are made."""

_TENSORS = {f"{part}.{name}" for part in ("train", "test") for name in ("label", "image", "sound", "trajectory")}


class Kept(NamedTuple):
    """Content of the file: packed tensors by ``part.modality``, and the details of each part."""

    tensors: Mapping[str, Tensor]
    details: Mapping[str, Mapping[str, Any]]


def file_name(train: int, test: int, seed: int) -> str:
    """Name of the file: everything that the samples depend on."""
    return f"mhd-offline-{train}-{test}-seed{seed}-v{FORMAT_VERSION}.safetensors"


def packed(name: str, value: Tensor) -> Tensor:
    """The tensor as it is stored: labels and, in 256 steps, images and sounds as uint8."""
    if name.endswith(".label"):
        return value.to(torch.uint8)
    return value.contiguous() if name.endswith(".trajectory") else value.mul(255).round_().to(torch.uint8)


def unpacked(value: Tensor) -> Tensor:
    """Values in [0, 1], float32, of a stored image, sound or trajectory."""
    return value.float().div_(255) if value.dtype == torch.uint8 else value


def write(path: Path, kept: Kept) -> None:
    """Write the file, complete or not at all; where that is impossible, warn and go on."""
    about = json.dumps({"details": kept.details, "checksum": _checksum(kept.tensors)})
    try:
        replace_file(path, lambda temporary: save_file(dict(kept.tensors), temporary, metadata={"about": about}))
    except (OSError, SafetensorError) as error:
        warnings.warn(
            f"The samples could not be kept in {str(path.parent)!r} ({error}), so the next use makes them anew. "
            f"Set {CACHE_VARIABLE} to a folder that can be written.",
            RuntimeWarning,
            stacklevel=3,
        )


def read(path: Path) -> Kept | None:
    """The content of the file; None where there is none, or it is cut short or altered."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        details, checksum = about["details"], about["checksum"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    if tensors.keys() != _TENSORS or checksum != _checksum(tensors):
        return None
    return Kept(tensors, details)


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(tensors[name].numpy().data, value)
    return value
