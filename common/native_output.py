"""What libraries in C print on stderr by themselves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_libraries"]


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Discard what is written to the file descriptor of stderr meanwhile, by the whole process."""
    try:
        kept = os.dup(2)
    except OSError:  # There is no stderr.
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
