"""Settings of TRIANGLE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from anysense.representations.maths.contrast_settings import MixedSettings
from anysense.representations.methods.settings.gmc import UnsupervisedSettings

__all__ = ["TriangleSettings"]


@dataclass(frozen=True)
class TriangleSettings(UnsupervisedSettings, MixedSettings):
    """Architecture of GMC and loss of TRIANGLE."""

    like: ClassVar[str] = "gmc"
    # The paper has neither our data nor a joint encoder; `paper` is its loss alone, and what ours needs to be trained.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"cosine_weight": 0.0, "learn_temperature": True, "alignment_weight": 0.1, "centre": True}
    }

    variant: Literal["joint_anchor", "modality_anchor"] = "joint_anchor"
    """Whose latent is a corner of every triangle: the joint one, with every two modalities as the other corners; or a
    modality's, with every two others, as in the paper. That needs three modalities."""
    anchor: str | None = None
    """``modality_anchor``: the modality that is a corner of every triangle; all of them in turn if None."""
    label_smoothing: float = 0.0
    """Share of the target probability that mismatched samples get."""

    def __post_init__(self) -> None:
        """Checks types and ranges, and that something trains the joint encoder."""
        super().__post_init__()
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"`label_smoothing` must lie in [0, 1); got {self.label_smoothing}.")
        if self.variant == "joint_anchor":
            self.require_default("anchor", reason="with the variant 'joint_anchor'")
        elif self.cosine_weight == 0.0:
            self.require_trained_joint("for the variant 'modality_anchor' with `cosine_weight` 0")
