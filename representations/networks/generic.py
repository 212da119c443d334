"""Networks for any data: small encoders and decoders, chosen by the kind of a modality."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.dense import DenseDecoder, DenseTrunk
from anysense.representations.networks.grids import GridDecoder, GridTrunk
from anysense.representations.networks.scaling import Centred, UnitInterval
from anysense.representations.networks.series import SeriesDecoder, SeriesTrunk
from anysense.representations.networks.trunk import Trunk

__all__ = ["GenericNetworks"]

HIDDEN = 256
"""Width of fully connected layers."""
MOST_OUTPUTS = 8192
"""Longest sequence, all its features counted, that a decoder of fully connected layers makes."""


class GenericNetworks(Networks):
    """A sensible start for your own data.

    ==================== ====================================== ======================================
    kind                 encoder                                decoder
    ==================== ====================================== ======================================
    image, spectrogram   convolutions                           transposed convolutions
    waveform             convolutions, the first one a framing  transposed convolutions
    sequence             convolutions over time                 fully connected; if long as waveform
    vector               fully connected                        fully connected
    ==================== ====================================== ======================================

    The first convolution over a long axis has a larger stride, so that size and work stay bounded; images and
    spectrograms of which a side is longer than 128 are decoded as means of blocks. Bounds scale the input; without them
    an encoder squashes it by a logarithm, and there is no decoder. For another encoder or decoder of some modalities
    see `networks.catalogue.PerModality`; a subclass may also name kinds.

    Attributes:
        kinds: Kind by name of modality, where shape, dtype and bounds shall not decide.
    """

    name: ClassVar[str] = "generic"
    kinds: ClassVar[Mapping[str, str]] = {}

    def described(self, modality: Modality) -> Modality:
        """The modality with its kind: named by its maker, else by the family, else told by shape, dtype and bounds."""
        named = self.kinds.get(modality.name)
        return (replace(modality, kind=named) if modality.kind is None and named else modality).described()

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder, of 256 features."""
        modality = self.described(modality)
        match _word(modality):
            case "image" | "spectrogram":
                return GridTrunk(modality, HIDDEN)
            case "sequence" | "waveform":
                return SeriesTrunk(modality, HIDDEN)
            case _:
                return DenseTrunk(modality, Centred(modality), (HIDDEN, HIDDEN))

    def takes_lengths(self, modality: Modality) -> bool:
        """Whatever has steps may have padding."""
        return True

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder of squared errors; ValueError for a float32 modality without bounds."""
        modality = self.described(modality)
        word, (steps, features) = _word(modality), (0, 0)
        if word in ("image", "spectrogram"):
            return GridDecoder(modality, latent_dim, HIDDEN)
        if word == "sequence":
            features, steps = modality.grid_shape
        if word == "waveform" or steps * features > MOST_OUTPUTS:
            return SeriesDecoder(modality, latent_dim, HIDDEN)
        return DenseDecoder(modality, latent_dim, UnitInterval(modality, clamped=True), (HIDDEN, HIDDEN))


def _word(modality: Modality) -> str:
    return str(modality.kind).partition(":")[0]
