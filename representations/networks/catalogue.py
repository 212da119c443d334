"""Families of networks by name: which encoder and which decoder a modality gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from anysense.common.registry import Registry
from anysense.representations.networks.settings import (
    HyperhotNetworkSettings,
    MHDNetworkSettings,
    PendulumNetworkSettings,
)
from anysense.representations.settings import NetworkSettings, settings_from

if TYPE_CHECKING:
    from anysense.representations.modality import Modality
    from anysense.representations.networks.decoder import Decoder
    from anysense.representations.networks.trunk import Trunk

__all__ = ["NETWORKS", "Networks", "PerModality", "networks", "no_network", "settings_of"]


class Networks(ABC):
    """Encoders and decoders of one kind of data.

    Every method raises ValueError for a modality that the family has no network for; see `no_network`.

    Attributes:
        name: Name in the registry `NETWORKS`.
        settings_class: Class of ``settings``.
        bounds_from_data: Whether float modalities without bounds get those of the training data for generative methods.
        generative_only: Settings that only `generative_trunk` and `decoder` read.

    Args:
        settings: Settings of the family; their defaults if None.

    Raises:
        TypeError: Settings of another family.
    """

    name: ClassVar[str]
    settings_class: ClassVar[type[NetworkSettings]] = NetworkSettings
    bounds_from_data: ClassVar[bool] = True
    generative_only: ClassVar[tuple[str, ...]] = ()

    settings: Any

    def __init__(self, settings: NetworkSettings | None = None) -> None:
        self.settings = self.settings_class() if settings is None else settings
        if type(self.settings) is not self.settings_class:
            raise TypeError(
                f"`settings` must be {self.settings_class.__name__} for the networks {self.name!r}; "
                f"got {type(settings).__name__}."
            )

    def described(self, modality: Modality) -> Modality:
        """The modality as the family reads it, which is what a representation stores.

        A family that goes by kinds fills in the kind that nobody named. This one does not.

        Raises:
            ValueError: A kind or a preparation of frames was asked for, which have no effect here.
        """
        if modality.kind is not None:
            raise ValueError(
                f"`kind`, `image_size` and `grey` of modality {modality.name!r} have no effect in the networks "
                f"{self.name!r}; leave them out, or use the networks 'generic' (`--networks generic`)."
            )
        return modality

    @abstractmethod
    def trunk(self, modality: Modality) -> Trunk:
        """A new encoder for contrastive methods, which follow it with one linear layer."""

    def takes_lengths(self, modality: Modality) -> bool:
        """Whether encoder and decoder leave the padding of a sequence out, which is NaN; see `networks.padding`."""
        return False

    def generative_trunk(self, modality: Modality) -> Trunk:
        """A new encoder for generative methods, which follow it with linear heads; by default the same."""
        return self.trunk(modality)

    @abstractmethod
    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """A new decoder from latents of size ``latent_dim``."""


def _check_family(found: Any) -> None:
    if not (isinstance(found, type) and issubclass(found, Networks)):
        raise TypeError(f"a family of networks must be a subclass of Networks; got {found!r}.")
    if not isinstance(getattr(found, "name", None), str):
        raise TypeError(f"{found.__name__} must have a `name`, the one it is registered under.")


SETTINGS: dict[str, type[NetworkSettings]] = {
    "pendulum": PendulumNetworkSettings,
    "mhd": MHDNetworkSettings,
    "generic": NetworkSettings,
    "sentiment": NetworkSettings,
    "hyperhot": HyperhotNetworkSettings,
}
"""Settings of built-in families, so that help need not import the networks."""
NETWORKS: Registry[type[Networks]] = Registry(
    "networks",
    "anysense.networks",
    {
        "pendulum": f"{__package__}.pendulum:PendulumNetworks",
        "mhd": f"{__package__}.mhd:MHDNetworks",
        "generic": f"{__package__}.generic:GenericNetworks",
        "sentiment": f"{__package__}.sentiment:SentimentNetworks",
        "hyperhot": f"{__package__}.hyperhot:HyperhotNetworks",
    },
    _check_family,
)
"""Families by name; files store the name, so a family must be known under it when they are loaded."""


def networks(name: str, /, **settings: Any) -> Networks:
    """The family called ``name`` with the given settings, and defaults for the others.

    Raises:
        ValueError: Unknown family, a setting that the family does not have, or a value out of range.
        TypeError: A value of the wrong type.
    """
    family = NETWORKS.get(name)
    if family.name != name:
        raise ValueError(
            f"{family.__name__} is registered as {name!r} but its `name` is {family.name!r}; use one name."
        )
    return family(settings_from(family.settings_class, settings, f"the networks {name!r}"))


def settings_of(name: str) -> type[NetworkSettings]:
    """Class of the settings of a family, without importing a built-in one; ValueError for an unknown family."""
    return SETTINGS[name] if name in SETTINGS else NETWORKS.get(name, "networks").settings_class


def no_network(modality: Modality, part: str, family: str, known: str) -> str:
    """Message of the ValueError that a family raises for a modality it has no encoder or decoder for."""
    advice = "" if family == "generic" else "use the networks 'generic' or "
    return (
        f"modality {modality.name!r} ({modality.dtype} {modality.shape}) has no {part} in the networks {family!r}, "
        f"which know {known}; {advice}register your own in NETWORKS."
    )


class PerModality(Networks):
    """A family put together by hand: own encoders or decoders for some modalities, a known family for the others.

    A subclass states ``name`` and what differs; it is registered before it is used::

        class HandNetworks(PerModality):
            name = "hand"
            trunks = {"touch": TouchTrunk}

        NETWORKS.register("hand", HandNetworks)

    Attributes:
        trunks: Function modality -> new `Trunk`, by modality name; for contrastive and generative methods alike.
        decoders: Function (modality, latent size) -> new `Decoder`, by modality name.
        otherwise: Name of the family for everything else; its settings are those of this one.

    Raises:
        ValueError: ``otherwise`` is unknown; when the class is made.
    """

    trunks: ClassVar[Mapping[str, Callable[[Modality], Trunk]]] = {}
    decoders: ClassVar[Mapping[str, Callable[[Modality, int], Decoder]]] = {}
    otherwise: ClassVar[str] = "generic"

    def __init_subclass__(cls) -> None:
        """Take the settings of the other family."""
        other = NETWORKS.get(cls.otherwise, "otherwise")
        cls.settings_class, cls.generative_only = other.settings_class, other.generative_only
        cls.bounds_from_data = other.bounds_from_data

    def __init__(self, settings: NetworkSettings | None = None) -> None:
        super().__init__(settings)
        self.other = NETWORKS.get(self.otherwise)(self.settings)

    def described(self, modality: Modality) -> Modality:
        """As the other family reads it; as it is where encoder and decoder are given by hand."""
        by_hand = modality.name in self.trunks and modality.name in self.decoders
        return modality if by_hand else self.other.described(modality)

    def trunk(self, modality: Modality) -> Trunk:
        """The given encoder, or that of the other family; TypeError if the function returns no `Trunk`."""
        from anysense.representations.networks.trunk import Trunk

        if modality.name not in self.trunks:
            return self.other.trunk(modality)
        trunk: object = self.trunks[modality.name](modality)
        if not isinstance(trunk, Trunk):
            raise TypeError(f"`trunks[{modality.name!r}]` must return a Trunk; got {type(trunk).__name__}.")
        return trunk

    def takes_lengths(self, modality: Modality) -> bool:
        """As the other family; unless overridden, no encoder or decoder of your own does."""
        own = modality.name in self.trunks or modality.name in self.decoders
        return not own and self.other.takes_lengths(modality)

    def generative_trunk(self, modality: Modality) -> Trunk:
        """The given encoder, or the generative one of the other family."""
        return self.trunk(modality) if modality.name in self.trunks else self.other.generative_trunk(modality)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """The given decoder, or that of the other family; TypeError if the function returns no `Decoder`."""
        from anysense.representations.networks.decoder import Decoder

        if modality.name not in self.decoders:
            return self.other.decoder(modality, latent_dim)
        decoder: object = self.decoders[modality.name](modality, latent_dim)
        if not isinstance(decoder, Decoder):
            raise TypeError(f"`decoders[{modality.name!r}]` must return a Decoder; got {type(decoder).__name__}.")
        return decoder
