"""Methods by name. A method is one line in the table, and is imported when it is first asked for."""

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from anysense.common.errors import unknown_name
from anysense.representations.contract import Representation, Settings
from anysense.representations.modality import Modality

__all__ = [
    "benchmarks",
    "build",
    "make_settings",
    "method_names",
    "presets",
    "representation_class",
    "restore_settings",
    "settings_class",
]

METHODS = {
    "gmc": "anysense.representations.methods.gmc:GMC",
    "gram": "anysense.representations.methods.gram:GRAM",
    "mfm": "anysense.representations.methods.mfm:MFM",
    "mvae": "anysense.representations.methods.mvae:MVAE",
    "mmvae": "anysense.representations.methods.mmvae:MMVAE",
    "muse": "anysense.representations.methods.muse:MUSE",
    "nexus": "anysense.representations.methods.nexus:Nexus",
    "transformer": "anysense.representations.methods.transformer:TransformerBaseline",
    "transformer-dropout": "anysense.representations.methods.transformer:TransformerDropout",
    "gmc-supervised": "anysense.representations.methods.supervised_gmc:SupervisedGMC",
    "gram-supervised": "anysense.representations.methods.supervised_gmc:SupervisedGRAM",
}


def method_names(benchmark: str | None = None) -> tuple[str, ...]:
    """Names of all methods, or of those that have settings for one benchmark."""
    return tuple(name for name in METHODS if benchmark is None or benchmark in benchmarks(name))


def representation_class(method: str) -> type[Representation]:
    """Class of a method; an unknown method raises ValueError."""
    if method not in METHODS:
        raise ValueError(unknown_name("method", method, METHODS))
    module, name = METHODS[method].split(":")
    found: type[Representation] = getattr(importlib.import_module(module), name)
    return found


def settings_class(method: str) -> type[Settings]:
    """Settings dataclass of a method; an unknown method raises ValueError."""
    return representation_class(method).settings_class


def benchmarks(method: str) -> tuple[str, ...]:
    """Names of the benchmarks that a method has settings for; an unknown method raises ValueError."""
    return tuple(representation_class(method).presets)


def presets(method: str, benchmark: str = "pendulum") -> tuple[str, ...]:
    """Names of the presets of a method; an unknown method or benchmark raises ValueError."""
    return tuple(_presets(method, benchmark))


def make_settings(method: str, preset: str = "default", *, benchmark: str = "pendulum", **overrides: Any) -> Settings:
    """Settings of a preset for one benchmark, with some fields replaced.

    Raises:
        ValueError: Unknown method, benchmark, preset or setting, or a value out of range.
        TypeError: A value of the wrong type.
    """
    table = _presets(method, benchmark)
    if preset not in table:
        raise ValueError(unknown_name("preset", preset, table))
    _check_names(method, overrides)
    changed: Settings = dataclasses.replace(table[preset], **overrides)
    return changed


def restore_settings(method: str, values: Mapping[str, Any]) -> Settings:
    """Settings from stored values by name; raises as `make_settings` does."""
    _check_names(method, values)
    return settings_class(method)(**values)


def _check_names(method: str, given: Iterable[str]) -> None:
    fields = [field.name for field in dataclasses.fields(settings_class(method))]
    for name in given:
        if name not in fields:
            raise ValueError(unknown_name(f"setting of {method}", name, fields))


def _presets(method: str, benchmark: str) -> Mapping[str, Any]:
    table = representation_class(method).presets
    if benchmark not in table:
        raise ValueError(unknown_name(f"benchmark of {method}", benchmark, table))
    return table[benchmark]


def build(
    method: str, modalities: Mapping[str, Modality], settings: Settings | None = None, seed: int = 0
) -> Representation:
    """A new representation on the CPU, in train mode, with weights drawn from ``seed``; no global generator changes.

    Args:
        method: Name of the method.
        modalities: Its modalities, for example from `modalities_from_space`.
        settings: From `make_settings`; by default the preset ``default`` for the pendulum.
        seed: Seed of the initial weights.

    Raises:
        ValueError: Unknown method, or modalities that the method cannot take.
        TypeError: Settings of another method.
    """
    cls = representation_class(method)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        return cls(modalities, make_settings(method) if settings is None else settings)
