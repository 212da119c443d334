"""Networks for any data: small encoders and decoders chosen by dtype and shape alone."""

from typing import ClassVar

from anysense.representations.modality import Modality
from anysense.representations.networks import generic_decoders as decoders
from anysense.representations.networks import generic_encoders as encoders
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.trunk import Trunk

__all__ = ["GenericNetworks"]

TRUNKS: dict[int, type[encoders.VectorTrunk] | type[encoders.SequenceTrunk] | type[encoders.GridTrunk]] = {
    1: encoders.VectorTrunk,
    2: encoders.SequenceTrunk,
    3: encoders.GridTrunk,
}


class GenericNetworks(Networks):
    """A sensible start for your own data.

    ============================================== ======================= ==========================
    modality                                       encoder                 decoder
    ============================================== ======================= ==========================
    uint8 (channels, height, width): image         convolutions            transposed convolutions
    float32 (channels, T, F): spectrogram          convolutions            transposed convolutions
    float32 (T, F): sequence                       convolutions over time  fully connected
    float32 (N,): vector                           fully connected         fully connected
    ============================================== ======================= ==========================

    Bounds scale the input; without them an encoder squashes it by a logarithm, and there is no decoder. For another
    encoder or decoder of some modalities see `networks.catalogue.PerModality`.
    """

    name: ClassVar[str] = "generic"

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder, of 256 features."""
        _check(modality, "encoder")
        return TRUNKS[len(modality.shape)](modality)

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder from latents of size ``latent_dim``; ValueError for a float32 modality without bounds."""
        _check(modality, "decoder")
        kind = decoders.GridDecoder if len(modality.shape) == 3 else decoders.DenseDecoder
        return kind(modality, latent_dim)


def _check(modality: Modality, part: str) -> None:
    """Raises ValueError for an array of too many axes, or bytes that are no image."""
    axes = len(modality.shape)
    if axes > 3 or (modality.dtype == "uint8" and axes != 3):
        raise ValueError(
            f"modality {modality.name!r} ({modality.dtype} {modality.shape}) has no {part} in the networks 'generic', "
            "which know uint8 images (channels, height, width) and float32 arrays of one to three axes; change its "
            "shape, or register your own in NETWORKS."
        )
