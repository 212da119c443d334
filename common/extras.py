"""Packages that only one command needs, extras of the installation, and packages that are compiled where they run."""

import importlib
from typing import Any

from anysense.common.cache import cache_folder

__all__ = ["MissingExtraError", "import_compiled", "import_extra"]


class MissingExtraError(ModuleNotFoundError):
    """A package that comes with an extra of anysense is not installed; the message says how to install it."""


def import_compiled(*modules: str) -> Any:
    """The first of modules that numba compiles; where it finds no folder to keep the code, it gets one in our cache."""
    try:
        first, *_ = map(importlib.import_module, modules)
    except RuntimeError:
        config: Any = importlib.import_module("numba.core.config")
        config.CACHE_DIR = str(cache_folder() / "numba")
        first, *_ = map(importlib.import_module, modules)
    return first


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """The module, which comes with an extra of anysense.

    Args:
        module: Name of the module.
        extra: Name of the extra.
        purpose: What needs it, for the message.

    Raises:
        MissingExtraError: It is not installed; the message says how to install it.
    """
    try:
        return import_compiled(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise MissingExtraError(
            f"{purpose} needs {module}, which is not installed: pip install 'anysense[{extra}]'", name=module
        ) from error
