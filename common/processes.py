"""Work in processes of its own, whose memory is given back: started, watched, ended with the one that started them."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from typing import Any

__all__ = ["EndedError", "end_all", "ending", "sendable", "start"]

SECONDS_TO_STOP = 5.0
"""How long a process that shall end may take to clean up."""


class EndedError(RuntimeError):
    """A process ended without a word.

    Attributes:
        code: Its exit code; minus the number of the signal that killed it.
    """

    def __init__(self, code: int) -> None:
        how = f"was killed by signal {-code}, perhaps for lack of memory" if code < 0 else f"ended with code {code}"
        super().__init__(how)
        self.code = code


def start(work: Callable[..., None], *arguments: Any) -> tuple[Connection, SpawnProcess]:
    """Start a process that calls ``work`` with the arguments; the connection tells how that ended.

    The process ignores Ctrl-C, which the one that started it answers, and ends when that one is gone. What interrupts
    this one while the other starts ends both.
    """
    sent = pickle.dumps((work, arguments))
    context = multiprocessing.get_context("spawn")  # A fork would copy torch's thread pools in an undefined state.
    (receiver, sender), (taken, given) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(sender, taken, os.getpid()))
    try:
        with _without_lost_program(), _undisturbed():
            process.start()
        taken.close()
        with contextlib.suppress(BrokenPipeError):  # It is gone already; `ending` tells how.
            given.send_bytes(sent)
    except BaseException:
        if process.pid is not None:
            process.kill()
            process.join()
        receiver.close()
        raise
    finally:
        for end in (sender, taken, given):
            end.close()
    return receiver, process


def ending(receiver: Connection, process: SpawnProcess) -> Exception | None:
    """Wait until a process has ended; the error of its work, an `EndedError` if it was killed, or None."""
    try:
        error: Exception | None = receiver.recv()
    except EOFError:
        _end(process)
        return EndedError(process.exitcode or 0)
    finally:
        receiver.close()
    _end(process)
    return error


def end_all(processes: Sequence[SpawnProcess]) -> None:
    """End processes that are not needed any more."""
    for process in processes:
        process.terminate()
    for process in processes:
        _end(process)


def sendable(error: Exception) -> Exception:
    """The error, or its text where it cannot be restored in another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextlib.contextmanager
def _without_lost_program() -> Iterator[None]:
    """Keep a new process from reading this program again where it is no file, as with ``python -``."""
    program = sys.modules["__main__"]
    path = getattr(program, "__file__", None)
    if path is None or Path(path).exists():
        yield
        return
    del program.__file__
    try:
        yield
    finally:
        program.__file__ = path


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until a process has started, which would else complain of work that is cut off.

    The process has Ctrl-C blocked until it ignores it.
    """
    ensure_running()  # It would lift the block.
    came: list[int] = []
    mine = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number)) if mine else None
    _block(signal.SIG_BLOCK)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
        try:
            for number in came:
                signal.raise_signal(number)
        finally:
            _block(signal.SIG_UNBLOCK)


def _block(how: int) -> None:
    """Block Ctrl-C, or let it through, where there is such a thing."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(how, {signal.SIGINT})


def _end(process: SpawnProcess) -> None:
    """Wait for a process that is at its end; one that does not end is killed."""
    process.join(SECONDS_TO_STOP)
    process.kill()
    process.join()


def _do(sender: Connection, taken: Connection, parent: int) -> None:
    """Do the work in a process of its own, which ends when the parent says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides.
    _block(signal.SIG_UNBLOCK)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # Removes temporary files.
    _leave_with_parent(parent)
    try:
        work, arguments = pickle.loads(taken.recv_bytes())
    except EOFError:  # The parent was interrupted, or is gone.
        sys.exit(1)
    try:
        work(*arguments)
    except Exception as error:
        sender.send(sendable(error))
    else:
        sender.send(None)


def _leave_with_parent(parent: int) -> None:
    """End this process when its parent is gone: it would go on with work that a resumed run does as well."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
