"""The published files of `digits` and `mfeat`: where they come from, what they must be, and how they get here."""

import gzip
import hashlib
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anysense.common.errors import reading
from anysense.common.files import replace_folder
from anysense.common.progress import Progress
from anysense.representations.data.readers.download import Received, download, fetch_url
from anysense.representations.data.readers.mfeat import MFEAT_SHA256, WIDTHS, mfeat_digest, read_mfeat, read_view

__all__ = ["DIGIT_FILES", "RECORDINGS_URL", "PublishedFile", "fetch_digits", "fetch_mfeat"]

MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist"
UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
RECORDINGS_URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/26eb9aa.zip"
RECORDINGS_SHA256 = "6b1a8e30f4df78a933fe25cf1ca0140c8c6f169c0a83649a15b70a5ae7407014"
"""Of name, a zero byte and content of every recording, in the order of the names."""
RECORDINGS = "recordings"
AGAIN = "Remove it and run the command again."
AS_IT_IS = "or use it as it is by `anysense classify --data digits --folder`."
OTHER_SOURCE = "Name another folder with --source, or leave it out to download the file."
MOST_BYTES, MOST_RECORDINGS, LARGEST_RECORDING = 64 << 20, 10_000, 1 << 20

Check = Callable[[Path, str], None]
"""Raises ValueError, with an advice behind it, unless a file is what is expected."""


@dataclass(frozen=True)
class PublishedFile:
    """One file.

    Attributes:
        name: Its name in the folder.
        url: Where it is published.
        sha256: Of its content, unpacked if it is gzipped: the wrapping differs between mirrors.
    """

    name: str
    url: str
    sha256: str


DIGIT_FILES = (
    PublishedFile(
        "t10k-images-idx3-ubyte.gz",
        f"{MNIST}/t10k-images-idx3-ubyte.gz",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    PublishedFile(
        "t10k-labels-idx1-ubyte.gz",
        f"{MNIST}/t10k-labels-idx1-ubyte.gz",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    PublishedFile(
        "pendigits.tra",
        f"{UCI}/pendigits/pendigits.tra",
        "e86a1731a46d8ff937953d671de8d160d7b04b7f7de08a79b67d1de7f23123ef",
    ),
    PublishedFile(
        "pendigits.tes",
        f"{UCI}/pendigits/pendigits.tes",
        "8bd03229c5c5291fefe43e45465dd948d2645bf23328b9d993e0b777666b2015",
    ),
)


def fetch_digits(folder: Path, source: Path | None = None, progress: Progress | None = None) -> None:
    """Put the files of `digits` into `folder`: those of ``source`` if it is given, else from where they are published.

    What is there already is checked and kept. A file appears under its name only when it has the published content.

    Raises:
        ConnectionError: A download failed; the message says how to fetch the file by hand.
        FileNotFoundError: ``source`` lacks a file.
        ValueError: What came, or is there already, is not the published file.
        OSError: A file cannot be written.
    """
    tell = progress or (lambda done, total: None)
    for file in DIGIT_FILES:
        _fetch(folder / file.name, file.url, source, tell, partial(_check_content, file))
    _fetch_recordings(folder, source, tell)


def fetch_mfeat(folder: Path, source: Path | None = None, progress: Progress | None = None) -> bool:
    """Put the six files of `mfeat` into `folder`; returns whether all numbers are the published ones to five digits.

    Other numbers are no error: the original files are compared with an edition that was rounded to five digits.
    Raises what `fetch_digits` raises.
    """
    tell = progress or (lambda done, total: None)
    for name in WIDTHS:
        forms = (f"mfeat-{name}", f"mfeat-{name}.csv")
        places = (folder, source) if source is not None else (folder,)
        file = next((form for place in places for form in forms if (place / form).is_file()), forms[0])
        check = partial(_check_view, name, file == forms[1])
        _fetch(folder / file, f"{UCI}/mfeat/{forms[0]}", source, tell, check)
    return mfeat_digest(read_mfeat(folder)[0]) == MFEAT_SHA256


def _fetch(path: Path, url: str, source: Path | None, progress: Progress, check: Check) -> None:
    if path.is_file():
        check(path, AGAIN)
        return
    if source is not None:
        given = source / path.name
        if not given.is_file():
            raise FileNotFoundError(f"`{given}` does not exist; `source` must be a folder with the published files.")
        check(given, OTHER_SOURCE)
        download(path, lambda received: _copy(given, received), lambda received: check(received, OTHER_SOURCE))
        return
    by_hand = (
        f"By hand: put the file from this address at `{path}`, and run the command again; or name a folder with "
        "--source."
    )
    try:
        download(path, lambda received: fetch_url(url, received, progress), lambda received: check(received, ""))
    except ConnectionError as error:
        raise ConnectionError(f"{error} {by_hand}") from error
    except ValueError as error:
        raise ValueError(f"{url}: {error} {by_hand}") from error


def _copy(source: Path, received: Received) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, received)


def _check_size(path: Path, advice: str) -> None:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"`{path}` must be at most {MOST_BYTES:,} bytes; got {path.stat().st_size:,}. {advice}".strip()
        )


