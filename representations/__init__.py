"""Representations: raw observations with any modalities in, latents out."""

from anysense.common.errors import FileFormatError
from anysense.representations.batch import Batch
from anysense.representations.benchmarks.catalogue import BENCHMARKS, presets
from anysense.representations.contract import Representation
from anysense.representations.files import load_representation, save_representation
from anysense.representations.modality import Modality, modalities_from_space
from anysense.representations.networks.catalogue import NETWORKS, Networks
from anysense.representations.registry import METHODS, build, make_networks, make_settings
from anysense.representations.settings import MethodSettings, NetworkSettings

__all__ = [
    "BENCHMARKS",
    "METHODS",
    "NETWORKS",
    "Batch",
    "FileFormatError",
    "MethodSettings",
    "Modality",
    "NetworkSettings",
    "Networks",
    "Representation",
    "build",
    "load_representation",
    "make_networks",
    "make_settings",
    "modalities_from_space",
    "presets",
    "save_representation",
]
