"""CMU-MOSEI and CMU-MOSI: sentiment from text, audio and vision, aligned word by word and padded to 50 steps.

Published as processed features (Zadeh et al., 2018; as processed by Tsai et al., 2019). They are read from whatever
form is at hand, checked, and kept in one neutral file.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor

from anysense.common.errors import reading, unknown_name
from anysense.common.files import check_folder, replace_file, sha256_of
from anysense.common.json_files import check_entries
from anysense.common.progress import Progress
from anysense.common.tensors import Form, read_tensors, write_tensors
from anysense.representations.data.readers.download import Received, check_url, download, fetch_url
from anysense.representations.data.readers.sentiment_sources import (
    PARTS,
    check_labels,
    find_source,
    neutral_name,
    read_source,
)
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.modality import Modality

__all__ = [
    "KNOWN_EDITIONS",
    "SENTIMENT_DATA",
    "SENTIMENT_MODALITIES",
    "Say",
    "download_sentiment",
    "edition_note",
    "load_sentiment",
]

Say = Callable[[str], None]
"""Takes a message to the user, one sentence."""

STEPS = 50
SENTIMENT_DATA: Mapping[str, Mapping[str, int]] = {
    "mosei": {"text": 300, "audio": 74, "vision": 35},
    "mosi": {"text": 300, "audio": 5, "vision": 20},
}
"""Features per step of each modality, by data set."""

KNOWN_EDITIONS: Mapping[str, Mapping[tuple[int, int, int], str]] = {
    "mosei": {
        (16_265, 1_869, 4_643): "the edition of the published tables",
        (15_290, 2_291, 4_832): "an edition of the CMU SDK",
        (16_331, 1_871, 4_662): "an edition of the CMU SDK",
    },
    "mosi": {(1_284, 229, 686): "the edition of the published tables"},
}
"""What samples for training, validation and test tell about the origin."""

_FORMAT, _VERSION = "anysense sentiment", "1"
_AGAIN = "Delete it, and it is made again from the source."


def SENTIMENT_MODALITIES(dataset: str) -> dict[str, Modality]:
    """Text (word vectors), audio and vision, float32 (50, features), without bounds; ValueError for other data sets."""
    if dataset not in SENTIMENT_DATA:
        raise ValueError(unknown_name("dataset", dataset, SENTIMENT_DATA))
    return {name: Modality(name, (STEPS, size), "float32") for name, size in SENTIMENT_DATA[dataset].items()}


def load_sentiment(name: str, folder: str | Path, say: Say | None = None) -> Splits:
    """Read a data set from our neutral file, or convert it once from the form that is at hand.

    The first of these in ``folder`` is read: ``mosei.safetensors`` (ours); ``mosei_data.pkl`` or
    ``mosei_senti_data.pkl`` (processed pickle; for MOSI: ``mosi_data.pkl``); ``mosei_train_a.dt``, ``..._valid_a.dt``
    and ``..._test_a.dt`` (published caches). Nothing in them is executed. -infinity in audio becomes 0, as published.

    ``say`` gets messages about a conversion and the edition. Targets are float32 (N,), the sentiment in [-3, 3]. The
    details of each part name the edition (number of samples), and the files with their SHA-256.

    Raises:
        FileNotFoundError: No form of the data set is there, or a split is missing; says what can be had where.
        ValueError: A file is damaged or hostile, has another shape, NaN, infinity, or labels out of range.
        OSError: The neutral file cannot be written.
    """
    modalities, tell = SENTIMENT_MODALITIES(name), say or (lambda text: None)
    path = Path(folder) / neutral_name(name)
    if not path.is_file():
        files = find_source(name, Path(folder))
        check_folder(folder)
        tell(f"Converting {', '.join(f'`{file.name}`' for file in files)} to `{path}`: this is done once.")
        replace_file(path, _conversion(name, files, {file.name: sha256_of(file) for file in files}, tell))
    splits = _read_splits(path, name, modalities)
    details = splits.train.details
    tell(f"{name}: {details['edition']} samples to train, validate and test on; {details['edition_note']}")
    return splits


def download_sentiment(
    name: str,
    folder: str | Path,
    url: str,
    sha256: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
    say: Say | None = None,
) -> Path:
    """Download the processed pickle, or our neutral file; once checked, it is kept as the neutral file in ``folder``.

    ``url`` is of http or https, and ``sha256`` the digest of the file there, if it is known. A neutral file that is
    there already is replaced only if ``again``. ``progress`` is called after every block with the bytes received and
    expected (0: not announced), ``say`` gets messages about a conversion.

    Raises:
        FileExistsError: The neutral file is there, and not ``again``.
        ValueError: ``url`` is no address, or what came from it is not the data set, too large, or of another digest.
        ConnectionError: The server did not answer or broke off.
        OSError: The file cannot be written.
    """
    check_url(url)
    path, tell, modalities = Path(folder) / neutral_name(name), say or (lambda text: None), SENTIMENT_MODALITIES(name)
    if path.is_file() and not again:
        raise FileExistsError(
            f"`{path}` is there already. Leave out `--url` to use it, or add `--again` to replace it by what "
            f"{url} delivers, once that is checked."
        )

    def fetch(received: Received) -> None:
        fetch_url(url, received, progress or (lambda done, total: None))

    def check(temporary: Path) -> None:
        digest = sha256_of(temporary)
        if sha256 not in (None, digest):
            raise ValueError(f"`sha256` must be the digest of what is there, {digest}; got {sha256}.")
        with temporary.open("rb") as file:
            neutral = file.read(9)[8:] == b"{"
        if not neutral:
            _conversion(name, [temporary], {Path(urlsplit(url).path).name or url: digest}, tell)(temporary)
        _read_splits(temporary, name, modalities)

    try:
        return download(path, fetch, check)
    except ValueError as error:
        raise ValueError(
            f"{url} does not lead to the data set: {error} Download with a browser and put the file into `{folder}`."
        ) from error


def edition_note(name: str, counts: list[int]) -> str:
    """What the numbers of samples tell about the edition, and whether published numbers compare with it."""
    known = KNOWN_EDITIONS[name]
    published = "/".join(map(str, next(iter(known))))
    found = known.get((counts[0], counts[1], counts[2])) if len(counts) == len(PARTS) else None
    if found is None:
        return f"an unknown edition: numbers do not compare with published ones, which are on {published}."
    compares = "" if tuple(counts) == next(iter(known)) else f", which are on {published}: numbers do not compare"
    return f"{found}{compares}."


def _conversion(name: str, files: Sequence[Path], checksums: Mapping[str, str], tell: Say) -> Callable[[Path], None]:
    """Writes what the files hold, which is read and checked before, as a neutral file."""
    tensors, zeroed = read_source(files, SENTIMENT_MODALITIES(name))
    if any(zeroed.values()):
        tell(f"{sum(zeroed.values())} values of audio are -infinity and were set to 0, as published.")
    about = json.dumps({"data": name, "sources": checksums, "zeroed": zeroed})
    metadata = {"format": _FORMAT, "version": _VERSION, "about": about}
    return lambda path: write_tensors(path, tensors, metadata)


def _read_splits(path: Path, name: str, modalities: Mapping[str, Modality]) -> Splits:
    """Splits of a neutral file, checked."""
    shapes = {**{key: (None, *modality.shape) for key, modality in modalities.items()}, "labels": (None,)}
    forms = {f"{part}.{key}": (torch.float32, shape) for part in PARTS for key, shape in shapes.items()}
    tensors, about = _read(path, name, forms)
    counts = [tensors[f"{part}.labels"].numel() for part in PARTS]
    edition = {"edition": "/".join(map(str, counts)), "edition_note": edition_note(name, counts)}
    parts = []
    for part in PARTS:
        details = {**about, "data": name, **edition, "synthetic": False, "part": part}
        try:
            labels, values = tensors[f"{part}.labels"], {key: tensors[f"{part}.{key}"] for key in modalities}
            parts.append(Samples(modalities, values, labels, details=details))
            check_labels("`labels`", labels.numpy())
        except (TypeError, ValueError) as error:
            raise ValueError(f"split {part!r} of `{path}` is damaged: {error} {_AGAIN}") from error
    return Splits(*parts)


def _read(path: Path, name: str, wanted: Mapping[str, Form]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a neutral file, and where they come from."""
    tensors, metadata, about = read_tensors(path, _AGAIN, wanted)
    with reading(path, _AGAIN):
        check_entries(about, {"data": str, "sources?": {str: str}, "zeroed?": {str: int}})
    came = (metadata.get("format"), metadata.get("version"), about["data"])
    if came != (_FORMAT, _VERSION, name):
        raise ValueError(f"`{path}` must be {(_FORMAT, _VERSION, name)} by its description; it is {came}. {_AGAIN}")
    return tensors, {"sources": about.get("sources", {}), "zeroed": about.get("zeroed", {})}
