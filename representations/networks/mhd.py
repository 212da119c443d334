"""Networks of MHD (multimodal handwritten digits): image, sound, trajectory and label, told apart by name."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from anysense.representations.modality import Modality
from anysense.representations.networks import mhd_decoders as decoders
from anysense.representations.networks import mhd_encoders as encoders
from anysense.representations.networks.catalogue import Networks, no_network
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.trunk import Trunk
from anysense.representations.settings import NetworkSettings

__all__ = ["MHDNetworkSettings", "MHDNetworks"]

SHAPES = {"image": (1, 28, 28), "sound": (1, 32, 128), "trajectory": (200,), "label": (10,)}
KNOWN = ", ".join(f"{name} {shape}" for name, shape in SHAPES.items())


@dataclass(frozen=True)
class MHDNetworkSettings(NetworkSettings):
    """What the networks of generative methods are made of; those of contrastive methods have no settings."""

    label_encoder: Literal["swish-512", "relu-64"] = "swish-512"
    """Two layers of 512 with SiLU, or two of 64 with ReLU."""
    decoder_batch_norm: bool = True
    """Batch normalisation in the sound decoder."""


class MHDNetworks(Networks):
    """Published encoders (Poklukar et al., ICML 2022) and decoders of its baselines.

    Values lie in [0, 1], or are scaled there by the bounds of the modality; the image may also be uint8. The label is
    one-hot.
    """

    name: ClassVar[str] = "mhd"
    settings_class: ClassVar[type[NetworkSettings]] = MHDNetworkSettings
    generative_only: ClassVar[tuple[str, ...]] = ("label_encoder", "decoder_batch_norm")

    settings: MHDNetworkSettings

    def trunk(self, modality: Modality) -> Trunk:
        """Base encoder of GMC without its last layer; the label enters raw."""
        match _known(modality, "encoder"):
            case "image":
                return encoders.ImageTrunk(modality)
            case "sound":
                return encoders.SoundTrunk(modality)
            case "trajectory":
                return encoders.VectorTrunk(modality, (512, 512))
            case _:
                return encoders.LabelTrunk(modality)

    def generative_trunk(self, modality: Modality) -> Trunk:
        """Encoder of the baselines without its heads; ``settings.label_encoder`` chooses the one of the label."""
        match _known(modality, "encoder"):
            case "image":
                return encoders.ImageTrunk(modality, (512,))
            case "sound":
                return encoders.SoundTrunk(modality)
            case "trajectory":
                return encoders.VectorTrunk(modality, (512, 512, 512))
            case _ if self.settings.label_encoder == "relu-64":
                return encoders.VectorTrunk(modality, (64, 64), nn.ReLU)
            case _:
                return encoders.VectorTrunk(modality, (512, 512))

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder of the baselines; ``settings.decoder_batch_norm`` keeps or drops the norms of the sound decoder."""
        match _known(modality, "decoder"):
            case "image":
                return decoders.ImageDecoder(modality, latent_dim)
            case "sound":
                return decoders.SoundDecoder(modality, latent_dim, self.settings.decoder_batch_norm)
            case "trajectory":
                return decoders.VectorDecoder(modality, latent_dim)
            case _:
                return decoders.LabelDecoder(modality, latent_dim)


def _known(modality: Modality, part: str) -> str:
    """Name of a modality of MHD; any other raises ValueError."""
    if SHAPES.get(modality.name) != modality.shape or (modality.dtype == "uint8" and modality.name != "image"):
        raise ValueError(no_network(modality, part, "mhd", KNOWN))
    return modality.name
