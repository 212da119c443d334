"""Processes of our own: what interrupts them while they start."""

import multiprocessing
import os
import signal
import time
from multiprocessing import util
from multiprocessing.resource_tracker import ensure_running

import pytest

from anysense.common.processes import ending, start


class StopError(Exception):
    """What the handler raises."""


def stop(number, frame):
    raise StopError


@pytest.fixture
def when_spawned(monkeypatch):
    """Lets something be done with the id of each process that was just spawned and has read nothing yet."""

    def do(work):
        spawn = util.spawnv_passfds

        def spawned(*arguments):
            pid = spawn(*arguments)
            work(pid)
            return pid

        ensure_running()
        monkeypatch.setattr(util, "spawnv_passfds", spawned)

    return do


def test_ctrl_c_while_a_process_starts_is_no_end_of_it(when_spawned, capfd):
    when_spawned(lambda pid: os.kill(pid, signal.SIGINT))
    receiver, process = start(len, "work")
    assert ending(receiver, process) is None
    assert capfd.readouterr().err == ""


def test_an_interrupt_while_a_process_starts_leaves_none_and_no_complaint(when_spawned, capfd):
    when_spawned(lambda pid: signal.raise_signal(signal.SIGTERM))  # to this process
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(StopError):
            start(len, bytes(1 << 20))
        assert signal.getsignal(signal.SIGTERM) is stop
        assert not multiprocessing.active_children()
    finally:
        signal.signal(signal.SIGTERM, before)
    time.sleep(0.5)  # in which one that is left would complain
    assert capfd.readouterr().err == ""
