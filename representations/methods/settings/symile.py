"""Settings of Symile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from anysense.representations.maths.contrast_settings import MixedSettings
from anysense.representations.methods.settings.gmc import UnsupervisedSettings

__all__ = ["SymileSettings"]


@dataclass(frozen=True)
class SymileSettings(UnsupervisedSettings, MixedSettings):
    """Architecture of GMC and loss of Symile."""

    like: ClassVar[str] = "gmc"
    # The paper has neither our data nor a joint encoder; `paper` is its loss alone, and what ours needs to be trained.
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"cosine_weight": 0.0, "learn_temperature": True, "alignment_weight": 0.1, "centre": True}
    }

    temperature: float = 0.3
    """Temperature of the contrast of products."""

    def __post_init__(self) -> None:
        """Checks types and ranges, and that something trains the joint encoder."""
        super().__post_init__()
        if self.cosine_weight == 0.0:
            self.require_trained_joint("with `cosine_weight` 0")
