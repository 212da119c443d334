"""Networks of the multimodal pendulum: images are uint8, everything else is sound."""

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks, no_network
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.dense import layers
from anysense.representations.networks.frames import FramesTrunk
from anysense.representations.networks.pendulum import ImageTrunk, SoundTrunk
from anysense.representations.networks.pendulum_decoders import ConvolutionDecoder, FramesDecoder, SoundDecoder
from anysense.representations.networks.settings import NetworkSettings
from anysense.representations.networks.trunk import DeeperTrunk, Trunk

__all__ = ["PendulumNetworks"]

KNOWN = "uint8 images (stack, height, width) and float32 sounds (stack, receivers, 2)"
IMAGE_WIDTH = 128
"""Published width of the layer between convolutions and latent, of encoder and decoder."""


class PendulumNetworks(Networks):
    """Published convolutions or networks of single frames for the image, fully connected layers for the sound."""

    def trunk(self, modality: Modality, settings: NetworkSettings) -> Trunk:
        """Encoder of contrastive methods."""
        _check(modality, "encoder")
        if modality.dtype == "uint8":
            if settings.image_encoder == "convolution":
                return ImageTrunk(modality, settings.image_channels)
            return FramesTrunk(modality, settings.frame_widths, settings.frame_dim, settings.frame_widths)
        return SoundTrunk(modality, settings.sound_normalisation, settings.sound_widths)

    def generative_trunk(self, modality: Modality, settings: NetworkSettings) -> Trunk:
        """Encoder of generative methods; the published convolutions are followed by one layer of 128 with SiLU."""
        trunk = self.trunk(modality, settings)
        if isinstance(trunk, ImageTrunk):
            return DeeperTrunk(trunk, layers(trunk.feature_dim, (IMAGE_WIDTH,)), IMAGE_WIDTH)
        return trunk

    def decoder(self, modality: Modality, latent_dim: int, settings: NetworkSettings) -> Decoder:
        """Decoder from latents of size ``latent_dim``: mirror image of the encoder."""
        _check(modality, "decoder")
        if modality.dtype == "uint8":
            if settings.image_encoder == "convolution":
                return ConvolutionDecoder(modality, latent_dim, settings.image_channels, IMAGE_WIDTH)
            return FramesDecoder(modality, latent_dim, settings.frame_widths[::-1])
        return SoundDecoder(modality, latent_dim, settings.sound_normalisation, settings.sound_widths[::-1])


def _check(modality: Modality, part: str) -> None:
    """Raises ValueError for what is neither image nor sound by its dtype and shape."""
    image, sound = modality.dtype == "uint8", modality.dtype == "float32" and modality.shape[-1] == 2
    if len(modality.shape) != 3 or not (image or sound):
        raise ValueError(no_network(modality, part, "pendulum", KNOWN))
