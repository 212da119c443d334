"""Multiple Features (UCI; van Breukelen et al., 1998): 2 000 numerals, each in six views of the same image."""

import hashlib
import io
import shlex
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from anysense.representations.data.readers.number_table import read_numbers
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.modality import Modality

__all__ = ["MFEAT_FOLDER", "MFEAT_MODALITIES", "MFEAT_SHA256", "load_mfeat", "mfeat_digest", "read_mfeat", "read_view"]

MFEAT_FOLDER = Path("data/mfeat")
"""Where the files are if no other folder is named."""
ROWS, CLASSES = 2_000, 10
WIDTHS = {"fou": 76, "fac": 216, "kar": 64, "pix": 240, "zer": 47, "mor": 6}
MFEAT_MODALITIES = {name: Modality(name, (width,), "float32", 0.0, 1.0) for name, width in WIDTHS.items()}
"""Fourier coefficients, profile correlations, Karhunen-Loève coefficients, pixel averages, Zernike moments, morphology;
every number scaled by its smallest and largest training value."""
MFEAT_SHA256 = "942eec8ba4ac61ad9cbd29d0de4f9dd0d59ce5c9d6ca1845f036cd0ec4d84671"
"""Of all numbers of the published files, to five digits; see `mfeat_digest`."""
VALIDATION = 0.1
MOST_BYTES = 16 << 20


def load_mfeat(folder: str | Path = MFEAT_FOLDER, train: int = 1_500, test: int = 500, seed: int = 0) -> Splits:
    """Numerals to train on, a tenth of them for validation, and to test on; of every digit equally many in each part.

    Values are in [0, 1]: scaled by the smallest and largest of the numerals to train on, test values clipped.

    Args:
        folder: Folder of the files.
        train: Numerals to train on, validation included; a multiple of 10.
        test: Numerals to test on; a multiple of 10.
        seed: Decides which numeral belongs to which part.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or there are not as many numerals.
    """
    views, labels = read_mfeat(folder)
    if train % CLASSES or test % CLASSES or train + test > ROWS or min(train, test) < CLASSES:
        raise ValueError(
            f"`train` and `test` must be multiples of {CLASSES} with a sum of at most {ROWS}; got {train}, {test}."
        )
    rng = np.random.default_rng([seed, 0x3FEA7])
    validation = max(1, round(VALIDATION * train / CLASSES)) * CLASSES
    sizes = {"train": train - validation, "validation": validation, "test": test}
    order = np.stack([rng.permutation(np.flatnonzero(labels == label)) for label in range(CLASSES)])
    rows, start = {}, 0
    for part, size in sizes.items():
        stop = start + size // CLASSES
        rows[part], start = rng.permutation(order[:, start:stop].ravel()), stop
    scaled = {name: _scaled(view, rows["train"]) for name, view in views.items()}
    parts = (
        Samples(
            MFEAT_MODALITIES,
            {name: torch.from_numpy(view[own]) for name, view in scaled.items()},
            torch.from_numpy(labels[own]),
            details={"source": "mfeat", "part": part, "seed": seed},
        )
        for part, own in rows.items()
    )
    return Splits(*parts)


def read_mfeat(folder: str | Path) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """The six views (2 000, width) as they are in the files, and the digit of each row.

    Each view is one file: UCI's ``mfeat-fou`` (numbers apart by spaces, 200 rows of each digit from 0 on), or
    ``mfeat-fou.csv`` (numbers apart by commas, a header, the digit last).

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: One has other rows or columns, or something that is no finite number.
    """
    views = {name: _view(Path(folder), name) for name in WIDTHS}
    return views, np.repeat(np.arange(CLASSES), ROWS // CLASSES)


def mfeat_digest(views: dict[str, NDArray[np.float64]]) -> str:
    """SHA-256 of all numbers, written with five significant digits, the same for both forms of the files."""
    digest = hashlib.sha256()
    for name in WIDTHS:
        text = io.BytesIO()
        np.savetxt(text, views[name] + 0.0, fmt="%.5g")
        digest.update(text.getvalue())
    return digest.hexdigest()


def read_view(path: Path, name: str, commas: bool, advice: str) -> NDArray[np.float64]:
    """The numbers (2 000, width) of one view from its file, which has one of the two forms of `read_mfeat`.

    Raises:
        ValueError: It holds something else; the message ends with the advice.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"`{path}` must be at most {MOST_BYTES:,} bytes; got {path.stat().st_size:,}. {advice}")
    columns, digits = WIDTHS[name] + int(commas), np.repeat(np.arange(CLASSES), ROWS // CLASSES)
    expected = f"`{path}` must hold {ROWS} rows of {columns} finite numbers"
    try:
        table: NDArray[np.float64] = read_numbers(path, np.float64, "," if commas else None, int(commas))
    except ValueError as error:
        raise ValueError(f"{expected}: {error}. {advice}") from error
    if table.shape != (ROWS, columns):
        raise ValueError(f"{expected}; got {table.shape[0]} of {table.shape[1]}. {advice}")
    if not np.isfinite(table).all():
        raise ValueError(f"{expected}; row {np.argwhere(~np.isfinite(table))[0, 0] + 1} has another one. {advice}")
    if commas and not np.array_equal(table[:, -1], digits):
        raise ValueError(f"`{path}` must hold 200 rows of each digit in order, the digit in the last column. {advice}")
    return table[:, : WIDTHS[name]]


def _view(folder: Path, name: str) -> NDArray[np.float64]:
    place = "" if folder == MFEAT_FOLDER else f" --folder {shlex.quote(str(folder))}"
    path = next((it for it in (folder / f"mfeat-{name}", folder / f"mfeat-{name}.csv") if it.is_file()), None)
    if path is None:
        command = f"`anysense data mfeat{place}`"
        raise FileNotFoundError(f"`{folder / f'mfeat-{name}'}` does not exist. {command} fetches the published files.")
    advice = f"Remove it; `anysense data mfeat{place}` fetches the published file."
    return read_view(path, name, bool(path.suffix), advice)


def _scaled(view: NDArray[np.float64], train: NDArray[np.int64]) -> NDArray[np.float32]:
    low, high = view[train].min(axis=0), view[train].max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    scaled: NDArray[np.float64] = np.clip((view - low) / span, 0.0, 1.0)
    return scaled.astype(np.float32)
