"""Representations: raw observations with any modalities in, latents out."""

from anysense.representations.contract import Batch, Modality, Representation, Settings, modalities_from_space
from anysense.representations.files import RepresentationFileError, load_representation, save_representation
from anysense.representations.registry import build, make_settings, method_names, presets, settings_class

__all__ = [
    "Batch",
    "Modality",
    "Representation",
    "RepresentationFileError",
    "Settings",
    "build",
    "load_representation",
    "make_settings",
    "method_names",
    "modalities_from_space",
    "presets",
    "save_representation",
    "settings_class",
]
