"""The option that says where the numbers of a training go."""

import dataclasses

from anysense.common.errors import unknown_name
from anysense.common.loggers.catalogue import DEFAULT_LOGGER, LOGGERS
from anysense.runs.settings import ResumableSettings

__all__ = ["LoggingSettings", "check_logger"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoggingSettings(ResumableSettings):
    """Options of the commands that train. None of them decides about a result."""

    logger: str = DEFAULT_LOGGER
    """Where the numbers of a training go besides metrics.csv, in the run folder: tensorboard; csv; wandb, Weights &
    Biases, offline where there is no account; or mlflow, or the store that MLFLOW_TRACKING_URI names."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.logger not in LOGGERS:
            raise ValueError(unknown_name("logger", self.logger, LOGGERS.names()))


def check_logger(settings: LoggingSettings) -> None:
    """Find out before anything is written whether the package of the logger is there; ModuleNotFoundError if not."""
    LOGGERS.get(settings.logger).needed()
