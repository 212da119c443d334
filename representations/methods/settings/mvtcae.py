"""Settings of MVTCAE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from anysense.representations.methods.settings.generative import ExpertSettings

__all__ = ["MVTCAESettings"]


@dataclass(frozen=True)
class MVTCAESettings(ExpertSettings):
    """Architecture and loss of MVTCAE. The paper has none of our data: all presets are as those of MVAE."""

    like: ClassVar[str] = "mvae"
    search: ClassVar[Mapping[str, str]] = {"alpha": "0.1..0.99"}

    alpha: float = 0.9
    """Share of the conditional terms, from 0 to below 1: 0 is a VAE with a product of experts."""
    prior_expert: bool = False
    """Count N(0, I) as a further expert of the product, as MVAE does."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        if not 0.0 <= self.alpha < 1.0:
            raise ValueError(f"`alpha` must lie in [0, 1); got {self.alpha}.")
