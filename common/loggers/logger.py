"""The contract of a logger."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from anysense.common.extras import import_extra
from anysense.common.files import write_json
from anysense.common.json_files import read_json

__all__ = ["Logger", "run_id", "title_of"]


class Logger(ABC):
    """Takes settings and numbers of one training, in the process that trains.

    It is made for the folder of the training, and made again for the same folder by a training that goes on; then it
    goes on with what it wrote. Whatever it raises is one warning of `steady`, and never ends the training.

    Attributes:
        name: How it is chosen, ``--logger name``; its files are in a folder of this name.
        package: The package that it needs, which comes with an extra of the logger's name; none by default.
    """

    name: ClassVar[str]
    package: ClassVar[str | None] = None

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Begin, or go on, in the folder of a training."""

    @classmethod
    def needed(cls) -> Any:
        """The package.

        Raises:
            ModuleNotFoundError: It is not installed; the message names the extra.
        """
        return cls.package and import_extra(cls.package, cls.name, f"`--logger {cls.name}`")

    @abstractmethod
    def settings(self, values: Mapping[str, Any]) -> None:
        """Keep all settings of the training: values that JSON can hold, in mappings by name."""

    @abstractmethod
    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Keep numbers by name, as they were after ``step`` steps. Steps are repeated where a training goes on."""

    @abstractmethod
    def close(self, failed: bool) -> None:
        """End, after a training that is complete, or was cut off."""


def title_of(folder: Path) -> str:
    """Name of the training in a folder, for people: ``out/train/001``."""
    return "/".join(folder.resolve().parts[-3:])


def run_id(folder: Path, new: Callable[[], str]) -> str:
    """The id of a run of a service: the one that was kept in a folder, else ``new()``, which is kept there.

    Raises:
        FileFormatError: What was kept is damaged.
        OSError: It cannot be kept.
    """
    path = folder / "logger.json"
    if not path.exists():
        write_json(path, {"run": new()})
    return str(read_json(path, "the run", {"run": str})["run"])
