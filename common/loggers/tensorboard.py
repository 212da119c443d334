"""Files for TensorBoard."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysense.common.board import BoardWriter
from anysense.common.loggers.logger import Logger

__all__ = ["TensorBoard"]


class TensorBoard(Logger):
    """Event files in ``tensorboard/``; settings are a text, which TensorBoard shows as Markdown."""

    name = "tensorboard"

    def __init__(self, folder: Path) -> None:
        self._writer = BoardWriter(folder / self.name)

    def settings(self, values: Mapping[str, Any]) -> None:
        """As JSON."""
        self._writer.add_text("settings", f"```json\n{json.dumps(values, indent=2, default=str)}\n```")

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One event each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, failed: bool) -> None:
        """Close the file."""
        self._writer.close()
