"""The loggers that there are, and the one of a training, which cannot end it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anysense.common.loggers.logger import Logger
from anysense.common.progress import say
from anysense.common.registry import Registry

__all__ = ["DEFAULT_LOGGER", "LOGGERS", "SteadyLogger", "steady"]

DEFAULT_LOGGER = "tensorboard"
LONGEST_REASON = 300
"""Most characters of what a service says about a failure."""


def _check(entry: Any) -> None:
    if not (isinstance(entry, type) and issubclass(entry, Logger)):
        raise TypeError(f"a logger must be a subclass of `Logger`, got {entry!r}.")


LOGGERS: Registry[type[Logger]] = Registry(
    "logger",
    "anysense.loggers",
    {
        "tensorboard": "anysense.common.loggers.tensorboard:TensorBoard",
        "csv": "anysense.common.loggers.csv_files:CsvFiles",
        "wandb": "anysense.common.loggers.wandb:Wandb",
        "mlflow": "anysense.common.loggers.mlflow:Mlflow",
    },
    _check,
)


class SteadyLogger:
    """A logger that never ends the work: what fails is one warning, and nothing more is logged.

    Args:
        name: Name of the logger.
        make: Makes it.
    """

    def __init__(self, name: str, make: Callable[[], Logger]) -> None:
        self._name = name
        self._logger: Logger | None = None
        try:
            self._logger = make()
        except Exception as error:
            self._give_up(error)

    def settings(self, values: Mapping[str, Any]) -> None:
        """As `Logger.settings`."""
        self._do(lambda logger: logger.settings(values))

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """As `Logger.numbers`."""
        self._do(lambda logger: logger.numbers(values, step))

    def close(self, failed: bool) -> None:
        """As `Logger.close`; nothing is logged afterwards."""
        self._do(lambda logger: logger.close(failed))
        self._logger = None

    def _do(self, work: Callable[[Logger], None]) -> None:
        if self._logger is not None:
            try:
                work(self._logger)
            except Exception as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._logger = None
        reason = " ".join(str(error).split())[:LONGEST_REASON].removesuffix(".") or type(error).__name__
        say(f"Warning: nothing more is logged by --logger {self._name} ({reason}). All else goes on.")


@contextmanager
def steady(name: str, folder: Path) -> Iterator[SteadyLogger]:
    """The logger ``name`` of the training in ``folder``, closed at the end.

    Raises:
        ModuleNotFoundError: Its package is not installed.
        ValueError: There is no such logger.
    """
    kind = LOGGERS.get(name, "logger")
    kind.needed()
    logger = SteadyLogger(name, lambda: kind(folder))
    try:
        yield logger
    except BaseException:
        logger.close(failed=True)
        raise
    logger.close(failed=False)
