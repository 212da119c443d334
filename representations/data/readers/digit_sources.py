"""Files of real digits: MNIST images, recordings of the Free Spoken Digit Dataset, pen strokes of UCI's pen-based set.

Readers of plain numbers; every claim of a file is compared with its size before anything is allocated.
"""

import gzip
import re
import shlex
import wave
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysense.common.errors import reading
from anysense.representations.data.readers.number_table import read_numbers

__all__ = [
    "DIGITS_FOLDER",
    "PEN_FILES",
    "RATE",
    "Labelled",
    "Recordings",
    "read_images",
    "read_pen_digits",
    "read_recordings",
]

DIGITS_FOLDER = Path("data/digits")
"""Where the files are if no other folder is named."""
CLASSES = 10
RATE = 8_000
"""Hz, of the recordings."""
SHORTEST = RATE // 32
"""Samples of one frame of the spectrogram, which a recording must have at least."""
PEN_FILES = {"train": "pendigits.tra", "test": "pendigits.tes"}
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
MOST_BYTES = 64 << 20
"""No file of these is larger, unpacked."""
MOST_RECORDINGS = 100_000
ADVICE = "`anysense data digits` fetches the published files."


class Labelled(NamedTuple):
    """What was read, one entry per label."""

    values: NDArray[np.generic]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Recordings:
    """Spoken digits.

    Attributes:
        waves: Waveforms, float32 in [-1, 1], each of its own length.
        labels: Digit spoken, int64 (N,).
        speakers: Name of each speaker.
        takes: Number of the take of this speaker and digit, int64 (N,).
    """

    waves: list[NDArray[np.float32]]
    labels: NDArray[np.int64]
    speakers: list[str]
    takes: NDArray[np.int64]


def read_images(folder: Path) -> Labelled:
    """MNIST's images uint8 (N, 28, 28) from the idx files in `folder`, gzipped or not.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: One is damaged, or the two do not belong together.
    """
    images = _idx(folder, IMAGES, 3)
    labels = _idx(folder, LABELS, 1).astype(np.int64)
    if images.shape[1:] != (28, 28):
        raise ValueError(f"`{folder / IMAGES}` must hold images of 28x28; got {images.shape[1:]}. {ADVICE}")
    if len(images) != len(labels) or labels.max(initial=0) >= CLASSES:
        raise ValueError(
            f"`{folder / LABELS}` must hold a label from 0 to 9 for each of the {len(images)} images; "
            f"got {len(labels)} labels up to {labels.max(initial=0)}. {ADVICE}"
        )
    return Labelled(images, labels)


def read_recordings(folder: Path) -> Recordings:
    """Recordings ``{digit}_{speaker}_{take}.wav`` in ``folder/recordings``, in the order of their names.

    Raises:
        FileNotFoundError: There are none.
        ValueError: One is no WAV file of 16 bits, mono, 8 kHz; cut off; silent; shorter than a frame (250 samples).
    """
    place = folder / "recordings"
    named = [
        (path, re.fullmatch(r"([0-9])_([a-z]+)_([0-9]{1,6})\.wav", path.name)) for path in sorted(place.glob("*.wav"))
    ]
    known = [(path, match) for path, match in named if match]
    if not known:
        raise _missing(folder, f"`{place}` must hold recordings such as 7_theo_3.wav; found none.")
    if len(known) > MOST_RECORDINGS:
        raise ValueError(f"`{place}` must hold at most {MOST_RECORDINGS:,} recordings; got {len(known):,}.")
    return Recordings(
        waves=[_wave(path) for path, _ in known],
        labels=np.array([int(match[1]) for _, match in known]),
        speakers=[match[2] for _, match in known],
        takes=np.array([int(match[3]) for _, match in known]),
    )


