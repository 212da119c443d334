"""Fetch a file of CMU-MOSEI or CMU-MOSI from an address that the user knows; there is none that can be relied on."""

from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import urlopen

from anysense.common.files import replace_file
from anysense.common.progress import Progress
from anysense.representations.data.readers.sentiment_sources import neutral_name, obtainable

__all__ = ["download_sentiment"]

_BLOCK = 1 << 20
_TIMEOUT = 60.0


def download_sentiment(name: str, folder: str | Path, progress: Progress | None = None, url: str | None = None) -> Path:
    """Download the processed pickle, or our neutral file, to the name under which `load_sentiment` finds and checks it.

    Args:
        name: ``mosei`` or ``mosi``.
        folder: Where the file goes.
        progress: Called after every block with the bytes received and expected (0: not announced).
        url: Address of the file itself (http or https).

    Raises:
        FileNotFoundError: No address was given; says what can be had where.
        ValueError: The address is none, or what came from it is a web page or an archive.
        OSError: The server did not answer or broke off, or the file cannot be written.
    """
    if url is None:
        raise FileNotFoundError(obtainable(name))
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError(f"`url` must be the address of a file that begins with https://; got {url!r}.")
    received = Path(folder) / f".{name}.download"

    def fetch(temporary: Path) -> None:
        with temporary.open("wb") as file:
            _fetch(url, file, progress or (lambda done, total: None))

    try:
        replace_file(received, fetch)
        return received.replace(received.with_name(_file_name(name, received, url)))
    finally:
        received.unlink(missing_ok=True)


def _fetch(url: str, file: BinaryIO, progress: Progress) -> None:
    done = total = 0
    try:
        with urlopen(url, timeout=_TIMEOUT) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while block := answer.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress(done, total)
    except (OSError, HTTPException) as error:
        raise ConnectionError(
            f"Download of {url} failed after {done} bytes ({error}). Check the address and the connection, "
            "or download the file with a browser."
        ) from error
    if total and done != total:
        raise ConnectionError(f"Download of {url} broke off after {done} of {total} bytes. Run the command again.")


def _file_name(name: str, path: Path, url: str) -> str:
    """The name that fits the content."""
    with path.open("rb") as file:
        start = file.read(64)
    if start.lstrip().startswith(b"<") or not start:
        came = "a web page (a question to confirm, a quota, or a sign-in)" if start else "nothing"
    elif start.startswith((b"PK\x03\x04", b"\x1f\x8b", b"Rar!")):
        came = "an archive, which has to be unpacked first"
    else:
        return neutral_name(name) if start[8:9] == b"{" else f"{name}_data.pkl"
    raise ValueError(
        f"`url` must lead to the data file itself; {url} delivered {came}. Download with a browser and put the file "
        f"into `{path.parent}`."
    )
