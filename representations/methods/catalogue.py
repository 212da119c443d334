"""Methods by name. A method is imported when it is first asked for."""

import importlib
from typing import TYPE_CHECKING, Any

from anysense.common.registry import Registry
from anysense.representations.settings import MethodSettings

if TYPE_CHECKING:
    from anysense.representations.contract import Representation

__all__ = ["BUILT_IN", "METHODS", "settings_of", "uses_networks"]


def _check_method(found: Any) -> None:
    from anysense.representations.contract import Representation

    if not (isinstance(found, type) and issubclass(found, Representation)):
        raise TypeError(f"a method must be a subclass of Representation; got {found!r}.")
    if not isinstance(getattr(found, "method", None), str):
        raise TypeError(f"{found.__name__} must have a `method`, the name it is registered under.")
    kind = getattr(found, "settings_class", None)
    if not (isinstance(kind, type) and issubclass(kind, MethodSettings)):
        raise TypeError(f"{found.__name__} must have a `settings_class` derived from MethodSettings; got {kind!r}.")


BUILT_IN = {
    "gmc": ("gmc:GMC", "gmc:GMCSettings"),
    "gram": ("gram:GRAM", "gmc:GRAMSettings"),
    "mfm": ("mfm:MFM", "generative:MFMSettings"),
    "mvae": ("mvae:MVAE", "generative:MVAESettings"),
    "mmvae": ("mmvae:MMVAE", "generative:MMVAESettings"),
    "muse": ("muse:MUSE", "two_level:MUSESettings"),
    "nexus": ("nexus:Nexus", "two_level:NexusSettings"),
    "symile": ("symile:Symile", "symile:SymileSettings"),
    "triangle": ("triangle:TRIANGLE", "triangle:TriangleSettings"),
    "mopoe": ("mopoe:MoPoE", "mopoe:MoPoESettings"),
    "mvtcae": ("mvtcae:MVTCAE", "mvtcae:MVTCAESettings"),
    "workspace": ("workspace:GlobalWorkspace", "workspace:WorkspaceSettings"),
    "transformer": ("transformer:TransformerBaseline", "supervised:TransformerSettings"),
    "transformer-dropout": ("transformer:TransformerDropout", "supervised:TransformerDropoutSettings"),
    "gmc-supervised": ("supervised_gmc:SupervisedGMC", "supervised:SupervisedGMCSettings"),
    "gram-supervised": ("supervised_gmc:SupervisedGRAM", "supervised:SupervisedGRAMSettings"),
}
"""Where each method is, and where its settings are, so that help need not import the method."""
WITHOUT_NETWORKS = ("transformer", "transformer-dropout")
METHODS: "Registry[type[Representation]]" = Registry(
    "method",
    "anysense.methods",
    {name: f"anysense.representations.methods.{place}" for name, (place, _) in BUILT_IN.items()},
    _check_method,
)
"""Methods by name; files store the name, so a method must be known under it when they are loaded."""


def settings_of(method: str) -> type[MethodSettings]:
    """Class of the settings of a method, without importing a built-in method; ValueError for an unknown one."""
    if method not in BUILT_IN:
        return METHODS.get(method).settings_class
    module, name = BUILT_IN[method][1].split(":")
    found: type[MethodSettings] = getattr(importlib.import_module(f"{__package__}.settings.{module}"), name)
    return found


def uses_networks(method: str) -> bool:
    """Whether a method takes a family of networks; ValueError for an unknown one."""
    return method not in WITHOUT_NETWORKS if method in BUILT_IN else METHODS.get(method).uses_networks