def _check_view(name: str, commas: bool, path: Path, advice: str) -> None:
    read_view(path, name, commas, advice)


def _check_content(file: PublishedFile, path: Path, advice: str) -> None:
    _check_size(path, advice)
    try:
        with gzip.open(path) if file.name.endswith(".gz") else path.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"`{path}` is damaged: {error}. {advice}".strip()) from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise ValueError(
            f"`{path}` must hold the published {file.name}, SHA-256 {file.sha256} (unpacked); got {found}. "
            f"{advice}".strip()
        )


def _fetch_recordings(folder: Path, source: Path | None, progress: Progress) -> None:
    place = folder / RECORDINGS
    if place.is_dir():
        _check_recordings(_of_folder(place), place, f"Remove the folder and run the command again, {AS_IT_IS}")
        return
    if source is not None:
        if not (source / RECORDINGS).is_dir():
            raise FileNotFoundError(f"`{source / RECORDINGS}` does not exist; `source` must hold the published files.")
        _write_recordings(place, dict(_of_folder(source / RECORDINGS)), source / RECORDINGS, OTHER_SOURCE)
        return
    archive = folder / "recordings.zip"
    _fetch(archive, RECORDINGS_URL, None, progress, _check_size)
    with reading(archive, AGAIN):
        found = dict(_of_archive(archive))
    _write_recordings(place, found, archive, AGAIN)
    archive.unlink()


def _write_recordings(place: Path, found: dict[str, bytes], origin: Path, advice: str) -> None:
    _check_recordings(iter(sorted(found.items())), origin, advice)
    with replace_folder(place) as new:
        for name, content in found.items():
            (new / name).write_bytes(content)


def _check_recordings(found: Iterator[tuple[str, bytes]], place: Path, advice: str) -> None:
    digest, count = hashlib.sha256(), 0
    for name, content in found:
        digest.update(name.encode() + b"\0" + content)
        count += 1
    if digest.hexdigest() != RECORDINGS_SHA256:
        raise ValueError(
            f"`{place}` must hold the 3 000 recordings of the Free Spoken Digit Dataset, SHA-256 {RECORDINGS_SHA256}; "
            f"got {count} and {digest.hexdigest()}. {advice}"
        )


def _of_folder(place: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(place.glob("*.wav")):
        if path.stat().st_size > LARGEST_RECORDING:
            raise ValueError(f"`{path}` must be at most {LARGEST_RECORDING:,} bytes.")
        yield path.name, path.read_bytes()


def _of_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for entry in sorted(entries, key=lambda it: it.filename):
            match = re.fullmatch(r"[^/]+/recordings/([0-9]_[a-z]+_[0-9]+\.wav)", entry.filename)
            if match is None:
                continue
            if entry.file_size > LARGEST_RECORDING or len(entries) > MOST_RECORDINGS:
                raise ValueError(f"`{entry.filename}` has {entry.file_size:,} bytes; expected at most 1 MB.")
            with archive.open(entry) as file:
                yield match[1], file.read(LARGEST_RECORDING)
