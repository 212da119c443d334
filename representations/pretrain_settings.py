"""Settings of pretraining and of collecting what is needed for it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from anysense.representations.settings import Settings

__all__ = ["CollectSettings", "Precision", "PretrainSettings"]

Precision = Literal["auto", "32", "bf16"]


@dataclass(frozen=True)
class CollectSettings:
    """What to collect for pretraining."""

    samples: int = 40_000
    """Transitions to collect."""
    policy: str | None = None
    """Who acts while observations are collected, and in which episodes: a policy of the environment's world, its first
    if not given; or, in the usual episodes, a function (observation, generator) -> actions, or a trained agent."""
    validation_fraction: float = 0.1
    """Share of the trajectories held out for validation."""


@dataclass(frozen=True)
class PretrainSettings(Settings):
    """How to pretrain a representation. The defaults are the preset ``default``."""

    search: ClassVar[Mapping[str, str]] = {"learning_rate": "2e-4..5e-3:log"}

    epochs: int = 25
    """Passes over the training data."""
    batch_size: int = 512
    """Samples in one step; contrastive methods use the others as negatives."""
    learning_rate: float = 2e-3
    """Step size of Adam (its largest value, with a schedule)."""
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    """constant; cosine: warm up, then fall to zero along half a cosine; or plateau: a tenth of it whenever the
    validation loss has not fallen for 20 epochs."""
    warmup_steps: int = 50
    """Steps over which the learning rate rises at the start; with the cosine schedule only."""
    ema_decay: float | None = None
    """Decay per step of an average of the weights, used for validation and as the result; none by default."""
    gradient_clip: float | None = None
    """Largest norm of the gradient; none by default."""
    patience: int | None = None
    """Stop after so many epochs without a lower validation loss; never by default."""
    keep: Literal["best", "last"] = "best"
    """Which epoch becomes the result: best validation loss, or last."""
    precision: Precision = "auto"
    """32, bf16 (mixed), or auto: bf16 where the hardware has matrix units for it."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ..., or auto: a GPU if there is one."""
    threads: int | None = None
    """CPU threads during pretraining; what torch uses by default."""
    seed: int = 0
    """Seed of the order of the samples and of everything random in training."""

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            TypeError: A value of the wrong type.
            ValueError: A value is out of range or unknown.
        """
        super().__post_init__()
        least = {"epochs": 1, "batch_size": 2, "warmup_steps": 0, "patience": 1, "threads": 1, "seed": 0}
        for name, bound in least.items():
            if getattr(self, name) is not None and getattr(self, name) < bound:
                raise ValueError(f"`{name}` must be at least {bound}, got {getattr(self, name)}.")
        for name in ("learning_rate", "gradient_clip"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` must be positive and finite, got {getattr(self, name)}.")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"`ema_decay` must lie between 0 and 1, both excluded; got {self.ema_decay}.")
