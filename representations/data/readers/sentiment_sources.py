"""The files in which CMU-MOSEI and CMU-MOSI are passed around (pickles and ``.dt`` caches), read and checked."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysense.representations.data.readers.torch_file import read_torch
from anysense.representations.data.readers.unpickle import read_pickle
from anysense.representations.modality import Modality

__all__ = ["PARTS", "check_labels", "find_source", "neutral_name", "obtainable", "read_source"]

PARTS: Mapping[str, str] = {"train": "train", "validation": "valid", "test": "test"}
"""Our names of the splits, and theirs."""

_TITLES = {"mosei": "CMU-MOSEI", "mosi": "CMU-MOSI"}
_PICKLES = {"mosei": ("mosei_data.pkl", "mosei_senti_data.pkl"), "mosi": ("mosi_data.pkl",)}
_LABELS = "labels"
_LIMIT, _TOLERANCE = 3.0, 1e-4


def neutral_name(name: str) -> str:
    """Name of our own file."""
    return f"{name}.safetensors"


def obtainable(name: str) -> str:
    """Where a data set can be obtained, in a few sentences."""
    return (
        f"{_TITLES[name]} has no fixed address to download from. Processed features are in shared folders that need a "
        "browser: the one linked from the README of github.com/yaohungt/Multimodal-Transformer "
        f"(`{_PICKLES[name][-1]}`, the aligned features), and the one of github.com/pliang279/MultiBench. Put the file "
        f"into the folder, or pass the address of the file itself: `anysense data {name} --url ADDRESS`. "
        "`mosei-offline` is a synthetic stand-in that needs no file."
    )


def find_source(name: str, folder: Path) -> list[Path]:
    """The processed pickle of a data set in ``folder``, or else its three caches in the order of `PARTS`.

    Raises:
        FileNotFoundError: Neither is there, or not all caches; the message says what is expected and where to get it.
    """
    for candidate in _PICKLES[name]:
        if (folder / candidate).is_file():
            return [folder / candidate]
    caches = [folder / f"{name}_{split}_a.dt" for split in PARTS.values()]
    missing = [path.name for path in caches if not path.is_file()]
    if not missing:
        return caches
    if len(missing) < len(caches):
        there = [path.name for path in caches if path.is_file()]
        raise FileNotFoundError(f"`{folder}` has {there} but lacks {missing}; all three splits are needed. Add them.")
    unaligned = [path.name for path in folder.glob(f"{name}*noalign*")] if folder.is_dir() else []
    note = f" (The unaligned {unaligned} cannot be used: their modalities have other lengths.)" if unaligned else ""
    names = ", ".join(f"`{known}`" for known in (neutral_name(name), *_PICKLES[name]))
    raise FileNotFoundError(
        f"`{folder}` has no file of {_TITLES[name]}: expected {names}, or all of "
        f"{', '.join(f'`{path.name}`' for path in caches)}.{note} {obtainable(name)}"
    )


def read_source(files: Sequence[Path], modalities: Mapping[str, Modality]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """All splits of what `find_source` found, checked: float32 tensors by ``split.modality`` and ``split.labels``.

    The second result says how many values of audio were -infinity, by split; they are 0 now.

    Raises:
        ValueError: A file is damaged, hostile or of another edition; the message says what was expected and came.
    """
    tensors, zeroed = {}, {}
    for part, label, arrays in _splits(files):
        _check_keys(label, arrays, (*modalities, _LABELS))
        labels = _labels(f"`labels` of {label}", arrays.pop(_LABELS))
        for key, modality in modalities.items():
            where = f"`{key}` of {label}"
            values = _features(where, arrays.pop(key), modality, len(labels))
            if key == "audio":
                infinite = np.isneginf(values)
                zeroed[part] = int(infinite.sum())
                values[infinite] = 0.0  # as published
            _check_finite(where, values, "only -infinity in `audio` is known to occur, and is set to 0")
            tensors[f"{part}.{key}"] = torch.from_numpy(values)
        tensors[f"{part}.{_LABELS}"] = torch.from_numpy(labels)
    return tensors, zeroed


def _splits(files: Sequence[Path]) -> Iterator[tuple[str, str, Any]]:
    """Our name, name in messages and arrays of one split after the other; they are let go of before the next."""
    content = read_pickle(files[0]) if len(files) == 1 else None
    if content is not None:
        _check_keys(f"`{files[0]}`", content, PARTS.values())
    for number, (part, name) in enumerate(PARTS.items()):
        path = files[0 if content is not None else number]
        yield part, f"`{path.name}`, split `{name}`", read_torch(path) if content is None else content.pop(name)


def check_labels(where: str, labels: NDArray[Any]) -> None:
    """Raises ValueError unless all labels lie in [-3, 3]."""
    _check_finite(where, labels, "a label is a number in [-3, 3]")
    beyond = np.abs(labels) > _LIMIT + _TOLERANCE
    if beyond.any():
        raise ValueError(
            f"{where} must lie in [-3, 3]; got {int(beyond.sum())} labels from {labels.min():g} to {labels.max():g}. "
            "Get the edition with sentiment labels on that scale."
        )


def _check_keys(where: str, content: Any, wanted: Collection[str]) -> None:
    missing = [key for key in wanted if not isinstance(content, dict) or key not in content]
    if missing:
        has = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        more = " and more" if len(has) > 20 and isinstance(has, list) else ""
        raise ValueError(
            f"{where} must have {list(wanted)}; it lacks {missing} (it has {has[:20]}{more}). Get the processed file."
        )


def _numbers(where: str, array: Any) -> NDArray[np.float32]:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        came = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{where} must be an array of numbers; got {came}.")
    with np.errstate(over="ignore"):
        return array.astype(np.float32, order="C")


def _features(where: str, array: Any, modality: Modality, count: int) -> NDArray[np.float32]:
    shape = getattr(array, "shape", None)
    if isinstance(array, np.ndarray) and shape != (count, *modality.shape):
        sizes = ", ".join(map(str, modality.shape))
        raise ValueError(
            f"{where} must have shape ({count}, {sizes}), one entry per label; got {shape}. Other features (such as "
            "BERT), the unaligned edition and other lengths cannot be used; get the aligned edition of 50 steps."
        )
    return _numbers(where, array)


def _labels(where: str, array: Any) -> NDArray[np.float32]:
    labels = _numbers(where, array)
    if not labels.size or labels.ndim == 0 or labels.size != len(labels):
        raise ValueError(
            f"{where} must have shape (N, 1, 1), one sentiment per sample and at least one sample; got {labels.shape}."
        )
    labels = labels.reshape(-1)
    check_labels(where, labels)
    return labels.clip(-_LIMIT, _LIMIT)


def _check_finite(where: str, values: NDArray[Any], known: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        kinds, counts = np.unique(values[bad], return_counts=True)
        came = ", ".join(f"{count} x {kind}" for kind, count in zip(kinds, counts, strict=True))
        rows = np.flatnonzero(bad.reshape(len(values), -1).any(axis=1))
        raise ValueError(
            f"{where} must be finite ({known}); got {came} in {len(rows)} samples, the first at {rows[:5].tolist()}. "
            "Get the file again, or correct it."
        )
