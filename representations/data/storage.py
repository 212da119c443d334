"""The file of recorded transitions: one compressed ``.npz`` without pickled objects."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysense.common.files import replace_file

FORMAT = "anysense transitions"
FORMAT_VERSION = 1
_ABOUT = "about"


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
    header = json.dumps({"format": FORMAT, "version": FORMAT_VERSION, **about})

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **{_ABOUT: np.array(header)}, **arrays)

    replace_file(path, fill)


def read(path: Path, expected: set[str], optional: set[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read a file of :func:`write`.

    Args:
        path: File to read.
        expected: Names of all arrays that may be there.
        optional: Those of them that may be missing.

    Returns:
        The arrays, and the description without format and version.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, of another version, or not a file of transitions.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"`{path}` does not exist or is not a file; collect the data first or correct the path."
        )
    arrays = _arrays(path)
    if _ABOUT not in arrays:
        raise ValueError(f"`{path}` is not a file of recorded transitions.")
    about = _description(path, str(arrays.pop(_ABOUT)))
    if arrays.keys() - expected or (expected - optional) - arrays.keys():
        raise ValueError(
            f"`{path}` must hold the arrays {sorted(expected - optional)} and any of {sorted(optional)}, "
            f"it holds {sorted(arrays)}. Collect the data again."
        )
    return arrays, about


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"`{path}` is damaged or not a file of recorded transitions. Collect the data again.")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # One altered byte can raise a dozen unrelated types here.
        raise ValueError(
            f"`{path}` is damaged ({error}): cut off or altered after it was written. Collect the data again."
        ) from error


def _description(path: Path, text: str) -> dict[str, Any]:
    try:
        about = dict(json.loads(text))
    except (TypeError, ValueError) as error:
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
