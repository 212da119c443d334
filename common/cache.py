"""Where things are kept that are made or fetched once: one folder for all of anysense."""

import atexit
import os
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path

import platformdirs

__all__ = ["CACHE_VARIABLE", "cache_folder", "steady_caches"]

CACHE_VARIABLE = "ANYSENSE_CACHE"
_OF_LIBRARIES = {"NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "matplotlib", "XDG_CACHE_HOME": ""}


def cache_folder() -> Path:
    """The cache folder, made if needed: ``ANYSENSE_CACHE``, or ``anysense`` in the platform's cache folder.

    Where it cannot be made, a temporary folder that lasts as long as the process, with one RuntimeWarning.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen) if chosen else _usual_folder()
    if folder is None:
        return _instead("of this user", "there is no home folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _instead(f"`{folder}`", error.strerror or str(error))
    return folder


def steady_caches() -> None:
    """Give libraries cache folders that can be written, by their variables, where the usual ones cannot be.

    Numba and librosa look at them when they are first imported. Workers take over the variables, and the cache folder
    with them.
    """
    usual = _usual_folder()
    chosen = os.environ.get(CACHE_VARIABLE)
    if _writable(usual) and (not chosen or _writable(Path(chosen))):
        return
    folder = cache_folder()
    os.environ[CACHE_VARIABLE] = str(folder)
    for variable, name in _OF_LIBRARIES.items():
        os.environ.setdefault(variable, str((folder if _writable(folder) else _temporary()) / name))


def _usual_folder() -> Path | None:
    """None for a user without a home folder."""
    try:
        folder = platformdirs.user_cache_path("anysense", appauthor=False)
    except RuntimeError:
        return None
    return None if folder.parts[:1] == ("~",) else folder  # which older platformdirs leave as it is


def _writable(folder: Path | None) -> bool:
    """Whether the folder, or what it would be made in, can be written."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None) if folder else None
    return there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@cache
def _instead(folder: str, reason: str) -> Path:
    warnings.warn(
        f"The cache folder {folder} cannot be made ({reason}): a temporary folder takes its place, so the next "
        f"process makes everything anew. Set {CACHE_VARIABLE} to a folder that can be written.",
        RuntimeWarning,
        stacklevel=4,
    )
    return _temporary()


@cache
def _temporary() -> Path:
    temporary = Path(tempfile.mkdtemp(prefix="anysense-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary
