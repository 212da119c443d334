"""Files for TensorBoard: read back by TensorBoard itself, and without influence where they cannot be written."""

import errno
import os
import threading

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from anysense.common.board import BoardWriter


def test_events_are_in_the_file_at_once(tmp_path):
    writer = BoardWriter(tmp_path / "a")
    threads = threading.active_count()
    for step in range(3):
        writer.add_scalar("loss", 0.5 * step, step)
    events = EventAccumulator(str(tmp_path / "a")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    writer.close()
    assert threading.active_count() == threads
    writer.add_scalar("loss", 4.0, 4)  # Into a second file, as with torch's own.
    writer.close()
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_no_folder_is_one_warning(tmp_path, capsys):
    (tmp_path / "file").touch()
    writer = BoardWriter(tmp_path / "file" / "board")
    writer.add_scalar("loss", 1.0, 0)
    writer.flush()
    writer.close()
    message = f"Warning: nothing more is written for TensorBoard to {tmp_path / 'file' / 'board'} (Not a directory)."
    assert capsys.readouterr().err == f"{message} All else is.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_one_warning(tmp_path, capsys):
    writer = BoardWriter(tmp_path)
    (event_file,) = tmp_path.iterdir()
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), writer.file_writer.event_writer._file.fileno())
    for step in range(3):
        writer.add_scalar("loss", 1.0, step)
    writer.close()
    assert capsys.readouterr().err.count(os.strerror(errno.ENOSPC)) == 1
    assert EventAccumulator(str(event_file)).Reload().Tags()["scalars"] == []
