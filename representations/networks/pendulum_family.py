"""Networks of the multimodal pendulum: images are uint8, everything else is sound."""

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.frames import FramesTrunk
from anysense.representations.networks.pendulum import ImageTrunk, SoundTrunk
from anysense.representations.networks.settings import NetworkSettings
from anysense.representations.networks.trunk import Trunk

__all__ = ["PendulumNetworks"]


class PendulumNetworks(Networks):
    """Published convolutions or frame encoders for the image, fully connected layers for the sound."""

    def trunk(self, modality: Modality, settings: NetworkSettings) -> Trunk:
        """Encoder of contrastive methods."""
        if modality.dtype == "uint8":
            if settings.image_encoder == "convolution":
                return ImageTrunk(modality, settings.image_channels)
            return FramesTrunk(modality, settings.frame_widths, settings.frame_dim, settings.frame_widths)
        return SoundTrunk(modality, settings.sound_normalisation, settings.sound_widths)

    def decoder(self, modality: Modality, latent_dim: int, settings: NetworkSettings) -> Decoder:
        """Decoder from latents of size ``latent_dim``."""
        raise NotImplementedError
