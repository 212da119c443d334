"""Packages whose names are imported from their modules when they are first used."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["from_modules"]


def from_modules(package: str, names: Sequence[str], modules: Sequence[str]) -> Callable[[str], Any]:
    """The function ``__getattr__`` of a package.

    Args:
        package: Its name.
        names: What it offers.
        modules: Where these names are defined, relative to the package; searched in this order.
    """

    def find(name: str) -> Any:
        if name in names:
            for module in modules:
                found = importlib.import_module(f"{package}.{module}")
                if name in found.__all__:
                    return getattr(found, name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
