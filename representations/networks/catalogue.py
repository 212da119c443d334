"""Families of networks by name: which encoder and which decoder a modality gets."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

from anysense.common.errors import unknown_name
from anysense.representations.modality import Modality
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.settings import NetworkSettings
from anysense.representations.networks.trunk import Trunk

__all__ = ["Networks", "PerModality", "network_names", "networks", "no_network", "register_networks"]


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
    "sentiment": "anysense.representations.networks.sentiment_family:SentimentNetworks",
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


def no_network(modality: Modality, part: str, family: str, known: str) -> str:
    """Message of the ValueError that a family raises for a modality it has no encoder or decoder for."""
    return (
        f"modality {modality.name!r} ({modality.dtype} {modality.shape}) has no {part} in the networks {family!r}, "
        f"which know {known}; use the networks 'generic' or register your own with register_networks."
    )


class PerModality(Networks):
    """A family put together by hand: your own encoder or decoder for some modalities, a known family for the others.

    Register it under a name, before building and before loading what was built with it::

        register_networks("mine", PerModality(trunks={"touch": lambda modality: TouchTrunk(modality)}))
        build("gmc", modalities, make_settings("gmc", benchmark="generic", networks="mine"))

    Args:
        trunks: Function modality -> new `Trunk`, by modality name; for contrastive and generative methods alike.
        decoders: Function (modality, latent size) -> new `Decoder`, by modality name.
        otherwise: Name of the family for everything else.

    Raises:
        ValueError: ``otherwise`` is unknown.
    """

    def __init__(
        self,
        trunks: Mapping[str, Callable[[Modality], Trunk]] | None = None,
        decoders: Mapping[str, Callable[[Modality, int], Decoder]] | None = None,
        otherwise: str = "generic",
    ) -> None:
        self.trunks = dict(trunks or {})
        self.decoders = dict(decoders or {})
        self.otherwise = networks(otherwise)

    def trunk(self, modality: Modality, settings: NetworkSettings) -> Trunk:
        """The given encoder, or that of the other family; TypeError if the function returns no `Trunk`."""
        if modality.name not in self.trunks:
            return self.otherwise.trunk(modality, settings)
        trunk = self.trunks[modality.name](modality)
        return _made("trunks", modality, Trunk, trunk)  # type: ignore[type-abstract]

    def generative_trunk(self, modality: Modality, settings: NetworkSettings) -> Trunk:
        """The given encoder, or the generative one of the other family."""
        if modality.name not in self.trunks:
            return self.otherwise.generative_trunk(modality, settings)
        return self.trunk(modality, settings)

    def decoder(self, modality: Modality, latent_dim: int, settings: NetworkSettings) -> Decoder:
        """The given decoder, or that of the other family; TypeError if the function returns no `Decoder`."""
        if modality.name not in self.decoders:
            return self.otherwise.decoder(modality, latent_dim, settings)
        decoder = self.decoders[modality.name](modality, latent_dim)
        return _made("decoders", modality, Decoder, decoder)  # type: ignore[type-abstract]


Made = TypeVar("Made")


def _made(argument: str, modality: Modality, kind: type[Made], value: object) -> Made:
    if not isinstance(value, kind):
        raise TypeError(
            f"`{argument}[{modality.name!r}]` must return a {kind.__name__}; got {type(value).__name__}. "
            f"Derive it from anysense's {kind.__name__}."
        )
    return value
