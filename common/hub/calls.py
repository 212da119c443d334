"""Calls to a hub: what it refuses or answers wrongly is told as what it means, and no call lasts for ever."""

import errno
import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from anysense.common.errors import LONGEST_REASON, FileFormatError
from anysense.common.extras import import_extra
from anysense.common.files import UNWRITABLE

__all__ = ["asked", "cache_of", "check_sending", "endpoint", "hub_client", "hub_library", "seconds_for", "within"]

T = TypeVar("T")

HUGGING_FACE = "https://huggingface.co"
SECONDS, LEAST_SPEED = 60.0, 10_000
"""How long a call may take, and the bytes per second that it must move besides."""
_DISK = (*UNWRITABLE, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO)
_LATER = (408, 425, 429)
_TOKEN = "set HF_TOKEN, or log in with `hf auth login`"
_UNREACHED = (
    "{place} cannot be reached, or gave no answer of a hub ({said}). Check the connection, the proxy (HTTPS_PROXY) and "
    "HF_ENDPOINT, then try again."
)
_NO_TOKEN = f"{{place}} wants a valid token; {_TOKEN}."
_KNOWN: Mapping[str, tuple[type[Exception], str]] = {
    "OfflineModeIsEnabled": (ConnectionError, "HF_HUB_OFFLINE is set, so {place} is not asked; unset it to ask."),
    "GatedRepoError": (
        PermissionError,
        f"its owner asks for consent. Give it on {{place}} with a browser, and {_TOKEN}.",
    ),
    "RevisionNotFoundError": (
        FileNotFoundError,
        "{place} has the repository, but no such revision; check what follows '@'.",
    ),
    "RepositoryNotFoundError": (
        FileNotFoundError,
        f"{{place}} has no such repository, or shows it to others only. Check OWNER/NAME; for a private one {_TOKEN}.",
    ),
    "LocalTokenNotFoundError": (PermissionError, _NO_TOKEN),
}
"""What errors of huggingface_hub mean, by the name of their class; the first that fits."""
_REFUSED: Mapping[int, tuple[type[Exception], str]] = {
    401: (PermissionError, _NO_TOKEN),
    403: (
        PermissionError,
        "{place} refused it ({said}). Take a token that may do this: read the repository, or, to push, write to it.",
    ),
}


def hub_library(purpose: str) -> Any:
    """The package huggingface_hub; ModuleNotFoundError, which says how to install it, where it is not there."""
    return import_extra("huggingface_hub", "hub", purpose)


def hub_client(purpose: str) -> Any:
    """What asks the hub, with the token and the address that the environment gives."""
    from importlib.metadata import version

    api = hub_library(purpose).HfApi
    return api(endpoint=endpoint(), library_name="anysense", library_version=version("anysense"))


def check_sending(purpose: str) -> None:
    """Find out before any work whether something can be sent to the hub.

    Raises:
        ModuleNotFoundError: huggingface_hub is not installed.
        PermissionError: There is no token.
        ConnectionError: HF_HUB_OFFLINE is set.
    """
    hub = hub_library(purpose)
    with asked(purpose):
        if _constants().HF_HUB_OFFLINE:
            raise _errors().OfflineModeIsEnabled
        if not hub.get_token():
            raise _errors().LocalTokenNotFoundError


def endpoint() -> str:
    """Address of the hub: ``HF_ENDPOINT``, or that of Hugging Face where it is not set, or empty."""
    return str(_constants().ENDPOINT) or HUGGING_FACE


def cache_of() -> Path:
    """The cache of downloads, which ``HF_HOME`` or ``HF_HUB_CACHE`` moves."""
    return Path(_constants().HF_HUB_CACHE)


def seconds_for(size: int) -> float:
    """How long a call that moves ``size`` bytes may take."""
    return SECONDS + size / LEAST_SPEED


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; TimeoutError after so many seconds.

    The work is done in a thread of its own, which is left behind in that case: it ends with the connection that it
    waits for, or with the process.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=do, daemon=True, name="hub").start()
    if not done.wait(seconds):
        raise TimeoutError(f"it was not done within {seconds:.0f} seconds")
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Errors of calls inside become those of this module; ``what`` names what was asked for.

    Raises:
        FileNotFoundError: There is no such repository or revision, or the token may not read it.
        PermissionError: There is no token, it is not valid, or it may not do this.
        ConnectionError: The hub cannot be reached, failed, or gave no answer that can be read.
        ValueError: It refused what was asked for.
        OSError: The disk cannot be written.
    """
    try:
        yield
    except (FileFormatError, ModuleNotFoundError, MemoryError):
        raise
    except Exception as error:  # Its HTTP library differs from release to release, and so do its errors.
        _raise_meaning(what, error)


def _raise_meaning(what: str, error: Exception) -> NoReturn:
    if isinstance(error, OSError) and error.errno in _DISK:
        place = f"Cannot write into the cache `{cache_of()}` ({error.strerror})"
        remedy = "free space, or set HF_HOME to another folder, then try again"
        raise type(error)(error.errno, f"{place}; {remedy}") from error
    raise _meaning(what, error) from error


def _meaning(what: str, error: Exception) -> Exception:
    """What a user has to know of an error: it begins with what was asked for, and ends with what to do."""
    causes = [error]
    while causes[-1].__cause__ is not None and isinstance(causes[-1].__cause__, Exception):
        causes.append(causes[-1].__cause__)
    told = next((one for one in causes if _status(one) is not None or _known(one) is not None), causes[-1])
    kind, text = _words(told)
    return kind(f"{what}: {text.format(place=endpoint(), status=_status(told), said=_said(told))}")


def _words(error: Exception) -> tuple[type[Exception], str]:
    """The kind of error that it becomes, and its message."""
    known, status = _known(error), _status(error)
    if known is not None:
        return known
    if status is None:
        return ConnectionError, _UNREACHED
    if status >= 500 or status in _LATER:
        return ConnectionError, "{place} failed with status {status} ({said}); try again later."
    return _REFUSED.get(status, (ValueError, "{place} refused it with status {status} ({said})."))


def _known(error: Exception) -> tuple[type[Exception], str] | None:
    return next((words for name, words in _KNOWN.items() if isinstance(error, getattr(_errors(), name))), None)


def _status(error: Exception) -> int | None:
    """What the hub answered with, where it did."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _said(error: Exception) -> str:
    """What a hub or a library says, in one line."""
    text = " ".join((getattr(error, "server_message", None) or str(error)).split())[:LONGEST_REASON].strip(". ")
    text = text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}"
    return f"{text}; for a hub that does not know Xet set HF_HUB_DISABLE_XET=1" if "xet-" in text else text


def _constants() -> Any:
    return importlib.import_module("huggingface_hub.constants")


def _errors() -> Any:
    return importlib.import_module("huggingface_hub.errors")
