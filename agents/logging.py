"""Our loggers in the form that Stable-Baselines3 calls."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

from stable_baselines3.common.logger import KVWriter

from anysense.common.loggers.catalogue import SteadyLogger

__all__ = ["LogWriter"]


class LogWriter(KVWriter):
    """Hands the numbers of Stable-Baselines3 to a logger, which whoever made it closes.

    What Stable-Baselines3 keeps out of TensorBoard (counters that only a terminal shows) is kept out of all.
    """

    def __init__(self, logger: SteadyLogger) -> None:
        self._logger = logger

    def write(self, key_values: Mapping[str, Any], key_excluded: Mapping[str, tuple[str, ...]], step: int = 0) -> None:
        """Hand them on."""
        shown = {name: value for name, value in key_values.items() if "tensorboard" not in (key_excluded[name] or ())}
        numbers = {name: float(value) for name, value in shown.items() if isinstance(value, Real)}
        self._logger.numbers(numbers, step)

    def close(self) -> None:
        """Nothing is held open here."""
