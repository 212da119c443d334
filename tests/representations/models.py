"""Representations built from presets, for tests."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from anysense.representations import METHODS, Modality, Representation, build, make_networks, make_settings


def preset_model(
    method: str,
    modalities: Mapping[str, Modality],
    preset: str = "default",
    benchmark: str = "pendulum",
    seed: int = 0,
    **overrides: Any,
) -> Representation:
    """A new representation as a benchmark presets it; overrides are settings of the method or of its networks."""
    own = {field.name for field in fields(METHODS.get(method).settings_class)}
    ours = {name: value for name, value in overrides.items() if name in own}
    theirs = {name: value for name, value in overrides.items() if name not in own}
    settings = make_settings(method, preset, benchmark=benchmark, **ours)
    return build(method, modalities, settings, make_networks(method, preset, benchmark=benchmark, **theirs), seed)
