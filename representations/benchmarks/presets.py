"""Settings of methods, networks, training and collection that go together on one kind of data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from anysense.common.errors import unknown_name
from anysense.representations.methods.catalogue import BUILT_IN, METHODS, settings_of, uses_networks
from anysense.representations.networks.catalogue import Networks, networks
from anysense.representations.networks.catalogue import settings_of as settings_of_networks
from anysense.representations.pretrain_settings import CollectSettings, PretrainSettings
from anysense.representations.settings import MethodSettings, NetworkSettings, settings_from

__all__ = ["PRESET_NAMES", "Presets"]

PRESET_NAMES = ("smoke", "default", "paper")
"""Quick trials, our own values, and published ones."""

Table = Mapping[str, Mapping[str, Any]]
"""Values by setting, by preset; those under ``*`` hold for every preset. What is not named has its own default."""


@dataclass(frozen=True)
class Presets:
    """Presets of one kind of data: a world, a data set, or any data.

    A method that has no table, such as one of another package, has its own defaults; what it is ``like``, and presets
    of its own, come before them (`anysense.representations.settings.MethodSettings`).
    """

    name: str
    """Name in the registry of benchmarks."""
    family: str
    """Name of the family of networks."""
    settings: Mapping[str, Table]
    """Settings of each method."""
    family_settings: Table = field(default_factory=dict)
    method_family_settings: Mapping[str, Table] = field(default_factory=dict)
    """Settings of the family that one method has besides."""
    training_settings: Table = field(default_factory=dict)
    collection_settings: Table = field(default_factory=dict)
    """Of worlds only."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that have a table here, of those like them, and of those of other packages."""
        like = (name for name in BUILT_IN if name not in self.settings and settings_of(name).like in self.settings)
        return (*self.settings, *like, *self._others())

    @property
    def usual_methods(self) -> tuple[str, ...]:
        """Names of the methods that are compared if none is named.

        Those that have a table and are ``like`` no other, and those of other packages.
        """
        return (*(name for name in self.settings if not settings_of(name).like), *self._others())

    def method_settings(self, method: str, preset: str = "default", **overrides: Any) -> MethodSettings:
        """Settings of a method, some of them replaced; see `anysense.representations.registry.make_settings`."""
        kind = settings_of(method)
        values = self._of_like(kind, preset) | _values(kind.presets, preset)
        return settings_from(kind, values | _values(self.settings.get(method, {}), preset) | overrides, method)

    def networks(self, method: str, preset: str = "default", **overrides: Any) -> Networks | None:
        """The family of networks of a method; see `anysense.representations.registry.make_networks`."""
        if uses_networks(method):
            return networks(self.family, **self._family_values(method, preset) | overrides)
        if overrides:
            raise ValueError(f"the method {method!r} uses no family of networks; leave out {', '.join(overrides)}.")
        return None

    def network_settings(self, method: str, preset: str = "default") -> NetworkSettings | None:
        """Settings of these networks, without importing a built-in family; None for a method that uses none."""
        if not uses_networks(method):
            return None
        kind, owner = settings_of_networks(self.family), f"the networks {self.family!r}"
        return settings_from(kind, self._family_values(method, preset), owner)

    def _others(self) -> tuple[str, ...]:
        return tuple(name for name in METHODS.names() if name not in BUILT_IN)

    def _of_like(self, kind: type[MethodSettings], preset: str) -> dict[str, Any]:
        """Presets of the method that another one is like, in the settings that both have from a common class."""
        if not kind.like:
            return {}
        other = settings_of(kind.like)
        common = (base for base in kind.__mro__ if is_dataclass(base) and issubclass(other, base))
        shared = {field.name for base in common for field in fields(base)}
        values = _values(self.settings.get(kind.like, {}), preset)
        return {name: value for name, value in values.items() if name in shared}

    def _family_values(self, method: str, preset: str) -> dict[str, Any]:
        tables = (self.family_settings, self.method_family_settings.get(method, {}))
        return {name: value for table in tables for name, value in _values(table, preset).items()}

    def training(self, preset: str = "default", **overrides: Any) -> PretrainSettings:
        """Settings of pretraining; ValueError for an unknown preset."""
        return PretrainSettings(**_values(self.training_settings, preset) | overrides)

    def collection(self, preset: str = "default", **overrides: Any) -> CollectSettings:
        """Settings of collection; ValueError for an unknown preset."""
        return CollectSettings(**_values(self.collection_settings, preset) | overrides)


def _values(table: Table, preset: str) -> dict[str, Any]:
    if preset not in PRESET_NAMES:
        raise ValueError(unknown_name("preset", preset, PRESET_NAMES))
    return {**table.get("*", {}), **table.get(preset, {})}
