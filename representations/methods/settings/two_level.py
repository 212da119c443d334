"""Settings of the generative methods with a latent per modality below a joint one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from anysense.representations.methods.settings.generative import ByModality, GenerativeSettings
from anysense.representations.settings import Names

__all__ = ["LowerLevelSettings", "MUSESettings", "NexusSettings", "Subsets", "TwoLevelSettings"]

Subsets = Literal["singletons", "proper"]


@dataclass(frozen=True)
class LowerLevelSettings(GenerativeSettings):
    """Settings of the lower level, and sizes of the upper one. ``latent_dim`` is the size of the upper latent."""

    modality_dims: tuple[tuple[str, int], ...] = ()
    """Size of each modality's own latent."""
    default_modality_dim: int = 16
    """Size of the latents of modalities not named in ``modality_dims``."""
    kl_weights: ByModality = ()
    """Weight (beta) of the divergence of each modality's latent; 1 for modalities not named."""
    top_widths: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers of the upper encoders and decoders."""
    warmup_epochs: int = 0
    """Epochs over which ``kl_weights`` grow linearly to their values."""
    mean_as_log_variance: tuple[str, ...] = ()
    """Modalities whose lower encoder uses its mean as its log-variance too. Repeats, with ``("sound",)``, a coding
    error in the pendulum baseline of the GMC paper (Poklukar et al., ICML 2022)."""

    positive: ClassVar[Names] = ("modality_dims", "default_modality_dim", "top_widths")
    non_negative: ClassVar[Names] = ("kl_weights", "warmup_epochs")

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        if not self.top_widths:
            raise ValueError("`top_widths` is empty; expected at least one hidden layer.")

    def modality_dim(self, name: str) -> int:
        """Size of one modality's own latent."""
        return dict(self.modality_dims).get(name, self.default_modality_dim)


@dataclass(frozen=True)
class TwoLevelSettings(LowerLevelSettings):
    """Settings of both levels where the upper one is a VAE of the lower latents."""

    latent_weights: ByModality = ()
    """Weight (gamma) of the squared error of each modality's latent as predicted from above."""
    default_latent_weight: float = 10.0
    """That weight for modalities not named in ``latent_weights``."""
    top_kl_weight: float = 1.0
    """Weight of the divergence of the upper latent."""
    top_warmup_epochs: int = 0
    """Epochs over which ``top_kl_weight`` grows linearly to its value."""

    non_negative: ClassVar[Names] = ("latent_weights", "default_latent_weight", "top_kl_weight", "top_warmup_epochs")
    search: ClassVar[Mapping[str, str]] = {
        "latent_weights": "1..1000:log",
        "default_latent_weight": "1..1000:log",
        "top_kl_weight": "0.01..10:log",
    }


@dataclass(frozen=True)
class MUSESettings(TwoLevelSettings):
    """Architecture and loss of MUSE."""

    top_widths: tuple[int, ...] = (256, 256, 256)
    """Widths of the hidden layers of the upper encoders and decoders."""
    alma_weight: float = 1.0
    """Weight (alpha) of the mean divergence between the joint posterior and those of the subsets."""
    subsets: Subsets = "singletons"
    """Which subsets: single modalities, or all that are neither empty nor everything."""
    top_kl_inert: bool = False
    """Published pendulum code: the epoch of the warm-up was always read as 0, so ``top_kl`` never counted."""

    non_negative: ClassVar[Names] = ("alma_weight",)
    search: ClassVar[Mapping[str, str]] = {"alma_weight": "0.01..10:log"}


@dataclass(frozen=True)
class NexusSettings(TwoLevelSettings):
    """Architecture and loss of Nexus."""

    message_dim: int = 64
    """Size C of a message."""
    drop_rate: float = 0.2
    """Probability that some of a row's messages are dropped, in training."""
    batch_norm: bool = False
    """Batch normalisation in the upper encoder and decoders."""
    optimal_variance: bool = False
    """Weigh the error of the sound's latent by its own variance in the batch (sigma-VAE) instead of a constant."""

    positive: ClassVar[Names] = ("message_dim",)
    search: ClassVar[Mapping[str, str]] = {"drop_rate": "0..0.5"}

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        if not 0.0 <= self.drop_rate <= 1.0:
            raise ValueError(f"`drop_rate` must lie in [0, 1]; got {self.drop_rate}.")
