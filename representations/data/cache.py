"""Where things are kept that are made or fetched once: one folder for all of anysense."""

import os
import sys
from pathlib import Path

__all__ = ["CACHE_VARIABLE", "cache_folder"]

CACHE_VARIABLE = "ANYSENSE_CACHE"


def cache_folder() -> Path:
    """Return the cache folder: ``ANYSENSE_CACHE``, or ``anysense`` in the platform's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "anysense"
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    return Path(os.environ.get(variable) or Path.home() / ".cache") / "anysense"
