"""Settings of the contrastive methods: GMC and GRAM."""

from dataclasses import dataclass

from anysense.representations.maths.contrast_settings import ContrastSettings, CosineSettings, VolumeSettings

__all__ = ["GMCCoreSettings", "GMCSettings", "GRAMSettings", "UnsupervisedSettings"]


@dataclass(frozen=True)
class GMCCoreSettings(ContrastSettings):
    """Settings of `GMCCore`; a method adds those of its contrast."""

    latent_dim: int = 10
    """Size d_z of the latent."""
    centre: bool = True
    """Batch normalisation (without scale or shift) of what every base encoder gives to the head. Not in the paper: the
    latents of an untrained network nearly coincide, and training spends hundreds of steps on telling them apart."""
    normalise_mean: bool = False
    """Return the mean of several single-modality latents to the unit sphere (the paper does not)."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("latent_dim")


@dataclass(frozen=True)
class UnsupervisedSettings(GMCCoreSettings):
    """Architecture of the unsupervised methods."""

    common_dim: int = 64
    """Size d_c that every base encoder ends in."""
    head_widths: tuple[int, ...] = (128,)
    """Widths of the hidden layers of the shared projection head."""
    alignment_weight: float = 0.0
    """Weight of the mean squared distance between each modality's latent and the joint one (not in the paper; 0
    switches it off)."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("common_dim", "head_widths")
        self.require_non_negative("alignment_weight")

    def require_trained_joint(self, reason: str) -> None:
        """Raises ValueError unless the alignment trains the joint encoder, which nothing else does for a reason."""
        if self.alignment_weight == 0.0:
            raise ValueError(f"`alignment_weight` must be positive {reason}: nothing else trains the joint encoder.")


@dataclass(frozen=True)
class GMCSettings(UnsupervisedSettings, CosineSettings):
    """Architecture and loss of GMC."""


@dataclass(frozen=True)
class GRAMSettings(UnsupervisedSettings, VolumeSettings):
    """Architecture of GMC and loss of GRAM."""

    def __post_init__(self) -> None:
        """Checks types and ranges, and that something trains the joint encoder."""
        super().__post_init__()
        if self.variant == "modality_anchor":
            self.require_trained_joint("for the variant 'modality_anchor'")
