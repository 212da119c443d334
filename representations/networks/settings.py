"""Architecture settings that every method shares: which networks, and what those of the pendulum are made of."""

from dataclasses import dataclass
from typing import Literal

from anysense.representations.normalisation import SoundNormalisation
from anysense.representations.settings import Settings

__all__ = ["ImageEncoder", "LabelEncoder", "NetworkSettings"]

ImageEncoder = Literal["convolution", "frames"]
LabelEncoder = Literal["swish-512", "relu-64"]


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Which encoders and decoders a method is built from. The defaults are those of the pendulum."""

    networks: str = "pendulum"
    """Family of encoders and decoders, see `anysense.representations.networks.catalogue`."""
    image_encoder: ImageEncoder = "frames"
    """Pendulum: ``convolution`` as published, or ``frames``: one encoder for each frame, then the change between
    frames."""
    image_channels: tuple[int, int] = (32, 64)
    """Pendulum, convolution: channels after the first and the second layer."""
    frame_widths: tuple[int, ...] = (256, 256)
    """Pendulum, frames: widths of the hidden layers that read one frame, and of those that compare the frames."""
    frame_dim: int = 64
    """Pendulum, frames: size of the vector of one frame."""
    sound_widths: tuple[int, ...] = (256, 256, 256)
    """Pendulum: widths of the hidden layers of the sound encoder."""
    sound_normalisation: SoundNormalisation = "physical"
    """Pendulum: ``min_max`` as published, or ``physical``: radial speed and log amplitude, centred and scaled per
    receiver."""
    label_encoder: LabelEncoder = "swish-512"
    """MHD, generative methods: two layers of 512 with SiLU, or two of 64 with ReLU."""
    decoder_batch_norm: bool = True
    """MHD: batch normalisation in the sound decoder."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("image_channels", "frame_widths", "frame_dim", "sound_widths")
        for field in ("sound_widths", "frame_widths"):
            if not getattr(self, field):
                raise ValueError(f"`{field}` is empty; expected at least one hidden layer.")
