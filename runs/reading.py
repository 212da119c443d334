"""How the modalities of an environment are read, on the command line: their kinds, and how images are prepared."""

import dataclasses
from typing import TYPE_CHECKING

from anysense.common.validation import check_choice
from anysense.envs.world import World
from anysense.representations.networks.catalogue import Networks

if TYPE_CHECKING:
    from anysense.representations.modality import Modality

__all__ = ["ReadingSettings"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadingSettings:
    """How observations are read; stored with the representation, so that nothing has to be said again."""

    kind: tuple[str, ...] = ()
    """What modalities are, as NAME=KIND, where shape, dtype and bounds shall not decide: image, spectrogram, waveform,
    sequence, vector, or with the order of the axes, such as image:hwc."""
    image_size: int | None = None
    """Longest side of images in pixels; larger ones are shrunk to it."""
    grey: bool = False
    """Read colour images in grey."""

    def __post_init__(self) -> None:
        assert self.kinds is not None  # Checks them.
        if self.image_size is not None and self.image_size < 1:
            raise ValueError(f"`image_size` must be at least 1; got {self.image_size}.")

    @property
    def kinds(self) -> dict[str, str]:
        """Kind by name of modality.

        Raises:
            ValueError: An entry is not written NAME=KIND, or a name comes twice.
        """
        found: dict[str, str] = {}
        for entry in self.kind:
            name, separator, kind = entry.partition("=")
            if not separator or not name or not kind or name in found:
                raise ValueError(
                    f"`kind` must be written NAME=KIND, each name once, for example sound=waveform; got {entry!r}."
                )
            found[name] = kind
        return found

    def modalities(self, known: World, networks: Networks | None) -> "dict[str, Modality]":
        """The modalities of a world as a family of networks reads them.

        Raises:
            ValueError: Unknown modality or kind, a shape that leaves open what it is, or an option without effect.
        """
        from anysense.representations.modality import modalities_from_space

        found = modalities_from_space(known.observation_space, known.modalities)
        for name, kind in self.kinds.items():
            check_choice("kind", name, found)
            found[name] = dataclasses.replace(found[name], kind=kind)
        if networks is None:
            return found
        described = {name: networks.described(one) for name, one in found.items()}
        if self.image_size is None and not self.grey:
            return described
        images = {name: one for name, one in described.items() if str(one.kind).startswith("image")}
        if not images:
            kinds = ", ".join(f"{name} ({one.kind or 'of no kind'})" for name, one in described.items())
            raise ValueError(
                f"`image_size` and `grey` have no effect: the networks {networks.name!r} read no modality as an image, "
                f"there are {kinds}. Leave them out, or use other networks (`--networks generic`)."
            )
        for name, one in images.items():
            described[name] = dataclasses.replace(one, image_size=self.image_size, grey=self.grey)
        return described
