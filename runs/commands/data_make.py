"""`anysense data mhd | mhd-offline | mosei | mosi | mosei-offline`: data sets onto this machine, and what they are."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.files import sha256_of
from anysense.common.progress import counter, say, stage
from anysense.common.validation import check_seed
from anysense.runs.commands.data import Part, use_of
from anysense.runs.settings import TracebackSettings, parse
from anysense.runs.tables import Table, print_table

if TYPE_CHECKING:
    from anysense.representations.data.samples import Samples, Splits

__all__ = ["PARTS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DownloadSettings(TracebackSettings):
    """Download the two published MHD files and check every field in them."""

    folder: Path = Path("data/mhd")
    """Where the files are or shall be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DigitsSettings(TracebackSettings):
    """Make digits with image, sound and trajectory on this machine, in the shapes of MHD, and keep them."""

    train: int = 20_000
    """Samples to train on."""
    test: int = 4_000
    """Samples to test on; they share no source image, speaker or writer with those to train on."""
    seed: int = 0
    """Seed of everything random in them."""
    folder: Path | None = None
    """Where to keep them; the cache folder of anysense if not given."""

    def __post_init__(self) -> None:
        check_seed("seed", self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentimentSettings(TracebackSettings):
    """Check CMU-MOSEI or CMU-MOSI, and convert it once to a file that holds nothing but numbers.

    Looked for in the folder: mosei.safetensors (already converted), mosei_data.pkl or mosei_senti_data.pkl (processed
    features), or mosei_train_a.dt, mosei_valid_a.dt and mosei_test_a.dt (caches); for CMU-MOSI the same with mosi.
    Nothing that such a file contains is run.
    """

    folder: Path | None = None
    """Folder of the files; data/mosei or data/mosi if not given."""
    url: str | None = None
    """Address of the processed pickle, or of a converted file: it is downloaded, checked and converted first."""
    sha256: str | None = None
    """Digest that the file at --url must have, if you know it."""
    again: bool = False
    """Download although there is a converted file, and replace it."""

    def __post_init__(self) -> None:
        if self.url is None and (self.again or self.sha256 is not None):
            raise ValueError("`again` and `sha256` belong to a download; give the address with `--url`.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoseiOfflineSettings(TracebackSettings):
    """Make the synthetic stand-in for CMU-MOSEI and show what it looks like; nothing is kept.

    It is made anew wherever it is used, from the same seed always the same.
    """

    train: int = 16_265
    """Samples to train on."""
    validation: int = 1_869
    """Samples to choose by."""
    test: int = 4_643
    """Samples to report on."""
    seed: int = 0
    """Seed of the data."""

    def __post_init__(self) -> None:
        check_seed("seed", self.seed)


def _download_digits(arguments: Sequence[str]) -> None:
    settings = parse(DownloadSettings(), arguments, "data mhd")
    from anysense.representations.data.readers.mhd_download import download_mhd

    with stage("Downloading what is missing and checking MHD"), counter("downloading") as progress:
        counts = download_mhd(settings.folder, progress)
    print(f"MHD in {settings.folder}: {counts['train']:,} samples to train on, {counts['test']:,} to test on.")
    print(use_of("mhd", settings.folder))


def _make_digits(arguments: Sequence[str]) -> None:
    settings = parse(DigitsSettings(), arguments, "data mhd-offline")
    from anysense.representations.data.offline import load_mhd_offline

    with stage("Making mhd-offline, or reading it where it was made before"), counter("samples") as progress:
        train, test = load_mhd_offline(settings.train, settings.test, settings.seed, settings.folder, progress)
    for part, samples in (("train", train), ("test", test)):
        own = samples.details
        sources = f"{len(own['source_images'])} images, {len(own['speakers'])} speakers and {own['writers']} writers"
        print(f"{part}: {samples.fingerprint()}; from {sources} of its own")


def _check_sentiment(name: str, arguments: Sequence[str]) -> None:
    settings = parse(SentimentSettings(), arguments, f"data {name}")
    from anysense.representations.data.readers.sentiment import download_sentiment, load_sentiment

    folder = settings.folder or Path("data") / name
    if settings.url is not None:
        with stage(f"Downloading {settings.url}"), counter("downloading") as progress:
            download_sentiment(name, folder, settings.url, settings.sha256, settings.again, progress, say)
    splits = load_sentiment(name, folder, say)
    details = splits.train.details
    _show(f"CMU-{name.upper()}", splits)
    print(f"Edition {details['edition']}: {details['edition_note']}")
    for file, checksum in details["sources"].items():
        print(f"Made from {file}, SHA-256 {checksum}")
        if (folder / file).is_file() and sha256_of(folder / file) != checksum:
            print(f"`{folder / file}` is another file now: remove `{folder / f'{name}.safetensors'}` to convert it.")
    print(use_of(name, folder))


def _make_sentiment(arguments: Sequence[str]) -> None:
    settings = parse(MoseiOfflineSettings(), arguments, "data mosei-offline")
    from anysense.representations.data.offline.sentiment import load_mosei_offline

    sizes = (settings.train, settings.validation, settings.test)
    with stage(f"Making {sum(sizes)} samples"), counter("making") as progress:
        splits = load_mosei_offline(*sizes, seed=settings.seed, progress=progress)
    _show("mosei-offline (synthetic stand-in for CMU-MOSEI)", splits)
    print(use_of("mosei-offline"))


def _show(title: str, splits: "Splits") -> None:
    columns = ("split", "samples", *(f"{label:+d}" if label else "0" for label in range(-3, 4)), "mean", "std")
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    print_table(f"{title}: share of rounded labels", Table(columns, [_row(*part) for part in parts.items()]))
    features = ", ".join(f"{modality.name} {modality.shape}" for modality in splits.train.modalities.values())
    print(f"Each sample: {features}, and a sentiment in [-3, 3]")


def _row(name: str, samples: "Samples") -> tuple[str, ...]:
    import torch

    labels = torch.as_tensor(samples.targets)
    counts = torch.bincount(labels.round().long() + 3, minlength=7)
    shares = (f"{share:.1%}" for share in (counts / len(labels)).tolist())
    return (name, str(len(labels)), *shares, f"{labels.mean():.2f}", f"{labels.std(correction=0):.2f}")


PARTS: Mapping[str, Part] = {
    "mhd": _download_digits,
    "mhd-offline": _make_digits,
    "mosei": partial(_check_sentiment, "mosei"),
    "mosi": partial(_check_sentiment, "mosi"),
    "mosei-offline": _make_sentiment,
}
