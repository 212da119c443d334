"""Packages that only one command needs: extras of the installation."""

import importlib
from typing import Any

__all__ = ["import_extra"]


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """The module, which comes with an extra of anysense.

    Args:
        module: Name of the module.
        extra: Name of the extra.
        purpose: What needs it, for the message.

    Raises:
        ModuleNotFoundError: It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ModuleNotFoundError(
            f"{purpose} needs {module}, which is not installed: pip install 'anysense[{extra}]'", name=module
        ) from error
