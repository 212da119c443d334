"""Settings of the supervised methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from anysense.representations.maths.contrast_settings import CosineSettings, VolumeSettings
from anysense.representations.methods.settings.gmc import GMCCoreSettings
from anysense.representations.settings import MethodSettings

__all__ = [
    "SupervisedCoreSettings",
    "SupervisedGMCSettings",
    "SupervisedGRAMSettings",
    "TransformerDropoutSettings",
    "TransformerSettings",
]


@dataclass(frozen=True)
class TransformerSettings(MethodSettings):
    """Size of the multimodal transformer. The defaults are the published ones."""

    latent_dim: int = 60
    """Size of the latent."""
    channels: int = 30
    """Channels of each modality inside the multimodal transformer."""
    heads: int = 5
    """Attention heads of every transformer."""
    layers: int = 5
    """Layers of every transformer."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("latent_dim", "channels", "heads", "layers")


@dataclass(frozen=True)
class TransformerDropoutSettings(TransformerSettings):
    """Architecture, and how often modalities are dropped in training."""

    search: ClassVar[Mapping[str, str]] = {"dropout": "0.1..0.9"}

    dropout: float = 0.5
    """Probability that a row of a training batch keeps only a random non-empty subset of its modalities."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        if not 0.0 <= self.dropout <= 1.0:
            raise ValueError(f"`dropout` must lie in [0, 1]; got {self.dropout}.")


@dataclass(frozen=True)
class SupervisedCoreSettings(TransformerSettings, GMCCoreSettings):
    """Architecture and supervision. The defaults are the published ones."""

    search: ClassVar[Mapping[str, str]] = {"contrast_weight": "0.01..10:log"}

    centre: bool = False
    """Batch normalisation (without scale or shift) of what every encoder gives to the head; not in the paper."""
    contrast_weight: float = 1.0
    """Weight of the contrast."""
    prediction_weight: float = 1.0
    """Weight of the error of the prediction from the joint latent."""
    supervise_modalities: bool = False
    """Add the error of the predictions from each modality's own latent (not in the paper), weighted as that from the
    joint one."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_non_negative("contrast_weight", "prediction_weight")


@dataclass(frozen=True)
class SupervisedGMCSettings(SupervisedCoreSettings, CosineSettings):
    """Settings of supervised GMC. The defaults are the published ones."""


@dataclass(frozen=True)
class SupervisedGRAMSettings(SupervisedCoreSettings, VolumeSettings):
    """Settings of supervised GMC with a contrast of volumes."""
