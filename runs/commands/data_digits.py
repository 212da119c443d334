"""`anysense data mhd | mhd-offline`: get the multimodal digits onto this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from anysense.common.progress import counter, stage
from anysense.representations.data.offline import load_mhd_offline
from anysense.representations.data.readers.mhd import MHD_FOLDER
from anysense.representations.data.readers.mhd_download import download_mhd
from anysense.representations.data.samples import Samples
from anysense.runs.commands.data import Part
from anysense.runs.settings import parse

__all__ = ["PARTS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DownloadSettings:
    """Download the two published MHD files and check every field in them."""

    folder: Path = MHD_FOLDER
    """Where the files are or shall be."""
    traceback: bool = False
    """Show the Python traceback of an error."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfflineSettings:
    """Make digits with image, sound and trajectory on this machine, in the shapes of MHD, and keep them."""

    train: int = 20_000
    """Samples to train on."""
    test: int = 4_000
    """Samples to test on; they share no source image, speaker or writer with those to train on."""
    seed: int = 0
    """Seed of everything random in them."""
    folder: Path | None = None
    """Where to keep them; the cache folder of anysense if not given."""
    traceback: bool = False
    """Show the Python traceback of an error."""


def _download(arguments: Sequence[str]) -> None:
    settings = parse(DownloadSettings(), arguments, "data mhd")
    with stage("Downloading what is missing and checking MHD"):
        counts = download_mhd(settings.folder)
    print(f"MHD in {settings.folder}: {counts['train']:,} samples to train on, {counts['test']:,} to test on.")


def _make(arguments: Sequence[str]) -> None:
    settings = parse(OfflineSettings(), arguments, "data mhd-offline")
    with stage("Making mhd-offline, or reading it where it was made before"), counter("samples") as progress:
        train, test = load_mhd_offline(settings.train, settings.test, settings.seed, settings.folder, progress)
    print("\n".join(f"{part}: {_line(samples)}" for part, samples in (("train", train), ("test", test))))


def _line(samples: Samples) -> str:
    details = samples.details
    return (
        f"{samples.fingerprint()}; from {len(details['source_images'])} images, {len(details['speakers'])} speakers "
        f"and {details['writers']} writers of its own"
    )


PARTS: Mapping[str, Part] = {"mhd": _download, "mhd-offline": _make}
