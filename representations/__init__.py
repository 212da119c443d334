"""Representations: raw observations with any modalities in, latents out.

Names are imported from their modules when they are first used, so that settings do not wait for torch.
"""

from typing import TYPE_CHECKING

from anysense.common.errors import FileFormatError
from anysense.common.lazy import from_modules

if TYPE_CHECKING:
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

_CATALOGUES = ("benchmarks.catalogue", "networks.catalogue", "registry")
__getattr__ = from_modules(__name__, __all__, ("settings", "modality", "batch", "contract", *_CATALOGUES, "files"))


def __dir__() -> list[str]:
    return sorted(__all__)
