"""Settings of the Global Workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from anysense.representations.methods.settings.two_level import LowerLevelSettings
from anysense.representations.settings import Names

__all__ = ["WorkspaceSettings"]


@dataclass(frozen=True)
class WorkspaceSettings(LowerLevelSettings):
    """Architecture and loss of the Global Workspace. The papers have none of our data: lower levels are as in MUSE."""

    like: ClassVar[str] = "muse"

    translation_weight: float = 1.0
    """Weight of the errors of a modality's latent as decoded from the workspace of another one."""
    demi_cycle_weight: float = 1.0
    """Weight of the errors of a modality's latent as decoded from its own workspace."""
    cycle_weight: float = 1.0
    """Weight of the errors of a modality's latent after the way to another modality and back."""
    fusion_weight: float = 1.0
    """Weight of the errors of all latents as decoded from the workspace of all that a row has."""
    contrast_weight: float = 0.1
    """Weight of the contrast between the workspaces of two modalities; 0 leaves it out."""
    temperature: float = 0.1
    """Temperature of that contrast."""

    positive: ClassVar[Names] = ("temperature",)
    non_negative: ClassVar[Names] = (
        *("translation_weight", "demi_cycle_weight", "cycle_weight", "fusion_weight", "contrast_weight"),
    )
    search: ClassVar[Mapping[str, str]] = {
        "translation_weight": "0.1..10:log",
        "demi_cycle_weight": "0.1..10:log",
        "cycle_weight": "0.1..10:log",
        "fusion_weight": "0.1..10:log",
        "contrast_weight": "0.01..1:log",
        "temperature": "0.03..1:log",
    }
