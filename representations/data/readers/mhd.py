"""Multimodal Handwritten Digits (MHD): image, sound, pen trajectory and label, read from the published files.

The data set is that of Nexus (Vasco et al., 2022) and of the classification experiments of GMC (Poklukar et al., 2022).
A file holds six fields: labels, images, trajectories, sounds and the ranges with which the last two were scaled.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from anysense.representations.data.readers.spectrogram import FRAMES, MEL_BANDS, SAMPLE_RATE, decibels_to_waveforms
from anysense.representations.data.readers.torch_file import read_torch
from anysense.representations.data.recorded import Indices
from anysense.representations.data.samples import Samples
from anysense.representations.modality import Modality

__all__ = ["MHD_FILES", "MHD_FOLDER", "MHD_MODALITIES", "check_mhd_file", "load_mhd", "waveforms"]

MHD_MODALITIES: dict[str, Modality] = {
    "image": Modality("image", (1, 28, 28), "float32", 0.0, 1.0),
    "sound": Modality("sound", (1, FRAMES, MEL_BANDS), "float32", 0.0, 1.0),
    "trajectory": Modality("trajectory", (200,), "float32", 0.0, 1.0),
    "label": Modality("label", (10,), "float32", 0.0, 1.0),
}
"""Ink; mel spectrogram (channel, time, band), min-max scaled dB; 100 x then 100 y, min-max scaled; one-hot class."""

MHD_FOLDER = Path("data/mhd")
"""Where the published files are if no other folder is named."""

MHD_FILES = {"train": "mhd_train.pt", "test": "mhd_test.pt"}
CLASSES = 10

_FIELDS = ("label", "image", "trajectory", "sound", "trajectory normalisation", "sound normalisation")
_SLACK = 0.25
"""How far scaled values may lie outside [0, 1]: a test file may be scaled with the range of the training file."""


def load_mhd(folder: str | Path = MHD_FOLDER) -> tuple[Samples, Samples]:
    """Training and test samples from ``mhd_train.pt`` and ``mhd_test.pt``. Nothing in the files is executed.

    Targets are int64 (N,). `details` has the ranges with which sounds (dB) and trajectories were scaled:
    original = value * (max - min) + min.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or a field has another shape or other values than the published format.
        TypeError: A field has another type.
    """
    train, test = (_read_samples(Path(folder) / name, part) for part, name in MHD_FILES.items())
    return train, test


def check_mhd_file(path: Path) -> int:
    """Read one published file and drop it again; returns its number of samples. Raises what `load_mhd` raises."""
    return len(_read_samples(path, "check"))


def waveforms(samples: Samples, indices: Indices, seed: int = 0) -> Tensor:
    """Waveforms of the sounds of chosen samples, rebuilt: one second each, float32 (B, rate), -1 to 1.

    The rate in Hz is details['rate'] of the samples, 16 kHz if they do not say so.

    A ValueError if the samples do not say how their sounds were scaled.
    """
    scale = samples.details.get("normalisation", {}).get("sound")
    if scale is None:
        raise ValueError("`samples` must have details['normalisation']['sound'], as `load_mhd` makes them; got none.")
    sound = samples.observation(indices, ["sound"])["sound"][:, 0]
    levels = sound * (scale["max"] - scale["min"]) + scale["min"]
    return decibels_to_waveforms(levels, seed=seed, rate=samples.details.get("rate", SAMPLE_RATE))


def _read_samples(path: Path, part: str) -> Samples:
    label, image, trajectory, sound, *scales = _read_fields(path)
    try:
        fields = {"image": image, "trajectory": trajectory, "sound": sound}
        values = {name: _tensor(value, name, "float32") for name, value in fields.items()}
        targets = _tensor(label, "label", "int64")
        if targets.ndim != 1 or len(targets) == 0 or not 0 <= int(targets.min()) <= int(targets.max()) < CLASSES:
            found = sorted(set(targets.flatten().tolist()))[:20]
            raise ValueError(
                f"label must have shape (N,) with N >= 1 and lie in 0 to {CLASSES - 1}; got shape "
                f"{tuple(targets.shape)} and {found}."
            )
        shape, count = tuple(values["sound"].shape), len(targets)
        for name, value in values.items():
            if len(value) != count:
                raise ValueError(f"{name} must have as many rows as labels, {count}; got shape {tuple(value.shape)}.")
        if len(shape) != 4 or shape[1] * shape[2] != MEL_BANDS or shape[3] != FRAMES:
            raise ValueError(f"sound must have shape ({count}, K, A, {FRAMES}) with K * A = {MEL_BANDS}; got {shape}.")
        values["sound"] = values["sound"].reshape(count, 1, MEL_BANDS, FRAMES).transpose(2, 3).contiguous()
        values["label"] = one_hot(targets, CLASSES).float()
        names = ("trajectory", "sound")
        normalisation = {name: _scale(scale, name) for name, scale in zip(names, scales, strict=True)}
        details = {"source": "mhd", "part": part, "normalisation": normalisation}
        samples = Samples(MHD_MODALITIES, values, targets, details=details)
        for name, value in values.items():
            low, high, slack = float(value.min()), float(value.max()), 0.0 if name == "image" else _SLACK
            if low < -slack or high > 1 + slack:
                raise ValueError(f"{name} must be scaled to 0 to 1; got {low:.4g} to {high:.4g}.")
        return samples
    except (TypeError, ValueError) as error:
        raise type(error)(f"`{path}` is not in the published format: {error} Download the file again.") from error


def _read_fields(path: Path) -> tuple[Any, ...]:
    if not path.is_file():
        raise FileNotFoundError(
            f"`{path}` does not exist; expected the published file {path.name}. `anysense data mhd` downloads it, "
            "`--folder` names another place; the data set mhd-offline needs no download."
        )
    content = read_torch(path, "Remove it and run `anysense data mhd`.")
    if not isinstance(content, (tuple, list)) or len(content) != len(_FIELDS):
        found = f"{len(content)} fields" if isinstance(content, (tuple, list)) else type(content).__name__
        raise ValueError(f"`{path}` must hold {len(_FIELDS)} fields ({', '.join(_FIELDS)}); got {found}.")
    return tuple(content)


def _scale(value: Any, name: str) -> dict[str, float]:
    """Smallest and largest value before scaling, as plain numbers."""
    if not isinstance(value, Mapping) or not {"min", "max"} <= value.keys():
        found = sorted(map(str, value))[:20] if isinstance(value, Mapping) else type(value).__name__
        raise ValueError(f"{name} normalisation must be a dictionary with `min` and `max`; got {found}.")
    bounds = {}
    for bound in ("min", "max"):
        entry = value[bound]
        number = entry.item() if isinstance(entry, np.ndarray) and entry.size == 1 else entry
        if not isinstance(number, int | float) or (isinstance(number, int) and number.bit_length() > 64):
            raise TypeError(f"{name} normalisation, `{bound}`, must be a number; got {type(entry).__name__}.")
        bounds[bound] = float(number)
    if not (math.isfinite(bounds["min"]) and math.isfinite(bounds["max"]) and bounds["min"] < bounds["max"]):
        raise ValueError(f"{name} normalisation must be finite with min < max; got {bounds}.")
    return bounds


def _tensor(value: Any, name: str, dtype: str) -> Tensor:
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{name} must be a tensor of {dtype}; got {found}.")
    return torch.from_numpy(np.require(value, requirements="W"))
