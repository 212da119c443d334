"""Digits seen, heard and written: real images, recordings and pen strokes, matched by digit, in the shapes of MHD.

Images are MNIST's test set, sounds the Free Spoken Digit Dataset, trajectories UCI's pen-based digits. Nobody wrote,
said and drew one of these digits at once, as in MHD: what belongs together has the digit in common and nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from anysense.common.machine import usual_torch
from anysense.representations.data.readers.digit_sources import (
    CLASSES,
    DIGITS_FOLDER,
    RATE,
    read_images,
    read_pen_digits,
    read_recordings,
)
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from anysense.representations.data.readers.spectrogram import mel_decibels
from anysense.representations.data.samples import Samples, Splits

__all__ = ["DIGITS_FOLDER", "TEST_SPEAKERS", "HeldOut", "load_digits", "resampled", "spoken_levels"]

HeldOut = Literal["takes", "speakers"]
"""What of the recordings is kept for the test: takes 0 to 4 of every speaker and digit, the data set's own split, or
two speakers."""
TEST_SPEAKERS = ("theo", "yweweler")
TEST_TAKES = 5
TEST_IMAGES, VALIDATION = 0.2, 0.1
RANGE = 80.0
"""dB below the loudest band of a recording that still count."""
PARTS = ("train", "validation", "test")
POINTS = 100


@dataclass(frozen=True, eq=False)
class _Source:
    """All of one modality, and which rows each part may use."""

    values: Tensor
    labels: NDArray[np.int64]
    rows: dict[str, NDArray[np.int64]]


@usual_torch()
def load_digits(
    folder: str | Path = DIGITS_FOLDER,
    train: int = 8_000,
    test: int = 2_000,
    seed: int = 0,
    held_out: HeldOut = "takes",
) -> Splits:
    """Read the files, split each kind, and match them by digit.

    The parts share no image, no recording and no pen stroke. Images: a fifth of each digit for the test, from the seed.
    Recordings: see `HeldOut`. Pen strokes: other writers in the test. A tenth of what is left for training, of each
    kind and digit, is for validation, and so is a tenth of the ``train`` samples. In each part every digit is equally
    frequent, and of each kind all entries of a digit are used once before one is used again.

    Args:
        folder: Folder of the files.
        train: Samples to train on, validation included.
        test: Samples to test on.
        seed: Decides the split of the images and what is matched with what.
        held_out: What of the recordings is kept for the test.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or a part has no image, recording or stroke of some digit.
    """
    folder, rng = Path(folder), np.random.default_rng([seed, 0xD161])
    sources = {
        "image": _images(folder, rng),
        "sound": _sounds(folder, held_out, rng),
        "trajectory": _strokes(folder, rng),
    }
    for name, source in sources.items():
        _check_classes(name, source)
    validation = round(VALIDATION * train)
    sizes = dict(zip(PARTS, (train - validation, validation, test), strict=True))
    details = {
        "source": "digits",
        "seed": seed,
        "held_out": held_out,
        "normalisation": {"sound": {"min": -RANGE, "max": 0.0}},
    }
    parts = (_match(sources, part, sizes[part], rng, {**details, "part": part, "rate": RATE}) for part in PARTS)
    return Splits(*parts)


def spoken_levels(waves: Sequence[NDArray[np.float32]]) -> Tensor:
    """Log-mel spectrograms in [0, 1] of recordings at 8 kHz: float32 (N, 1, 32 frames, 128 bands up to 4 kHz).

    A recording is brought to one second: a shorter one lies in the middle of silence, of a longer one the loudest
    second is taken. 0 is 80 dB below the loudest band of the same recording, 1 is that band, so loudness of a speaker
    or of a microphone does not count.
    """
    seconds = torch.from_numpy(np.stack([_one_second(wave) for wave in waves]))
    levels = mel_decibels(seconds, RATE)
    return (1 + (levels - levels.amax(dim=(1, 2), keepdim=True)) / RANGE).clamp_(min=0)[:, None]


def resampled(points: NDArray[np.float32], count: int = POINTS) -> Tensor:
    """Strokes (N, P, 2) as float32 (N, 2 * count): the x, then the y of points at equal distances along the way."""
    steps = np.linalg.norm(np.diff(points.astype(np.float64), axis=1), axis=2)
    ways = np.concatenate([np.zeros((len(points), 1)), np.cumsum(steps, axis=1)], axis=1)
    rows = [
        [np.interp(np.linspace(0, way[-1], count), way, stroke[:, axis]) for axis in (0, 1)]
        for way, stroke in zip(ways, points, strict=True)
    ]
    return torch.tensor(np.array(rows).reshape(len(points), 2 * count), dtype=torch.float32)


def _one_second(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(wave) <= RATE:
        before = (RATE - len(wave)) // 2
        return np.pad(wave, (before, RATE - len(wave) - before))
    energy = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    start = int(np.argmax(energy[RATE:] - energy[:-RATE]))
    return wave[start : start + RATE]


def _images(folder: Path, rng: np.random.Generator) -> _Source:
    values, labels = read_images(folder)
    pixels = torch.from_numpy(values.astype(np.float32) / 255)[:, None]
    rest, test = _divided(np.arange(len(labels)), labels, TEST_IMAGES, rng)
    return _source(pixels, labels, rest, test, rng)


def _sounds(folder: Path, held_out: HeldOut, rng: np.random.Generator) -> _Source:
    found = read_recordings(folder)
    kept = found.takes < TEST_TAKES if held_out == "takes" else np.isin(found.speakers, TEST_SPEAKERS)
    levels = spoken_levels(found.waves)
    return _source(levels, found.labels, np.flatnonzero(~kept), np.flatnonzero(kept), rng)


def _strokes(folder: Path, rng: np.random.Generator) -> _Source:
    train, test = (read_pen_digits(folder, part) for part in ("train", "test"))
    points, labels = (np.concatenate(pair) for pair in zip(train, test, strict=True))
    first = len(train.labels)
    return _source(resampled(points), labels, np.arange(first), np.arange(first, len(labels)), rng)


def _source(
    values: Tensor,
    labels: NDArray[np.int64],
    rest: NDArray[np.int64],
    test: NDArray[np.int64],
    rng: np.random.Generator,
) -> _Source:
    train, validation = _divided(rest, labels, VALIDATION, rng)
    return _Source(values, labels, dict(zip(PARTS, (train, validation, test), strict=True)))


def _divided(
    rows: NDArray[np.int64], labels: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows without a share of each digit, and that share, at least one of each digit that has two."""
    kept: list[NDArray[np.int64]] = []
    for label in range(CLASSES):
        own = rng.permutation(rows[labels[rows] == label])
        kept.append(own[: min(max(1, round(share * len(own))), len(own) - 1)] if len(own) > 1 else own[:0])
    second = np.sort(np.concatenate(kept))
    return np.setdiff1d(rows, second), second


