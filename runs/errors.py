"""How a failure leaves the command line: one paragraph on stderr and an honest exit code."""

import errno
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from anysense.common.errors import FileFormatError
from anysense.common.extras import MissingExtraError
from anysense.common.files import UNWRITABLE, cannot_write

__all__ = [
    "BAD_INPUT",
    "FAILED",
    "INTERRUPTED",
    "TERMINATED",
    "exit_code",
    "refuses_input",
    "report_error",
    "terminable",
]

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143
BEGIN_AGAIN = "Type the command again to start over; files that were complete are kept."
"""Advice where nothing can be continued, because no run had begun or the command makes none."""

_INPUT_ERRORS = (
    ValueError,
    TypeError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
    MissingExtraError,
)


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM came; handled as Ctrl-C is, so that runs are marked and workers end."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM interrupt what is done inside, instead of ending the process on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Any) -> NoReturn:
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(error: BaseException) -> int:
    """2 for wrong input, 130 for Ctrl-C, 143 for SIGTERM, 1 for work that failed."""
    if isinstance(error, KeyboardInterrupt):
        return TERMINATED if isinstance(error, _TerminatedError) else INTERRUPTED
    too_long = isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP)
    return BAD_INPUT if too_long or isinstance(error, _INPUT_ERRORS) else FAILED


def refuses_input(error: BaseException) -> bool:
    """Whether work found its settings or data to be wrong, so that going on with it would find the same again."""
    return isinstance(error, (ValueError, TypeError)) and not isinstance(error, (FileFormatError, OSError))


def report_error(error: BaseException, show_traceback: bool = False) -> int:
    """Print `error` as one paragraph on stderr and return the exit code."""
    if show_traceback:
        traceback.print_exception(error, file=sys.stderr)
    advice = " ".join(getattr(error, "__notes__", ()))
    if isinstance(error, KeyboardInterrupt):
        print(f"Interrupted. {advice or BEGIN_AGAIN}", file=sys.stderr)
        return exit_code(error)
    kind = "" if isinstance(error, (*_INPUT_ERRORS, OSError)) else f"{type(error).__name__}: "
    hint = "" if show_traceback or exit_code(error) == BAD_INPUT else " (--traceback shows where.)"
    print(f"Error: {kind}{_message(error)}{hint}", file=sys.stderr)
    if advice:
        print(advice, file=sys.stderr)
    return exit_code(error)


def _message(error: BaseException) -> str:
    """One line; what the operating system refused is named by its file and its reason."""
    if isinstance(error, OSError) and error.strerror:
        if error.filename is not None and error.errno in UNWRITABLE:
            return f"{cannot_write(error.filename, error)}."
        return error.strerror if error.filename is None else f"`{error.filename}`: {error.strerror}."
    return " ".join(str(error).split()) or "no further message"
