"""The cached file of `mhd-offline`: safetensors, images and sounds in 256 steps, with a checksum."""

import json
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anysense.common.cache import CACHE_VARIABLE
from anysense.common.files import replace_file
from anysense.common.json_files import check_entries
from anysense.common.tensors import Form, read_tensors, write_tensors
from anysense.representations.data.readers.spectrogram import FRAMES, MEL_BANDS

__all__ = ["Kept", "file_name", "packed", "read", "unpacked", "write"]

FORMAT_VERSION = 1
"""To be raised with every change of what the file holds or how the samples are made."""

_PARTS = ("train", "test")
_FORMS: Mapping[str, Form] = {
    "label": (torch.uint8, (None,)),
    "image": (torch.uint8, (None, 1, 28, 28)),
    "sound": (torch.uint8, (None, 1, FRAMES, MEL_BANDS)),
    "trajectory": (torch.float32, (None, 200)),
}
_SCALE = {"min": float, "max": float}
_DETAILS = {
    "source": str,
    "part": str,
    "seed": int,
    "normalisation": {"sound": _SCALE, "trajectory": _SCALE},
    "source_images": [int],
    "speakers": [str],
    "writers": int,
}


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
    about = json.dumps({"details": kept.details, "checksum": _checksum(kept)})
    try:
        replace_file(path, lambda temporary: write_tensors(temporary, kept.tensors, {"about": about}))
    except OSError as error:
        warnings.warn(
            f"The samples could not be kept in {str(path.parent)!r} ({error}), so the next use makes them anew. "
            f"Set {CACHE_VARIABLE} to a folder that can be written.",
            RuntimeWarning,
            stacklevel=3,
        )


def read(path: Path) -> Kept | None:
    """The content of the file; None where there is none, or it is cut short or altered."""
    try:
        tensors, _, about = read_tensors(
            path, "", {f"{part}.{name}": form for part in _PARTS for name, form in _FORMS.items()}
        )
        check_entries(about, {"details": dict.fromkeys(_PARTS, _DETAILS), "checksum": int})
    except (OSError, ValueError):
        return None
    kept = Kept(tensors, about["details"])
    return kept if about["checksum"] == _checksum(kept) else None


def _checksum(kept: Kept) -> int:
    value = zlib.crc32(json.dumps(kept.details, sort_keys=True).encode())
    for name in sorted(kept.tensors):
        value = zlib.crc32(kept.tensors[name].numpy().data, value)
    return value
