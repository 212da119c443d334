"""Makes the digits of `mhd-offline` and keeps them in the cache folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from anysense.common.cache import cache_folder
from anysense.common.files import check_folder
from anysense.common.machine import usual_torch
from anysense.common.progress import Progress
from anysense.common.validation import check_integer
from anysense.representations.data.offline import store
from anysense.representations.data.offline.digits import draw_digits, handwritten_digits
from anysense.representations.data.offline.speech import VOICE_FAMILIES, record_digits, spectrograms
from anysense.representations.data.offline.strokes import Writers, write_digits
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from anysense.representations.data.samples import Samples

__all__ = ["load_mhd_offline"]

_CLASSES = 10
_TEST_PART = 0.2
"""Part of the source images and of the voices that only the test samples use."""
_WRITERS = (400, 100)
"""Writers of the training and of the test samples."""


@usual_torch()
def load_mhd_offline(
    train: int = 20_000,
    test: int = 4_000,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Samples, Samples]:
    """Images, sounds and pen trajectories of digits, generated; a stand-in for MHD with the same modalities.

    Images vary the handwritten digits of scikit-learn, sounds are spoken by eSpeak NG, trajectories are random variants
    of stroke forms; the three of one sample have only the class in common. Training and test samples share no source
    image, speaker or writer (see `details`). Classes are balanced. Samples are made at the first use (about two minutes
    for the default sizes) and read from the cache later; a damaged cache is made anew.

    The same numbers, at least 10 each, and the same seed give the same samples; targets are int64 (N,). They are kept
    in ``folder``, by default the cache folder of anysense. ``progress`` is called with the work done and the whole
    work.

    Raises:
        ValueError: A size is no whole number of at least 10, one sample per class, or the seed none of at least 0.
        RuntimeError: eSpeak NG does not work on this machine.
        OSError: The samples must be made, and ``folder`` cannot be written.
    """
    train, test = check_integer("train", train, _CLASSES), check_integer("test", test, _CLASSES)
    seed = check_integer("seed", seed, 0)
    path = (cache_folder() if folder is None else Path(folder)) / store.file_name(train, test, seed)
    kept = store.read(path)
    if kept is None:
        if folder is not None:
            check_folder(folder)
        kept = _make(train, test, seed, progress or (lambda done, total: None))
        store.write(path, kept)
    return _samples(kept, "train"), _samples(kept, "test")


class _Sources(NamedTuple):
    """What the samples of one part are made from."""

    images: NDArray[np.int64]
    speakers: Sequence[str]
    writers: Writers


def _make(train: int, test: int, seed: int, progress: Progress) -> store.Kept:
    sources_seed, *part_seeds = np.random.SeedSequence(seed).spawn(3)
    ink, image_labels = handwritten_digits()
    sources = _split_sources(image_labels, np.random.default_rng(sources_seed))
    total, done = 3 * (train + test), 0
    tensors: dict[str, Tensor] = {}
    for part, size, part_seed, own in zip(("train", "test"), (train, test), part_seeds, sources, strict=True):

        def advance(count: int, before: int = done) -> None:
            progress(before + count, total)

        made = _make_part(size, own, (ink, image_labels), part_seed, advance)
        tensors |= {f"{part}.{name}": value for name, value in made.items()}
        done += 3 * size
    scales = {name: _scale_by_train(tensors, name) for name in ("sound", "trajectory")}
    details = {
        part: {
            "source": "mhd-offline",
            "part": part,
            "seed": seed,
            "normalisation": scales,
            "source_images": own.images.tolist(),
            "speakers": list(own.speakers),
            "writers": len(own.writers),
        }
        for part, own in zip(("train", "test"), sources, strict=True)
    }
    return store.Kept({name: store.packed(name, value) for name, value in tensors.items()}, details)


def _split_sources(image_labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[_Sources, _Sources]:
    """Who and what belongs to the training samples, and who and what to the test samples."""
    held_out = np.zeros(len(image_labels), dtype=bool)
    for label in range(_CLASSES):
        own = rng.permutation(np.flatnonzero(image_labels == label))
        held_out[own[: round(_TEST_PART * len(own))]] = True
    families = [VOICE_FAMILIES[index] for index in rng.permutation(len(VOICE_FAMILIES))]
    cut = round(_TEST_PART * len(families))
    images = (np.flatnonzero(~held_out), np.flatnonzero(held_out))
    speakers = ([name for family in chosen for name in family] for chosen in (families[cut:], families[:cut]))
    writers = (Writers.random(count, rng) for count in _WRITERS)
    first, second = (_Sources(*own) for own in zip(images, speakers, writers, strict=True))
    return first, second


def _make_part(
    size: int,
    sources: _Sources,
    digits: tuple[Tensor, NDArray[np.int64]],
    seed: np.random.SeedSequence,
    advance: Callable[[int], None],
) -> dict[str, Tensor]:
    """Labels, pictures, levels in dB and trajectories, not yet scaled."""
    label_rng, image_rng, sound_rng, pen_rng = (np.random.default_rng(child) for child in seed.spawn(4))
    labels = label_rng.permutation(np.arange(size) % _CLASSES)
    ink, image_labels = digits
    image = draw_digits(ink, _images_of(labels, sources.images, image_labels, image_rng), image_rng, advance)
    recordings = record_digits(labels, sources.speakers, sound_rng, lambda count: advance(size + count))
    sound = spectrograms(recordings, size)
    writer = pen_rng.integers(len(sources.writers), size=size)
    trajectory = write_digits(labels, writer, sources.writers, pen_rng)
    advance(3 * size)
    return {"label": torch.from_numpy(labels), "image": image, "sound": sound, "trajectory": trajectory}


def _images_of(
    labels: NDArray[np.int64], images: NDArray[np.int64], image_labels: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """A random source image of the right class for each label."""
    chosen = np.empty(len(labels), dtype=np.int64)
    for label in range(_CLASSES):
        rows = np.flatnonzero(labels == label)
        chosen[rows] = rng.choice(images[image_labels[images] == label], size=len(rows))
    return chosen


def _scale_by_train(tensors: dict[str, Tensor], name: str) -> dict[str, float]:
    """Bring a modality to [0, 1] by the smallest and largest training value; returns both."""
    low, high = (float(value) for value in tensors[f"train.{name}"].aminmax())
    for part in ("train", "test"):
        tensors[f"{part}.{name}"].sub_(low).div_(high - low).clamp_(0, 1)
    return {"min": low, "max": high}


def _samples(kept: store.Kept, part: str) -> Samples:
    targets = kept.tensors[f"{part}.label"].long()
    modalities: dict[str, Any] = {
        name: store.unpacked(kept.tensors[f"{part}.{name}"]) for name in ("image", "sound", "trajectory")
    }
    modalities["label"] = one_hot(targets, _CLASSES).float()
    return Samples(MHD_MODALITIES, modalities, targets, details=kept.details[part])
