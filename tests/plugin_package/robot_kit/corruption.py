"""A corruption: a sensor of coarse resolution."""

from typing import ClassVar

import numpy as np

from anysense.envs.sensors.models import CorruptionModel


class Quantised(CorruptionModel):
    """Rounds each element to so many steps of its range."""

    level: ClassVar[str | None] = "steps"
    needs_bounds: ClassVar[bool] = True

    @classmethod
    def check(cls, level: float) -> None:
        super().check(level)
        if level < 1:
            raise ValueError(f"`steps` must be at least 1, got {level}.")

    def deliver(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        span = self.box.high.astype(np.float64) - self.box.low
        shares = np.rint((values - self.box.low) / span * self.strength) / self.strength
        return (self.box.low + shares * span).astype(values.dtype)
