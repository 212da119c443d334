"""Families of networks by name: which encoder and which decoder a modality gets."""

import importlib
from abc import ABC, abstractmethod

from anysense.representations.messages import unknown_name
from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.settings import NetworkSettings
from anysense.representations.networks.trunk import Trunk

__all__ = ["Networks", "network_names", "networks", "register_networks"]


class Networks(ABC):
    """Encoders and decoders of one kind of data.

    Every method raises ValueError for a modality that the family has no network for; the message names the modality
    and what the family knows.
    """

    @abstractmethod
    def trunk(self, modality: Modality, settings: NetworkSettings) -> Trunk:
        """Encoder of contrastive methods, which follow it with one linear layer."""

    def generative_trunk(self, modality: Modality, settings: NetworkSettings) -> Trunk:
        """Encoder of generative methods, which follow it with linear heads; by default the same."""
        return self.trunk(modality, settings)

    @abstractmethod
    def decoder(self, modality: Modality, latent_dim: int, settings: NetworkSettings) -> Decoder:
        """Decoder from latents of size ``latent_dim``."""


_BUILT_IN = {
    "pendulum": "anysense.representations.networks.pendulum_family:PendulumNetworks",
    "mhd": "anysense.representations.networks.mhd:MHDNetworks",
    "generic": "anysense.representations.networks.generic:GenericNetworks",
}
_registered: dict[str, Networks] = {}


def network_names() -> tuple[str, ...]:
    """Names of all families."""
    return (*_BUILT_IN, *_registered)


def networks(name: str) -> Networks:
    """The family called ``name``; an unknown one raises ValueError."""
    if name in _registered:
        return _registered[name]
    if name not in _BUILT_IN:
        raise ValueError(unknown_name("networks", name, network_names()))
    module, attribute = _BUILT_IN[name].split(":")
    family: Networks = getattr(importlib.import_module(module), attribute)()
    return family


def register_networks(name: str, family: Networks) -> None:
    """Make a family known under a name, for ``settings.networks`` and for loading what was built with it.

    Raises:
        TypeError: ``family`` is not an instance of `Networks`.
        ValueError: The name belongs to a built-in family.
    """
    if not isinstance(family, Networks):
        raise TypeError(f"`family` must be an instance of a subclass of Networks; got {family!r}.")
    if name in _BUILT_IN:
        raise ValueError(f"`name` {name!r} is taken by a built-in family of networks; choose another name.")
    _registered[name] = family
