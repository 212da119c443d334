"""Multimodal Handwritten Digits (MHD): image, sound, pen trajectory and label, read from the published files.

The data set is that of Nexus (Vasco et al., 2022) and of the classification experiments of GMC (Poklukar et al., 2022).
A file holds six fields: labels, images, trajectories, sounds and the ranges with which the last two were scaled.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from anysense.representations.data.readers.spectrogram import FRAMES, MEL_BANDS, decibels_to_waveforms
from anysense.representations.data.readers.torch_file import read_torch
from anysense.representations.data.recorded import Indices, broken_rows
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
    """Waveforms of the sounds of chosen samples of MHD or its stand-in, rebuilt: float32 (B, 16_000), -1 to 1, 16 kHz.

    Raises:
        ValueError: The samples do not say how their sounds were scaled.
    """
    scale = samples.details.get("normalisation", {}).get("sound")
    if scale is None:
        raise ValueError("`samples` must have details['normalisation']['sound'], as `load_mhd` makes them; got none.")
    sound = samples.observation(indices, ["sound"])["sound"][:, 0]
    return decibels_to_waveforms(sound * (scale["max"] - scale["min"]) + scale["min"], seed=seed)


def _read_samples(path: Path, part: str) -> Samples:
    label, image, trajectory, sound, trajectory_scale, sound_scale = _read_fields(path)
    file = _File(path)
    label = file.label(label)
    count = len(label)
    image = file.scaled(image, "image", (count, 1, 28, 28), slack=0.0)
    trajectory = file.scaled(trajectory, "trajectory", (count, 200), _SLACK)
    sound = file.scaled(sound, "sound", file.sound_shape(sound, count), _SLACK)
    normalisation = {
        "trajectory": file.scale(trajectory_scale, "trajectory normalisation"),
        "sound": file.scale(sound_scale, "sound normalisation"),
    }
    values = {
        "image": image,
        "sound": sound.reshape(count, 1, MEL_BANDS, FRAMES).transpose(2, 3).contiguous(),
        "trajectory": trajectory,
        "label": one_hot(label, CLASSES).float(),
    }
    details = {"source": "mhd", "part": part, "normalisation": normalisation}
    return Samples(MHD_MODALITIES, values, targets=label, details=details)


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


@dataclasses.dataclass(frozen=True)
class _File:
    """Checks of the fields of one file; every error names it."""

    path: Path

    def label(self, value: Any) -> Tensor:
        """Classes, int64 (N,)."""
        label = self._tensor(value, "label", "int64")
        if label.ndim != 1 or len(label) == 0:
            raise ValueError(f"`{self.path}`: label must have shape (N,) with N >= 1; got {tuple(label.shape)}.")
        low, high = (int(bound) for bound in label.aminmax())
        if low < 0 or high >= CLASSES:
            raise ValueError(f"`{self.path}`: label must lie in 0 to {CLASSES - 1}; got {low} to {high}.")
        return label

    def sound_shape(self, value: Any, count: int) -> tuple[int, ...]:
        """The stored shape of the sounds, checked."""
        shape = tuple(self._tensor(value, "sound", "float32").shape)
        fits = len(shape) == 4 and shape[0] == count and shape[1] * shape[2] == MEL_BANDS and shape[3] == FRAMES
        if not fits:
            raise ValueError(
                f"`{self.path}`: sound must have shape ({count}, K, A, {FRAMES}) with K * A = {MEL_BANDS}, as many "
                f"rows as labels; got {shape}."
            )
        return shape

    def scaled(self, value: Any, name: str, shape: tuple[int, ...], slack: float) -> Tensor:
        """A float field with type, shape, finite numbers and range checked."""
        field = self._tensor(value, name, "float32")
        if tuple(field.shape) != shape:
            raise ValueError(
                f"`{self.path}`: {name} must have shape {shape}, as many rows as labels; got {tuple(field.shape)}."
            )
        broken = broken_rows(field)
        if broken:
            raise ValueError(
                f"`{self.path}`: {name} has NaN or infinity in {len(broken)} rows, the first at {broken[:5]}. Download "
                "the file again."
            )
        low, high = (float(bound) for bound in field.aminmax())
        if low < -slack or high > 1 + slack:
            raise ValueError(
                f"`{self.path}`: {name} must be scaled to 0 to 1; got {low:.4g} to {high:.4g}. Scale it, or download "
                "the file again."
            )
        return field

    def scale(self, value: Any, name: str) -> dict[str, float]:
        """Smallest and largest value before scaling, as plain numbers."""
        if not isinstance(value, Mapping) or not {"min", "max"} <= value.keys():
            found = sorted(map(str, value))[:20] if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(f"`{self.path}`: {name} must be a dictionary with `min` and `max`; got {found}.")
        low, high = (self._number(value[bound], f"{name}, `{bound}`,") for bound in ("min", "max"))
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"`{self.path}`: {name} must be finite with min < max; got min {low}, max {high}.")
        return {"min": low, "max": high}

    def _number(self, value: Any, name: str) -> float:
        number = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        if not isinstance(number, int | float) or (isinstance(number, int) and number.bit_length() > 64):
            raise TypeError(f"`{self.path}`: {name} must be a number; got {type(value).__name__}.")
        return float(number)

    def _tensor(self, value: Any, name: str, dtype: str) -> Tensor:
        if not isinstance(value, np.ndarray) or value.dtype != dtype:
            found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise TypeError(f"`{self.path}`: {name} must be a tensor of {dtype}; got {found}.")
        return torch.from_numpy(np.require(value, requirements="W"))
