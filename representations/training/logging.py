"""Our loggers in the form that Lightning calls."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger

from anysense.common.loggers.catalogue import SteadyLogger

__all__ = ["LightningLogger"]


class LightningLogger(Logger):
    """Hands the numbers of Lightning to a logger, which whoever made it closes."""

    def __init__(self, logger: SteadyLogger) -> None:
        super().__init__()
        self._logger = logger

    @property
    def name(self) -> str:
        """Nothing: no folder is called by it."""
        return ""

    @property
    def version(self) -> str:
        """Nothing, likewise."""
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Hand them on."""
        self._logger.numbers(metrics, step or 0)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: settings are logged by `pretrain`."""
