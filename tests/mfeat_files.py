"""Files in the form of UCI's Multiple Features, with numbers that tell numeral and digit."""

from pathlib import Path

import numpy as np

from anysense.representations.data.readers.mfeat import WIDTHS

__all__ = ["DIGITS", "tables", "write_mfeat"]

DIGITS = np.repeat(np.arange(10), 200)


def tables() -> dict[str, np.ndarray]:
    """The first column of every view tells the numeral, the second its digit, the third is always the same."""
    rng = np.random.default_rng(0)
    made = {name: np.round(rng.normal(size=(2000, width)), 3) for name, width in WIDTHS.items()}
    for step, table in enumerate(made.values(), 1):
        table[:, 0], table[:, 1], table[:, 2] = step * np.arange(2000) - 100, step * DIGITS, 7.0
    return made


def write_mfeat(folder: Path) -> None:
    """All six files."""
    for name, table in tables().items():
        np.savetxt(folder / f"mfeat-{name}", table, fmt="%.3f")
