"""Files for TensorBoard that never end the work: where they cannot be written, one warning says so.

Torch's own writer works in a thread that dies with a traceback on a full disk, and then fails the caller.
"""

import itertools
import os
import platform
import time
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.writer import FileWriter, SummaryWriter

from anysense.common.progress import say

__all__ = ["BoardWriter"]

_NUMBERS = itertools.count()


class BoardWriter(SummaryWriter):
    """Torch's ``SummaryWriter`` for a folder; each event is in the file when a call returns."""

    def __init__(self, folder: str | Path):
        super().__init__(log_dir=str(folder))

    def _get_file_writer(self) -> Any:
        own: Any = self  # Torch annotates what it holds as None.
        if own.file_writer is None:
            own.file_writer = _Writer(self.log_dir)
            own.all_writers = {self.log_dir: own.file_writer}
        return own.file_writer


class _Writer(FileWriter):
    def __init__(self, folder: str):
        self.event_writer = _EventFile(Path(folder))


class _EventFile:
    """What `FileWriter` hands events to."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._file: Any = None
        place = f"events.out.tfevents.{int(time.time()):010d}.{platform.node()}.{os.getpid()}.{next(_NUMBERS)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / place).open("ab", buffering=0)
        except OSError as error:
            self._give_up(error)
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def get_logdir(self) -> str:
        return str(self._folder)

    def add_event(self, event: Event) -> None:
        if self._file is not None:
            try:
                RecordWriter(self._file).write(event.SerializeToString())
            except OSError as error:
                self._give_up(error)

    def flush(self) -> None:
        """Nothing waits to be written."""

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _give_up(self, error: OSError) -> None:
        say(f"Warning: nothing more is written for TensorBoard to {self._folder} ({error.strerror}). All else is.")
        self.close()