def read_pen_digits(folder: Path, part: str) -> Labelled:
    """Strokes float32 (N, 8, 2), points (x, y) in [0, 1] along the pen's way, of ``train`` or ``test`` writers.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It is damaged, or holds a stroke that never moves.
    """
    path = folder / PEN_FILES[part]
    table = _table(path, 17)
    points, labels = table[:, :16].reshape(-1, 8, 2), table[:, 16]
    if points.min() < 0 or points.max() > 100:
        raise ValueError(
            f"`{path}` must hold coordinates from 0 to 100; got {points.min()} to {points.max()}. {ADVICE}"
        )
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise ValueError(f"`{path}` must end each line with a digit; got {labels.min()} to {labels.max()}. {ADVICE}")
    still = np.flatnonzero((points == points[:, :1]).all(axis=(1, 2)))
    if len(still):
        raise ValueError(f"`{path}`, line {still[0] + 1}: the stroke is a single point; remove it.")
    return Labelled((points / 100).astype(np.float32), labels)


def _missing(folder: Path, what: str) -> FileNotFoundError:
    """What to type where the files are not there yet."""
    place = "" if folder == DIGITS_FOLDER else f" --folder {shlex.quote(str(folder))}"
    return FileNotFoundError(
        f"{what} `anysense data digits{place}` fetches the published files; the data set mhd-offline needs no download."
    )


def _idx(folder: Path, name: str, axes: int) -> NDArray[np.uint8]:
    """The unsigned bytes of an idx file."""
    path = next((it for it in (folder / f"{name}.gz", folder / name) if it.is_file()), None)
    if path is None:
        raise _missing(folder, f"`{folder / name}.gz` does not exist.")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"`{path}` is damaged: {error}. {ADVICE}") from error
    start = 4 + 4 * axes
    shape = np.frombuffer(content[4:start], ">u4").tolist()
    fits = content[:4] == bytes((0, 0, 8, axes)) and len(shape) == axes
    if not fits or len(content) > MOST_BYTES or len(content) - start != int(np.prod(shape, dtype=object)):
        raise ValueError(f"`{path}` must be an idx file of bytes with {axes} axes; it is damaged. {ADVICE}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _wave(path: Path) -> NDArray[np.float32]:
    if path.stat().st_size > 1 << 20:
        raise ValueError(f"`{path}` must be at most 1 MB, a minute; got {path.stat().st_size:,} bytes.")
    with reading(path, ADVICE, "is no WAV file, or is damaged"), wave.open(str(path), "rb") as file:
        form, announced = (file.getframerate(), file.getnchannels(), file.getsampwidth()), file.getnframes()
        content = file.readframes(announced)
    if form != (RATE, 1, 2):
        found = f"{form[0]} Hz, {form[1]} channels, {8 * form[2]} bits"
        raise ValueError(f"`{path}` must have {RATE} Hz, 1 channel, 16 bits; got {found}. Convert it first.")
    if len(content) < 2 * announced:
        raise ValueError(f"`{path}` is cut off: it holds {len(content) // 2} of {announced} samples. {ADVICE}")
    numbers = np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)
    if len(numbers) < SHORTEST:
        raise ValueError(f"`{path}` must last at least a frame, {SHORTEST} samples; got {len(numbers)}. Remove it.")
    if not numbers.any():
        raise ValueError(f"`{path}` is silent. Remove it.")
    return numbers


def _table(path: Path, columns: int) -> NDArray[np.int64]:
    """Whole numbers, separated by commas, a row per line."""
    if not path.is_file():
        raise _missing(path.parent, f"`{path}` does not exist.")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"`{path}` must be at most {MOST_BYTES:,} bytes; got {path.stat().st_size:,}.")
    try:
        table = read_numbers(path, np.int64, ",")
    except ValueError as error:
        raise ValueError(f"`{path}` must hold {columns} whole numbers per line: {error}. {ADVICE}") from error
    if table.shape[1] != columns:
        raise ValueError(f"`{path}` must hold {columns} whole numbers per line; got {table.shape[1]}. {ADVICE}")
    return table
