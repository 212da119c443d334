"""Tables of numbers in text files, a row per line."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_numbers"]


def read_numbers(path: Path, kind: type[Any], delimiter: str | None, header: int = 0) -> NDArray[Any]:
    """The numbers of a file (rows, columns), those of a line apart by ``delimiter`` or, if it is None, by spaces.

    Args:
        path: The file, in ASCII.
        kind: What the numbers are, ``np.int64`` or ``np.float64``.
        delimiter: What is between two of them.
        header: Lines that are passed over.

    Raises:
        ValueError: It holds something else, lines of different lengths, or nothing; the message is the reason alone.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that there is nothing to read, which is an error here
            table = np.loadtxt(
                path, kind, comments=None, delimiter=delimiter, skiprows=header, ndmin=2, encoding="ascii"
            )
    except (OverflowError, ValueError) as error:
        raise ValueError(str(error).partition("; use `usecols`")[0].removesuffix(".")) from error
    if not table.size:
        raise ValueError("it is empty")
    return table
