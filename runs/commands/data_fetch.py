"""`anysense data digits | mfeat`: published files onto this machine, checked."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.progress import counter, stage
from anysense.runs.commands.data import Part, use_of
from anysense.runs.settings import TracebackSettings, parse

if TYPE_CHECKING:
    from anysense.representations.data.samples import Splits

__all__ = ["PARTS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DigitsSettings(TracebackSettings):
    """Fetch real digits, 30 MB: images of MNIST, recordings of the Free Spoken Digit Dataset, pen strokes of UCI.

    Licences: CC BY-SA 3.0, CC BY-SA 4.0 and CC BY 4.0. Each file is checked against its published SHA-256.
    """

    folder: Path = Path("data/digits")
    """Where the files are or shall be."""
    source: Path | None = None
    """Folder that holds the files already: they are checked and copied, nothing is downloaded."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MfeatSettings(TracebackSettings):
    """Fetch UCI Multiple Features (CC BY 4.0), 5 MB: 2 000 numerals in six views."""

    folder: Path = Path("data/mfeat")
    """Where the files are or shall be."""
    source: Path | None = None
    """Folder that holds the files already: they are checked and copied, nothing is downloaded."""


def _digits(arguments: Sequence[str]) -> None:
    settings = parse(DigitsSettings(), arguments, "data digits")
    from anysense.representations.data.readers.digits import load_digits
    from anysense.representations.data.readers.published_files import fetch_digits

    with stage("Fetching what is missing and checking it"), counter("bytes") as progress:
        fetch_digits(settings.folder, settings.source, progress)
    with stage("Reading digits"):
        splits = load_digits(settings.folder)
    _say("digits", settings.folder, splits)


def _mfeat(arguments: Sequence[str]) -> None:
    settings = parse(MfeatSettings(), arguments, "data mfeat")
    from anysense.representations.data.readers.mfeat import load_mfeat
    from anysense.representations.data.readers.published_files import fetch_mfeat

    with stage("Fetching what is missing and checking it"), counter("bytes") as progress:
        published = fetch_mfeat(settings.folder, settings.source, progress)
    if not published:
        print("The numbers differ from those that the tables of anysense were made with (in their first five digits).")
    _say("mfeat", settings.folder, load_mfeat(settings.folder))


def _say(name: str, folder: Path, splits: "Splits") -> None:
    sizes = ", ".join(
        f"{len(getattr(splits, part)):,} to {verb}" for part, verb in (("train", "train on"), ("test", "test on"))
    )
    print(f"{name} in {folder}: by default {sizes}.")
    print(use_of(name, folder))


PARTS: Mapping[str, Part] = {"digits": _digits, "mfeat": _mfeat}
