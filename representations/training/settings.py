"""Settings of pretraining."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from anysense.common.errors import unknown_name

Schedule = Literal["constant", "cosine", "plateau"]
Precision = Literal["auto", "32", "bf16"]
Keep = Literal["best", "last"]


@dataclass(frozen=True)
class PretrainSettings:
    """How to pretrain a representation. The defaults are the preset ``default``."""

    epochs: int = 25
    """Passes over the training data."""
    batch_size: int = 512
    """Samples in one step; contrastive methods use the others as negatives."""
    learning_rate: float = 2e-3
    """Step size of Adam (its largest value, with a schedule)."""
    schedule: Schedule = "cosine"
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
    keep: Keep = "best"
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
        """Check every field.

        Raises:
            ValueError: A value is out of range or unknown.
        """
        for name in ("epochs", "batch_size", "warmup_steps", "seed", "patience", "threads"):
            self._check_whole(name)
        if self.batch_size < 2:
            raise ValueError(f"`batch_size` must be at least 2 (contrast needs another sample), got {self.batch_size}.")
        for name in ("learning_rate", "gradient_clip"):
            value = getattr(self, name)
            if value is not None and not (0 < value < math.inf):
                raise ValueError(f"`{name}` must be positive and finite, got {value!r}.")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"`ema_decay` must lie between 0 and 1, both excluded; got {self.ema_decay!r}.")
        for name, choices in (("schedule", Schedule), ("precision", Precision), ("keep", Keep)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(unknown_name(name, getattr(self, name), get_args(choices)))

    def _check_whole(self, name: str) -> None:
        value, optional, least = (
            getattr(self, name),
            name in ("patience", "threads"),
            name not in ("warmup_steps", "seed"),
        )
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` must be an integer of at least {int(least)}, got {value!r}.")


PRESETS: Mapping[str, PretrainSettings] = {
    "smoke": PretrainSettings(epochs=2, batch_size=64, warmup_steps=5),
    "default": PretrainSettings(),
    "paper": PretrainSettings(
        epochs=500, batch_size=128, learning_rate=1e-3, schedule="constant", keep="last", precision="32"
    ),
}
"""Named settings; ``paper`` is Poklukar et al. (2022): Adam 1e-3 for 500 epochs, last weights."""
