"""One kind of registry for everything that can be added by name: methods, networks, worlds, benchmarks, ..."""

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from anysense.common.errors import unknown_name

__all__ = ["Registry"]

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries by name: built in, from other installed packages (entry points), or registered by a program.

    An entry is imported when it is first asked for, so listing names stays quick. What another package offers is found
    in every process of an installation; what a program registers is known in that process alone.

    Args:
        kind: What the entries are, as it stands in messages: ``method``, ``env``, ...
        group: Group of entry points, for example ``anysense.methods``.
        built_in: ``module:attribute`` by name.
        check: Raises TypeError or ValueError for an object that is no valid entry.
    """

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, str], check: Callable[[Any], None] | None = None
    ) -> None:
        self.kind = kind
        self.group = group
        self._built_in = dict(built_in)
        self._check = check
        self._registered: dict[str, Entry] = {}
        self._loaded: dict[str, Entry] = {}

    def names(self) -> tuple[str, ...]:
        """All names: built in first, then those of other packages in the order of the alphabet, then registered."""
        return tuple(dict.fromkeys([*self._built_in, *sorted(self._offered()), *self._registered]))

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._registered or name in self._offered()

    def register(self, name: str, entry: Entry) -> None:
        """Make ``entry`` known under ``name`` in this process; a name registered before is replaced.

        Raises:
            ValueError: The name belongs to a built-in entry or to one of another package, or the entry is not valid.
            TypeError: The entry is of the wrong type.
        """
        if name in self._built_in or name in self._offered():
            owner = "a built-in" if name in self._built_in else "another package's"
            raise ValueError(f"`name` {name!r} is taken by {owner} {self.kind}; choose another name.")
        if self._check is not None:
            self._check(entry)
        self._registered[name] = entry

    def get(self, name: str, argument: str | None = None) -> Entry:
        """The entry called ``name``.

        Args:
            name: A name of `names`.
            argument: What the message calls it; the kind by default.

        Raises:
            ValueError: Unknown name, a name that two packages offer, or an entry that is not valid.
            ImportError: The package that offers it cannot be imported; the message says which and why.
        """
        if not isinstance(name, str):
            raise ValueError(unknown_name(argument or self.kind, name, self.names()))
        if name in self._registered:
            return self._registered[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(name, argument or self.kind)
        return self._loaded[name]

    def _load(self, name: str, argument: str) -> Entry:
        if name in self._built_in:
            module, attribute = self._built_in[name].split(":")
            built_in: Entry = getattr(importlib.import_module(module), attribute)
            return built_in
        offers = self._offered().get(name, [])
        if not offers:
            raise ValueError(unknown_name(argument, name, self.names()))
        if len(offers) > 1:
            raise ValueError(
                f"`{argument}` {name!r} is offered by several installed packages: {_owners(offers)}. Uninstall all "
                "but one of them, or ask their authors for another name."
            )
        return self._imported(name, offers[0])

    def _imported(self, name: str, offer: EntryPoint) -> Entry:
        try:
            entry: Entry = offer.load()
        except Exception as error:
            raise ImportError(
                f"the {self.kind} {name!r} of {_owners([offer])} cannot be imported from {offer.value!r}: "
                f"{type(error).__name__}: {error}. Repair or uninstall that package."
            ) from error
        if self._check is not None:
            try:
                self._check(entry)
            except (TypeError, ValueError) as error:
                raise ValueError(f"the {self.kind} {name!r} of {_owners([offer])} is not valid: {error}") from error
        return entry

    def _offered(self) -> dict[str, list[EntryPoint]]:
        """Entry points of other packages by name; a built-in name is never replaced by one."""
        found: dict[str, list[EntryPoint]] = {}
        for offer in _installed(_places()).get(self.group, ()):
            if offer.name not in self._built_in:
                found.setdefault(offer.name, []).append(offer)
        return found


def _places() -> tuple[tuple[str, int], ...]:
    """The folders that modules are found in, each with the time when a package was last added or removed."""
    found = []
    for name in sys.path:
        with suppress(OSError):
            found.append((name, Path(name).stat().st_mtime_ns))
    return tuple(found)


@functools.lru_cache(maxsize=1)
def _installed(places: tuple[tuple[str, int], ...]) -> dict[str, list[EntryPoint]]:
    """All entry points by group; reading them takes longer than looking whether ``places`` have changed."""
    found: Any = entry_points()  # before Python 3.12 of another type
    return {group: list(found.select(group=group)) for group in found.groups}


def _owners(offers: Iterable[EntryPoint]) -> str:
    return ", ".join(offer.dist.name if offer.dist is not None else offer.value for offer in offers)
