"""Exported folders from a hub: only files of known names and bounded sizes, compared with what the hub says of them.

They come into the cache of huggingface_hub, so that what is there once can be used without a network.
"""

import errno
import hashlib
import importlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anysense.common.errors import FileFormatError
from anysense.common.files import sha256_of, write_text
from anysense.common.hub.calls import asked, cache_of, endpoint, hub_client, hub_library, seconds_for, within
from anysense.common.hub.reference import Reference, reference_in, reference_of
from anysense.common.json_files import MAX_JSON_BYTES
from anysense.common.machine import in_bytes
from anysense.common.progress import say

__all__ = ["MOST_WEIGHTS", "Export", "HubFile", "downloaded", "files_at", "local_folder", "of_hub"]

MOST_WEIGHTS = 4 << 30
"""Most bytes of a file of weights."""
_OVERHEAD = 1 << 20
"""Bytes that a protocol may move besides a quarter more than those of the file."""
_NAMES = 6
"""Names that a message lists."""


@dataclass(frozen=True)
class Export:
    """What a kind of exported folder holds.

    Attributes:
        kind: What it is called.
        description: The file that describes it.
        weights: The files of tensors.
        more: Further files.
        check: Raises FileNotFoundError or FileFormatError unless the files of a folder are those that its descriptions
            name by their SHA-256.
        inside: Folders of a repository that may hold it, besides the repository itself.
    """

    kind: str
    description: str
    weights: Sequence[str]
    check: Callable[[Path], None]
    more: Sequence[str] = ()
    inside: Sequence[str] = ()

    @property
    def files(self) -> dict[str, int]:
        """Most bytes of each file, by name."""
        described = dict.fromkeys((self.description, *self.more), MAX_JSON_BYTES)
        return described | dict.fromkeys(self.weights, MOST_WEIGHTS)


