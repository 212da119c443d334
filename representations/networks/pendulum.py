"""Networks of the multimodal pendulum: images are uint8, everything else is sound."""

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks, no_network
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.dense import layers
from anysense.representations.networks.pendulum_decoders import ConvolutionDecoder, FramesDecoder, SoundDecoder
from anysense.representations.networks.pendulum_encoders import FramesTrunk, ImageTrunk, SoundTrunk
from anysense.representations.networks.pendulum_sound import SoundNormalisation
from anysense.representations.networks.trunk import DeeperTrunk, Trunk
from anysense.representations.settings import NetworkSettings

__all__ = ["PendulumNetworkSettings", "PendulumNetworks"]

KNOWN = "uint8 images (stack, height, width) and float32 sounds (stack, receivers, 2)"
IMAGE_WIDTH = 128
"""Published width of the layer between convolutions and latent, of encoder and decoder."""


@dataclass(frozen=True)
class PendulumNetworkSettings(NetworkSettings):
    """What the networks of the pendulum are made of."""

    image_encoder: Literal["convolution", "frames"] = "frames"
    """``convolution`` as published, or ``frames``: one encoder for each frame, then the change between frames."""
    image_channels: tuple[int, int] = (32, 64)
    """Convolution: channels after the first and the second layer."""
    frame_widths: tuple[int, ...] = (256, 256)
    """Frames: widths of the hidden layers that read one frame, and of those that compare the frames."""
    frame_dim: int = 64
    """Frames: size of the vector of one frame."""
    sound_widths: tuple[int, ...] = (256, 256, 256)
    """Widths of the hidden layers of the sound encoder."""
    sound_normalisation: SoundNormalisation = "physical"
    """``min_max`` as published, or ``physical``: radial speed and log amplitude, centred and scaled per receiver."""

    def __post_init__(self) -> None:
        """Checks types and ranges, and that nothing is set for the image encoder that is not chosen."""
        super().__post_init__()
        self.require_positive("image_channels", "frame_widths", "frame_dim", "sound_widths")
        for name in ("sound_widths", "frame_widths"):
            if not getattr(self, name):
                raise ValueError(f"`{name}` is empty; expected at least one hidden layer.")
        idle = ("image_channels",) if self.image_encoder == "frames" else ("frame_widths", "frame_dim")
        for field in fields(self):
            if field.name in idle and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"`{field.name}` has no effect with `image_encoder` {self.image_encoder!r}; leave it at "
                    f"{field.default} (got {getattr(self, field.name)}), or choose the other encoder."
                )


class PendulumNetworks(Networks):
    """Published convolutions or networks of single frames for the image, fully connected layers for the sound."""

    name: ClassVar[str] = "pendulum"
    settings_class: ClassVar[type[NetworkSettings]] = PendulumNetworkSettings

    settings: PendulumNetworkSettings

    def trunk(self, modality: Modality) -> Trunk:
        """Encoder of contrastive methods."""
        _check(modality, "encoder")
        settings = self.settings
        if modality.dtype != "uint8":
            return SoundTrunk(modality, settings.sound_normalisation, settings.sound_widths)
        if settings.image_encoder == "convolution":
            return ImageTrunk(modality, settings.image_channels)
        return FramesTrunk(modality, settings.frame_widths, settings.frame_dim, settings.frame_widths)

    def generative_trunk(self, modality: Modality) -> Trunk:
        """Encoder of generative methods; the published convolutions are followed by one layer of 128 with SiLU."""
        trunk = self.trunk(modality)
        if isinstance(trunk, ImageTrunk):
            return DeeperTrunk(trunk, layers(trunk.feature_dim, (IMAGE_WIDTH,)), IMAGE_WIDTH)
        return trunk

    def decoder(self, modality: Modality, latent_dim: int) -> Decoder:
        """Decoder from latents of size ``latent_dim``: mirror image of the encoder."""
        _check(modality, "decoder")
        settings = self.settings
        if modality.dtype != "uint8":
            return SoundDecoder(modality, latent_dim, settings.sound_normalisation, settings.sound_widths[::-1])
        if settings.image_encoder == "convolution":
            return ConvolutionDecoder(modality, latent_dim, settings.image_channels, IMAGE_WIDTH)
        return FramesDecoder(modality, latent_dim, settings.frame_widths[::-1])


def _check(modality: Modality, part: str) -> None:
    """Raises ValueError for what is neither image nor sound by its dtype and shape."""
    image, sound = modality.dtype == "uint8", modality.dtype == "float32" and modality.shape[-1] == 2
    if len(modality.shape) != 3 or not (image or sound):
        raise ValueError(no_network(modality, part, "pendulum", KNOWN))
