"""Settings of the contrasts of `anysense.representations.maths.contrast`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from anysense.representations.settings import MethodSettings

__all__ = [
    "LEARNED_TEMPERATURES",
    "ContrastSettings",
    "CosineLoss",
    "CosineSettings",
    "MixedSettings",
    "Variant",
    "VolumeSettings",
    "check_learned_temperature",
]

CosineLoss = Literal["infonce", "infonce_with_joints_as_negatives"]
Variant = Literal["joint_anchor", "pairwise", "modality_anchor", "pairwise_signed", "all_pairs", "hybrid"]
LEARNED_TEMPERATURES = (0.01, 1.0)


@dataclass(frozen=True)
class ContrastSettings(MethodSettings):
    """Base of the settings of a contrast."""


@dataclass(frozen=True)
class CosineSettings(ContrastSettings):
    """Settings of `CosineContrast`."""

    search: ClassVar[Mapping[str, str]] = {"temperature": "0.05..1:log"}

    temperature: float = 0.3
    """Temperature of the contrastive loss."""
    loss: CosineLoss = "infonce"
    """``infonce``, or the ablation of the paper with only joint latents as negatives."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("temperature")


@dataclass(frozen=True)
class MixedSettings(ContrastSettings):
    """Settings of a `MixedContrast`: one of whole tuples of latents, and a part of cosines."""

    search: ClassVar[Mapping[str, str]] = {
        "temperature": "0.03..1:log",
        "cosine_weight": "0.1..0.9",
        "cosine_temperature": "0.05..1:log",
    }

    temperature: float = 0.1
    """Temperature of the contrast of tuples."""
    learn_temperature: bool = False
    """Train the temperature too, between 0.01 and 1."""
    cosine_weight: float = 0.5
    """Weight of a part of GMC's cosines with the joint latent, from 0 to below 1; the contrast of tuples gets the
    rest."""
    cosine_temperature: float = 0.3
    """Temperature of the part of cosines."""

    def __post_init__(self) -> None:
        """Checks types and ranges."""
        super().__post_init__()
        self.require_positive("temperature", "cosine_temperature")
        if not 0.0 <= self.cosine_weight < 1.0:
            raise ValueError(f"`cosine_weight` must lie in [0, 1); got {self.cosine_weight}.")
        if self.cosine_weight == 0.0:
            self.require_default("cosine_temperature", reason="with `cosine_weight` 0")
        check_learned_temperature(self.temperature, self.learn_temperature)


@dataclass(frozen=True)
class VolumeSettings(ContrastSettings):
    """Settings of `VolumeContrast`. A setting that the variant does not use must keep its default."""

    search: ClassVar[Mapping[str, str]] = {
        "temperature": "0.03..1:log",
        "hybrid_weight": "0.1..0.9",
        "cosine_temperature": "0.05..1:log",
    }
    used_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "power": ("joint_anchor", "pairwise", "modality_anchor", "all_pairs", "hybrid"),
        "anchor": ("modality_anchor", "hybrid"),
        "hybrid_weight": ("hybrid",),
        "loss": ("hybrid",),
        "cosine_temperature": ("hybrid",),
    }

    temperature: float = 0.1
    """Temperature of the contrast of volumes."""
    variant: Variant = "joint_anchor"
    """What spans the volumes, see `VolumeContrast`; only ``joint_anchor`` is GRAM."""
    power: int = 1
    """1 to contrast volumes, 2 to contrast their squares, which are smooth at 0; not for ``pairwise_signed``."""
    label_smoothing: float = 0.0
    """Share of the target probability that mismatched samples get (0.1 in the paper). Above 0 the best matched volume
    is no longer the smallest: the best gap to mismatched ones is temperature * log(B / label_smoothing - B + 1)."""
    learn_temperature: bool = False
    """Train the temperature too, between 0.01 and 1."""
    anchor: str | None = None
    """``modality_anchor``: the modality that is exchanged between samples; all of them in turn if None. ``hybrid``: the
    same in the volumes, whose anchor is the joint latent if None."""
    hybrid_weight: float = 0.5
    """``hybrid``: weight of the cosine part; the volumes get the rest."""
    loss: CosineLoss = "infonce"
    """``hybrid``: loss of the cosine part, as in GMC."""
    cosine_temperature: float = 0.3
    """``hybrid``: temperature of the cosine part."""

    def __post_init__(self) -> None:
        """Checks types, ranges, and that no setting lacks a meaning."""
        super().__post_init__()
        self.require_positive("temperature", "cosine_temperature")
        if self.power not in (1, 2):
            raise ValueError(f"`power` must be 1 or 2; got {self.power}.")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"`label_smoothing` must lie in [0, 1); got {self.label_smoothing}.")
        if not 0.0 <= self.hybrid_weight <= 1.0:
            raise ValueError(f"`hybrid_weight` must lie in [0, 1]; got {self.hybrid_weight}.")
        check_learned_temperature(self.temperature, self.learn_temperature)
        for field in fields(self):
            value, variants = getattr(self, field.name), self.used_by.get(field.name, (self.variant,))
            if self.variant not in variants and value != field.default:
                raise ValueError(
                    f"`{field.name}` has no effect with the variant {self.variant!r}, only with "
                    f"{', '.join(map(repr, variants))}; got {value!r}. Leave it at {field.default!r}."
                )


def check_learned_temperature(temperature: float, learned: bool) -> None:
    """ValueError if a temperature shall be learned that is not in the range where learned ones stay."""
    least, most = LEARNED_TEMPERATURES
    if learned and not least <= temperature <= most:
        raise ValueError(f"`temperature` must lie in [{least}, {most}] to be learned; got {temperature}.")
