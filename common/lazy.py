"""Names and tables that are imported from their modules when they are first used."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

__all__ = ["LazyMapping", "from_modules"]

Value = TypeVar("Value")


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


class LazyMapping(Mapping[str, Value]):
    """A mapping of a module that is imported when something is read from it.

    Args:
        find: Imports it.
    """

    def __init__(self, find: Callable[[], Mapping[str, Value]]) -> None:
        self._find = find

    @cached_property
    def _found(self) -> Mapping[str, Value]:
        return self._find()

    def __getitem__(self, name: str) -> Value:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