@dataclass(frozen=True)
class HubFile:
    """What a hub says of a file: its size, and the SHA-256 of its content, or the SHA-1 that git gives it."""

    size: int
    sha256: str | None
    git_sha1: str | None

    def fits(self, path: Path) -> bool:
        """Whether the file at a path is this one."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            return sha256_of(path) == self.sha256
        content = path.read_bytes()
        head = b"blob %d\0" % len(content)
        return hashlib.sha1(head + content, usedforsecurity=False).hexdigest() == self.git_sha1


def local_folder(folder: str | Path, export: Export) -> str | Path:
    """The folder as it is, or where the reference that stands in its place was downloaded to (see `downloaded`)."""
    reference = reference_in(folder)
    return folder if reference is None else downloaded(reference, export)


def of_hub(path: Path) -> str | None:
    """The reference, with its commit, that a folder in the cache was downloaded by; None for another folder."""
    reference = reference_of(path)
    return None if reference is None else str(reference)


def downloaded(reference: Reference, export: Export) -> Path:
    """The folder in the cache that holds an export; what is not there yet is downloaded.

    A commit that is in the cache is taken from there. The hub is asked what commit a branch or a tag is now; if it
    cannot be reached, the last one that came from there is taken, with one line that says so.

    Raises:
        ModuleNotFoundError: huggingface_hub is not installed.
        FileNotFoundError: There is no such repository or revision, or it holds no such export.
        FileFormatError: A file is too large, or is not what the hub, or a description beside it, says it is.
        PermissionError: It wants a token.
        ConnectionError: The hub cannot be reached, and the cache does not hold the export.
        OSError: The cache cannot be written.
    """
    hub_library(f"`{reference}`")
    if reference.is_commit and (found := _cached(reference, export)):
        return found
    try:
        commit, files = files_at(reference)
        pinned = reference.at(commit)
        prefix = _prefix(reference, export, files)
        folder = _fetch(pinned, export, prefix, files)
    except ConnectionError as error:
        folder_before = None if reference.is_commit else _cached(reference, export)
        if folder_before is None:
            raise ConnectionError(f"{error} The cache `{cache_of()}` does not hold it either.") from error
        say(f"Taking what came last time, {of_hub(folder_before)}: {error}")
        return folder_before
    _check(pinned, export, folder)
    if not reference.is_commit:
        _remember(reference, commit)
    return folder


def files_at(reference: Reference) -> tuple[str, dict[str, HubFile]]:
    """The commit that a reference means now, and its files by name; raises as `downloaded`."""
    client = hub_client(f"`{reference}`")
    ask = partial(client.model_info, reference.repo, revision=reference.revision, files_metadata=True, timeout=30)
    with asked(f"`{reference}`"):
        info = within(seconds_for(0), ask)
        commit = Reference(reference.repo, str(info.sha))
        if not commit.is_commit:
            raise ConnectionError(f"it says that the commit is {info.sha!r}")
        return commit.revision, {str(one.rfilename): _hub_file(one) for one in info.siblings or ()}


def _hub_file(sibling: Any) -> HubFile:
    sha256 = getattr(sibling.lfs, "sha256", None)
    size = sibling.size if isinstance(sibling.size, int) else -1
    return HubFile(size, sha256, None if sha256 else sibling.blob_id)


def _prefix(reference: Reference, export: Export, files: Mapping[str, HubFile]) -> str:
    """Where in a repository an export lies; refuses a repository without it, and files that are too large."""
    places = ("", *(f"{folder}/" for folder in export.inside))
    found = next((place for place in places if place + export.description in files), None)
    if found is None:
        raise FileNotFoundError(
            f"`{reference}` holds no {export.kind} of anysense: expected {export.description}, there "
            f"{_listed(sorted(files))}. Pickles and files of other programs are never read; name another repository."
        )
    for name, most in export.files.items():
        if found + name not in files:
            raise FileNotFoundError(
                f"`{reference}` is incomplete: it has {found}{export.description}, but no {found}{name}. Take another "
                "revision, or ask its owner to push it again."
            )
        size = files[found + name].size
        if not 0 <= size <= most:
            raise FileFormatError(
                f"`{reference}` says that {found}{name} has {size:,} bytes; expected at most {most:,}. Nothing was "
                "downloaded."
            )
    return found


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "is nothing"
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{'is' if len(names) == 1 else 'are'} {', '.join(names[:_NAMES])}{more}"


def _fetch(reference: Reference, export: Export, prefix: str, files: Mapping[str, HubFile]) -> Path:
    """Bring the files of one commit into the cache; gives the folder of the export there."""
    snapshot = _snapshot(reference)
    wanted = {prefix + name: files[prefix + name] for name in export.files}
    missing = {name: one for name, one in wanted.items() if not one.fits(snapshot / name)}
    size = sum(one.size for one in missing.values())
    with asked(f"`{reference}`"):
        if missing:
            _check_room(size)
            say(f"Downloading {reference} ({in_bytes(size)}) into {cache_of()}")
        for name, one in missing.items():
            _download(reference, name, one, (snapshot / name).exists())
    return snapshot / prefix


def _check_room(size: int) -> None:
    try:
        cache_of().mkdir(parents=True, exist_ok=True)
    except OSError as error:  # Where no folder can be made, the reason is any one.
        raise PermissionError(errno.EACCES, error.strerror) from error
    free = shutil.disk_usage(cache_of()).free
    if size > free:
        raise OSError(errno.ENOSPC, f"{in_bytes(size)} are needed, {in_bytes(free)} are free")


def _download(reference: Reference, name: str, expected: HubFile, anew: bool) -> None:
    """Bring one file into the cache, and take it out again if it is not what the hub has said."""
    hub = hub_library(f"`{reference}`")
    fetch = partial(hub.hf_hub_download, reference.repo, name, revision=reference.revision, force_download=anew)
    bar = _limited(expected.size, f"`{reference}`: {name}")
    options = {"cache_dir": cache_of(), "endpoint": endpoint(), "tqdm_class": bar}
    try:
        path = Path(within(seconds_for(expected.size), partial(fetch, **options)))
    except Exception:  # Older releases would go on after what came, whatever that was.
        with suppress(OSError):
            (_repository(reference) / "blobs" / f"{expected.sha256 or expected.git_sha1}.incomplete").unlink()
        raise
    if not expected.fits(path):
        for file in (path.resolve(), path):  # The content, and the link to it.
            with suppress(OSError):
                file.unlink()
        raise FileFormatError(
            f"`{reference}`: what came as {name} is not the file that the hub lists (size or SHA differ). It was "
            "removed; try again, or check the proxy and HF_ENDPOINT."
        )


def _limited(most: int, what: str) -> type[Any]:
    """A progress bar that is not shown, and ends a download that brings more than it should."""
    usual: Any = importlib.import_module("tqdm.auto").tqdm

    class Limited(usual):  # type: ignore[misc]
        """Only counts."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": True})
            self.taken = 0.0

        def update(self, n: float | None = 1) -> None:
            self.taken += n or 0
            if self.taken > 1.25 * most + _OVERHEAD:
                raise FileFormatError(f"{what} brings more than the {most:,} bytes that the hub lists; it was ended.")

    return Limited


def _repository(reference: Reference) -> Path:
    """Where the cache keeps a repository."""
    return cache_of() / f"models--{reference.repo.replace('/', '--')}"


def _snapshot(reference: Reference) -> Path:
    return _repository(reference) / "snapshots" / reference.revision


def _remembered(reference: Reference) -> Path:
    """Where the cache keeps which commit a branch or a tag was."""
    return _repository(reference) / "refs" / reference.revision


def _remember(reference: Reference, commit: str) -> None:
    with suppress(OSError):  # A cache that can only be read serves as well.
        write_text(_remembered(reference), commit)


def _cached(reference: Reference, export: Export) -> Path | None:
    """The folder of an export in the cache; None where it is not there, or is damaged."""
    if not reference.is_commit:
        try:
            reference = reference.at(_remembered(reference).read_text().strip())
        except (OSError, ValueError):
            return None
        if not reference.is_commit:
            return None
    for inside in ("", *export.inside):
        folder = _snapshot(reference) / inside
        if (folder / export.description).is_file():
            with suppress(FileNotFoundError, FileFormatError):
                export.check(folder)
                return folder
    return None


def _check(reference: Reference, export: Export, folder: Path) -> None:
    """What is on the hub must be what its own record says."""
    try:
        export.check(folder)
    except (FileNotFoundError, FileFormatError) as error:
        said = str(error).replace(f"{folder}/", "").removesuffix(".")
        raise FileFormatError(
            f"`{reference}` is not what its own record says: {said}. Take another revision, or tell its owner."
        ) from error
