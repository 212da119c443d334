"""Settings of the families of networks."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from anysense.representations.settings import Names, NetworkSettings

__all__ = ["HyperhotNetworkSettings", "MHDNetworkSettings", "PendulumNetworkSettings", "SoundNormalisation"]

SoundNormalisation = Literal["min_max", "physical"]


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

    positive: ClassVar[Names] = ("image_channels", "frame_widths", "frame_dim", "sound_widths")

    def __post_init__(self) -> None:
        """Checks types and ranges, and that nothing is set for the image encoder that is not chosen."""
        super().__post_init__()
        for name in ("sound_widths", "frame_widths"):
            if not getattr(self, name):
                raise ValueError(f"`{name}` is empty; expected at least one hidden layer.")
        idle = ("image_channels",) if self.image_encoder == "frames" else ("frame_widths", "frame_dim")
        self.require_default(*idle, reason=f"with `image_encoder` {self.image_encoder!r}")


@dataclass(frozen=True)
class HyperhotNetworkSettings(NetworkSettings):
    """What the networks of Hyperhot are made of."""

    frame_widths: tuple[int, ...] = (128, 256)
    """Widths of the layers that read one frame of the image, and of those that compare the frames."""
    frame_dim: int = 64
    """Size of the vector of a frame of the image."""
    source_widths: tuple[int, ...] = (64, 128)
    """Widths of the layers that read one source of sound."""
    sound_widths: tuple[int, ...] = (256, 256)
    """Widths of the layers on the sums over all sources of each frame."""

    positive: ClassVar[Names] = ("frame_widths", "frame_dim", "source_widths", "sound_widths")

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        for name in ("frame_widths", "source_widths", "sound_widths"):
            if not getattr(self, name):
                raise ValueError(f"`{name}` is empty; expected at least one hidden layer.")


@dataclass(frozen=True)
class MHDNetworkSettings(NetworkSettings):
    """What the networks of generative methods are made of; those of contrastive methods have no settings."""

    label_encoder: Literal["swish-512", "relu-64"] = "swish-512"
    """Two layers of 512 with SiLU, or two of 64 with ReLU."""
    decoder_batch_norm: bool = True
    """Batch normalisation in the sound decoder."""
