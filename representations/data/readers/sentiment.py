"""CMU-MOSEI and CMU-MOSI: sentiment from text, audio and vision, aligned word by word and padded to 50 steps.

Published as processed features (Zadeh et al., 2018; as processed by Tsai et al., 2019). They are read from whatever
form is at hand, checked, and kept in one neutral file.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.common.files import replace_file
from anysense.representations.data.readers.sentiment_download import download_sentiment
from anysense.representations.data.readers.sentiment_sources import (
    PARTS,
    Content,
    Source,
    check_labels,
    find_source,
    neutral_name,
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


def SENTIMENT_MODALITIES(dataset: str) -> dict[str, Modality]:
    """Text (word vectors), audio and vision, float32 (50, features), without bounds.

    Raises:
        ValueError: ``dataset`` is neither ``mosei`` nor ``mosi``.
    """
    if dataset not in SENTIMENT_DATA:
        raise ValueError(unknown_name("dataset", dataset, SENTIMENT_DATA))
    return {name: Modality(name, (STEPS, size), "float32") for name, size in SENTIMENT_DATA[dataset].items()}


def load_sentiment(name: str, folder: str | Path, say: Say | None = None) -> Splits:
    """Read a data set from our neutral file, or convert it once from the form that is at hand.

    The first of these in ``folder`` is read: ``mosei.safetensors`` (ours); ``mosei_data.pkl`` or
    ``mosei_senti_data.pkl`` (processed pickle; for MOSI: ``mosi_data.pkl``); ``mosei_train_a.dt``, ``..._valid_a.dt``
    and ``..._test_a.dt`` (published caches). Nothing in them is executed. -infinity in audio becomes 0, as published.

    Args:
        name: ``mosei`` or ``mosi``.
        folder: Where the files are.
        say: Gets messages about a conversion and the edition.

    Returns:
        Splits with targets float32 (N,), the sentiment in [-3, 3]. The details of each part name the edition (number of
        samples), and the files with their SHA-256.

    Raises:
        FileNotFoundError: No form of the data set is there, or a split is missing; says what can be had where.
        ValueError: A file is damaged or hostile, has another shape, NaN, infinity, or labels out of range.
        OSError: The neutral file cannot be written.
    """
    modalities, tell = SENTIMENT_MODALITIES(name), say or (lambda text: None)
    path = Path(folder) / neutral_name(name)
    if not path.is_file():
        _convert(name, find_source(name, Path(folder)), path, modalities, tell)
    tensors, about = _read(path, name, [f"{part}.{key}" for part in PARTS for key in (*modalities, "labels")])
    counts = [tensors[f"{part}.labels"].numel() for part in PARTS]
    edition, note = "/".join(map(str, counts)), edition_note(name, counts)
    tell(f"{name}: {edition} samples to train, validate and test on; {note}")
    details = {**about, "data": name, "edition": edition, "edition_note": note, "synthetic": False}
    parts = []
    for part in PARTS:
        try:
            labels, values = tensors[f"{part}.labels"], {key: tensors[f"{part}.{key}"] for key in modalities}
            parts.append(Samples(modalities, values, labels, details={**details, "part": part}))
            check_labels("`labels`", labels.numpy())
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"split {part!r} of `{path}` is damaged: {error} Delete the file, and it is made again from the source."
            ) from error
    return Splits(*parts)


def edition_note(name: str, counts: list[int]) -> str:
    """What the numbers of samples tell about the edition, and whether published numbers compare with it."""
    known = KNOWN_EDITIONS[name]
    published = "/".join(map(str, next(iter(known))))
    found = known.get((counts[0], counts[1], counts[2])) if len(counts) == len(PARTS) else None
    if found is None:
        return f"an unknown edition: numbers do not compare with published ones, which are on {published}."
    compares = "" if tuple(counts) == next(iter(known)) else f", which are on {published}: numbers do not compare"
    return f"{found}{compares}."


def _convert(name: str, source: Source, path: Path, modalities: Mapping[str, Modality], tell: Say) -> None:
    tell(f"Converting {source.names()} to `{path}`: this is done once.")
    content = source.read(modalities)
    zeroed = sum(content.zeroed.values())
    if zeroed:
        tell(f"{zeroed} values of audio are -infinity and were set to 0, as published.")
    _write(path, content, {"data": name, "sources": source.checksums(), "zeroed": content.zeroed})


def _write(path: Path, content: Content, about: Mapping[str, Any]) -> None:
    """Complete or not at all; the tensors are not copied for it."""
    metadata = {"format": _FORMAT, "version": _VERSION, "about": json.dumps(about)}
    try:
        replace_file(path, lambda temporary: save_file(content.tensors, temporary, metadata))
    except SafetensorError as error:
        raise OSError(f"Cannot write `{path}` ({error}); free space or make the folder writable.") from error


def _read(path: Path, name: str, wanted: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        about = dict(json.loads(metadata.get("about", "{}")))
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise ValueError(f"`{path}` is damaged ({error}). Delete it, and it is made again from the source.") from error
    came = (metadata.get("format"), metadata.get("version"), about.get("data"))
    if came != (_FORMAT, _VERSION, name):
        raise ValueError(
            f"`{path}` must be {(_FORMAT, _VERSION, name)} by its description; it is {came}. "
            "Delete it, and it is made again from the source."
        )
    if set(tensors) != set(wanted):
        raise ValueError(f"`{path}` must hold {list(wanted)}; it holds {sorted(tensors)}. Delete it to make it anew.")
    return tensors, {"sources": about.get("sources", {}), "zeroed": about.get("zeroed", {})}
