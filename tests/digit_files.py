"""Small files in the form of the published digits."""

import gzip
import struct
import wave
from pathlib import Path

import numpy as np

from anysense.representations.data.readers.digits import TEST_SPEAKERS

__all__ = ["write_digits", "write_idx", "write_wav"]

SPEAKERS = ("anna", *TEST_SPEAKERS)
PER_DIGIT = 6


def write_wav(path: Path, samples: np.ndarray, rate: int = 8000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


def write_digits(folder: Path) -> None:
    """Every image, recording and stroke is unlike all others, and tells its digit."""
    (folder / "recordings").mkdir(parents=True)
    labels = np.arange(10 * PER_DIGIT) % 10
    images = np.zeros((len(labels), 28, 28))
    images[:, 0, 0], images[:, 0, 1] = labels, np.arange(len(labels))
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", labels)
    time = np.arange(2000) / 8000
    for digit in range(10):
        for number, speaker in enumerate(SPEAKERS):
            for take in (0, 1, 5, 6, 7):
                tone = 8000 * np.sin(2 * np.pi * (300 + 300 * digit + 30 * number + 4 * take) * time)
                write_wav(folder / "recordings" / f"{digit}_{speaker}_{take}.wav", tone)
    for shift, name in enumerate(("pendigits.tra", "pendigits.tes")):
        lines = []
        for index, digit in enumerate(labels):
            points = [10 * digit, index, *([50, 50 + 20 * shift] * 6), 90, 5]
            lines.append(",".join(f"{value:3d}" for value in [*points, digit]))
        (folder / name).write_text("\n".join(lines) + "\n")