def _check_classes(name: str, source: _Source) -> None:
    for part, rows in source.rows.items():
        empty = sorted(set(range(CLASSES)) - set(source.labels[rows].tolist()))
        if empty:
            raise ValueError(
                f"`folder` leaves no {name} of the digits {', '.join(map(str, empty))} for the part {part!r}; "
                "expected at least three of each. `anysense data digits` fetches all files."
            )


def _match(
    sources: dict[str, _Source], part: str, size: int, rng: np.random.Generator, details: dict[str, object]
) -> Samples:
    labels = rng.permutation(np.arange(size) % CLASSES)
    values = {name: source.values[_of_digits(labels, source, part, rng)] for name, source in sources.items()}
    targets = torch.from_numpy(labels)
    values["label"] = one_hot(targets, CLASSES).float()
    return Samples(MHD_MODALITIES, {name: values[name] for name in MHD_MODALITIES}, targets, details=details)


def _of_digits(labels: NDArray[np.int64], source: _Source, part: str, rng: np.random.Generator) -> Tensor:
    """A row of the source for each label: all rows of a digit in random order, then again in another one."""
    chosen, rows = np.empty(len(labels), np.int64), source.rows[part]
    for label in range(CLASSES):
        places, own = np.flatnonzero(labels == label), rows[source.labels[rows] == label]
        chosen[places] = np.concatenate(list(_rounds(own, len(places), rng)))[: len(places)] if len(places) else own[:0]
    return torch.from_numpy(chosen)


def _rounds(own: NDArray[np.int64], count: int, rng: np.random.Generator) -> Iterable[NDArray[np.int64]]:
    for _ in range(-(-count // len(own))):
        yield rng.permutation(own)
