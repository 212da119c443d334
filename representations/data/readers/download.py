"""Downloads: what comes goes into a temporary file, which takes its place only when its size and content are right."""

import time
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from anysense.common.files import replace_file
from anysense.common.progress import Progress

__all__ = ["SECONDS", "Received", "check_url", "download", "fetch_url"]

MOST_BYTES = 16 << 30
"""No published file is larger."""
SECONDS, LEAST_BYTES = 60.0, 1 << 16
"""How long a server may be silent, and what it must send in that time."""
_BLOCK = 1 << 20


class Received:
    """Takes what comes, as a file: not more than `MOST_BYTES`, and not slower than `LEAST_BYTES` in `SECONDS`."""

    def __init__(self, file: BinaryIO) -> None:
        self.done = 0
        self.disk_error: OSError | None = None  # Kept, so that it is not taken for a fault of the connection.
        self._file, self._since, self._before = file, time.monotonic(), 0

    def write(self, block: bytes) -> int:
        """Keep a block."""
        self.done, now = self.done + len(block), time.monotonic()
        if self.done > MOST_BYTES:
            raise ValueError(f"what came has more than {MOST_BYTES:,} bytes.")
        if now - self._since > SECONDS:
            if self.done - self._before < LEAST_BYTES:
                raise TimeoutError(f"{self.done - self._before} bytes in {now - self._since:.0f} seconds")
            self._since, self._before = now, self.done
        try:
            return self._file.write(block)
        except OSError as error:
            self.disk_error = error
            raise

    def flush(self) -> None:
        """Nothing: the file is flushed when it is complete."""


def download(path: Path, fetch: Callable[[Received], None], check: Callable[[Path], object]) -> Path:
    """Put what ``fetch`` writes in the place of ``path``, if ``check`` raises nothing for it; else ``path`` stays.

    ``check`` may change the temporary file that it gets.

    Raises:
        OSError: The disk refused it, or ``fetch`` failed.
        ValueError: ``check`` refused it with a TypeError or ValueError.
    """

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file:
            received = Received(file)
            try:
                fetch(received)
            except Exception:
                if received.disk_error is not None:
                    raise received.disk_error from None
                raise
        try:
            check(temporary)
        except (TypeError, ValueError) as error:
            said = str(error).replace(f"`{temporary}`", "what came").replace(f"`{temporary.name}`", "what came")
            raise ValueError(said) from error

    return replace_file(path, fill)


def check_url(url: str) -> None:
    """Raise ValueError unless ``url`` is an address of http or https."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"`url` must be the address of a file that begins with https://; got {url!r}.")


def fetch_url(url: str, received: Received, progress: Progress) -> None:
    """Fetch the file at ``url``, of http or https, also where it is redirected to.

    Raises:
        ConnectionError: The server did not answer, broke off, stalled, or led elsewhere.
        ValueError: It is too large.
    """
    total = 0
    try:
        with build_opener(_WebOnly).open(url, timeout=SECONDS) as answer:
            total = _length(answer.headers.get("Content-Length", ""))
            while block := answer.read1(_BLOCK):
                received.write(block)
                progress(received.done, total)
    except (OSError, HTTPException) as error:
        raise ConnectionError(
            f"Download of {url} failed after {received.done} bytes ({_reason(error)}). Check the address and the "
            "connection, or download the file with a browser."
        ) from error
    if total and received.done != total:
        raise ConnectionError(
            f"Download of {url} broke off after {received.done} of {total} bytes. Run the command again."
        )


def _reason(error: Exception) -> object:
    """What happened, without the address, which the message names already."""
    if isinstance(error, HTTPError):
        error.close()
        return error
    return error.reason if isinstance(error, URLError) else error


def _length(announced: str) -> int:
    """The length that a server announces, 0 if that is no number."""
    length = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
    if length > MOST_BYTES:
        raise ValueError(f"the file has {length:,} bytes; expected at most {MOST_BYTES:,}.")
    return length


class _WebOnly(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise HTTPError(req.full_url, code, f"redirection to {newurl!r} is not allowed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
