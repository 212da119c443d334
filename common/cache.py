"""Where things are kept that are made or fetched once: one folder for all of anysense."""

import atexit
import os
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path

import platformdirs

__all__ = ["CACHE_VARIABLE", "cache_folder"]

CACHE_VARIABLE = "ANYSENSE_CACHE"


def cache_folder() -> Path:
    """The cache folder, made if needed: ``ANYSENSE_CACHE``, or ``anysense`` in the platform's cache folder.

    Where it cannot be made, a temporary folder that lasts as long as the process, with one RuntimeWarning.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen) if chosen else platformdirs.user_cache_path("anysense", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _instead(folder, error.strerror or str(error))
    return folder


@cache
def _instead(folder: Path, reason: str) -> Path:
    warnings.warn(
        f"The cache folder `{folder}` cannot be made ({reason}): a temporary folder takes its place, so the next "
        f"process makes everything anew. Set {CACHE_VARIABLE} to a folder that can be written.",
        RuntimeWarning,
        stacklevel=4,
    )
    temporary = Path(tempfile.mkdtemp(prefix="anysense-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary
