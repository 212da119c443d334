"""`mosei-offline`: a synthetic stand-in for CMU-MOSEI, with its shapes, padding and distribution of labels.

An utterance has one sentiment. Text is a sequence of words, few of which carry sentiment, sometimes negated; audio and
vision show it in short bursts on top of smooth movements and of traits of the speaker. Each modality has an error of
its own about the sentiment, so that three tell more than one; that of text is smallest.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anysense.common.progress import Progress
from anysense.common.validation import check_integer
from anysense.representations.data.readers.sentiment import SENTIMENT_MODALITIES, STEPS
from anysense.representations.data.samples import Samples, Splits

__all__ = ["load_mosei_offline"]

_Floats = NDArray[np.float32]
_Integers = NDArray[np.int64]

_CHUNK = 256
"""Samples made at a time: each chunk has a seed of its own, so that fewer samples are the first ones of more."""
_SPEAKERS = 16
"""Speakers per chunk; no chunk shares one with another, so that splits have different speakers."""
_LIMIT = 10.0
_MOST_SAMPLES = 2**31 - 1


def load_mosei_offline(
    train: int = 16_265,
    validation: int = 1_869,
    test: int = 4_643,
    seed: int = 0,
    progress: Progress | None = None,
) -> Splits:
    """Synthetic utterances in the form of CMU-MOSEI: text (50, 300), audio (50, 74), vision (50, 35) in float32.

    Sequences of 5 to 50 words end at the last step; the steps before are zero, as in the processed files of the real
    set. Labels are means of three raters in [-3, 3], most of them near 0 or mildly positive. Nothing is kept on disk:
    the same numbers give the same samples, and fewer samples are the first ones of more. The default sizes are those of
    CMU-MOSEI and take 1.9 GB.

    The seed decides everything random; vocabulary and mixing are the same for all splits, speakers are not. Targets are
    float32 (N,); `details` say that the data are synthetic. ``progress`` is called while samples are made.

    Raises:
        ValueError: A size is no whole number from 1 to 2**31 - 1, or the seed none of at least 0.
    """
    given = {"train": train, "validation": validation, "test": test}
    sizes = {name: check_integer(name, size, 1, _MOST_SAMPLES) for name, size in given.items()}
    seed = check_integer("seed", seed, 0)
    shared_seed, *part_seeds = np.random.SeedSequence(seed).spawn(4)
    shared, done = _Shared.random(np.random.default_rng(shared_seed)), 0
    edition = "/".join(map(str, sizes.values()))
    parts = []
    for (part, size), part_seed in zip(sizes.items(), part_seeds, strict=True):

        def advance(count: int, before: int = done) -> None:
            if progress is not None:
                progress(before + count, sum(sizes.values()))

        details = {"data": "mosei-offline", "part": part, "edition": edition, "seed": seed, "synthetic": True}
        parts.append(_make_part(shared, size, part_seed, advance, details))
        done += size
    return Splits(*parts)


def _make_part(
    shared: "_Shared", size: int, seed: np.random.SeedSequence, advance: Callable[[int], None], details: dict[str, Any]
) -> Samples:
    modalities = SENTIMENT_MODALITIES("mosei")
    arrays = {name: np.empty((size, *modality.shape), np.float32) for name, modality in modalities.items()}
    labels = np.empty(size, np.float32)
    starts = range(0, size, _CHUNK)
    for start, chunk_seed in zip(starts, seed.spawn(len(starts)), strict=True):
        rows = slice(start, min(start + _CHUNK, size))
        made, made_labels = _make_chunk(shared, np.random.default_rng(chunk_seed))
        for name, array in arrays.items():
            array[rows] = made[name][: rows.stop - rows.start]
        labels[rows] = made_labels[: rows.stop - rows.start]
        advance(rows.stop)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Samples(modalities, tensors, torch.from_numpy(labels), details=details)


def _make_chunk(shared: "_Shared", rng: np.random.Generator) -> tuple[dict[str, _Floats], _Floats]:
    sentiment = _sentiments(rng)
    labels = _rated(sentiment, rng)
    lengths = np.clip(np.round(rng.lognormal(2.9, 0.55, _CHUNK)), 5, STEPS).astype(np.int64)
    spoken = np.arange(STEPS) >= STEPS - lengths[:, None]
    emphasis = _bursts(lengths, rng)
    speaker = rng.integers(_SPEAKERS, size=_CHUNK)
    words = shared.text.choose(_view(sentiment, shared.text.doubt, rng), emphasis, spoken, rng)
    made = {"text": shared.text.vectors[words]}
    for name, channel in (("audio", shared.audio), ("vision", shared.vision)):
        made[name] = channel.show(_view(sentiment, channel.doubt, rng), emphasis, speaker, rng)
    for array in made.values():
        array[~spoken] = 0.0
    return made, labels


def _sentiments(rng: np.random.Generator) -> _Floats:
    """What the speakers feel: often next to nothing, else spread and mildly positive."""
    neutral = rng.random(_CHUNK) < 0.2
    felt = np.where(neutral, rng.normal(0.0, 0.15, _CHUNK), rng.normal(0.3, 1.2, _CHUNK))
    return _floats(felt.clip(-3.2, 3.2))


def _rated(sentiment: _Floats, rng: np.random.Generator) -> _Floats:
    """Mean of three raters who give whole numbers from -3 to 3."""
    ratings = np.round(sentiment[:, None] + rng.normal(0.0, 0.45, (_CHUNK, 3))).clip(-3, 3)
    return _floats(ratings.sum(axis=1) / 3.0)


def _view(sentiment: _Floats, doubt: float, rng: np.random.Generator) -> _Floats:
    """What one modality shows of the sentiment; its own error is the same over the utterance."""
    return _floats(sentiment + doubt * rng.standard_normal(_CHUNK))


def _bursts(lengths: _Integers, rng: np.random.Generator) -> _Floats:
    """How much each step has to do with the sentiment, 0 to 1: two smooth bumps per utterance."""
    when = STEPS - lengths[:, None] * rng.random((_CHUNK, 2))
    width = rng.uniform(1.5, 4.0, (_CHUNK, 2))
    bumps = np.exp(-0.5 * ((np.arange(STEPS)[None, None] - when[..., None]) / width[..., None]) ** 2)
    return _floats(bumps.max(axis=1))


@dataclasses.dataclass(frozen=True)
class _Text:
    """Vectors (words, 300): neutral words in topics, then loaded ones from negative to positive, then negations."""

    vectors: _Floats
    neutral: int = 1_600
    loaded: int = 380
    negations: int = 20
    topics: int = 40
    doubt: float = 0.75

    @classmethod
    def random(cls, rng: np.random.Generator) -> "_Text":
        """Vectors of the size of published ones (entries of about 0.4)."""
        count, size = cls.neutral + cls.loaded + cls.negations, 300
        vectors = 0.33 * rng.standard_normal((count, size))
        vectors += 0.2 * rng.standard_normal((cls.topics, size))[rng.integers(cls.topics, size=count)]
        direction = rng.standard_normal((2, size)) / np.sqrt(size)
        valence = np.linspace(-3, 3, cls.loaded)[:, None]
        loaded = slice(cls.neutral, cls.neutral + cls.loaded)
        vectors[loaded] += 1.6 * valence * direction[0] + 0.8 * np.abs(valence) * direction[1]
        vectors[cls.neutral + cls.loaded :] += 1.0 * rng.standard_normal(size) / 3.0
        return cls(vectors.astype(np.float32))

    def choose(
        self, view: _Floats, emphasis: _Floats, spoken: NDArray[np.bool_], rng: np.random.Generator
    ) -> _Integers:
        """Numbers of the words (chunk, 50): neutral ones of a topic, and loaded ones where there is emphasis."""
        shape = emphasis.shape
        topic = rng.integers(self.neutral, size=(len(view), 1))
        words = (topic + self.neutral * rng.random(shape, np.float32) ** 3).astype(np.int64) % self.neutral
        key = rng.random(shape, np.float32) < 0.04 + 0.5 * emphasis
        key[:, -1] |= ~(key & spoken).any(axis=1)
        negated = key & (rng.random(shape, np.float32) < 0.12)
        negated[:, 0] = False
        meant = view[:, None] + 0.9 * rng.standard_normal(shape, np.float32)
        place = np.where(negated, -meant, meant).clip(-3, 3) / 6.0 + 0.5
        words = np.where(key, self.neutral + np.round(place * (self.loaded - 1)).astype(np.int64), words)
        before = np.roll(negated, -1, axis=1)
        negations = self.neutral + self.loaded + rng.integers(self.negations, size=shape)
        return np.where(before & ~key, negations, words)


@dataclasses.dataclass(frozen=True)
class _Channel:
    """Features of audio or vision: linear and saturated (tanh) mixtures (latents, features) of a few smooth movements.

    The first two latents show the sentiment and its strength. Scales differ from feature to feature, as in the real
    files. ``doubt`` is the standard deviation of the error about the sentiment, ``noise`` that of single steps.
    """

    linear: _Floats
    saturated: _Floats
    offset: _Floats
    scale: _Floats
    doubt: float
    noise: float = 0.5

    movements = 6
    traits = 4

    @classmethod
    def random(cls, features: int, doubt: float, rng: np.random.Generator) -> "_Channel":
        """A random mixing."""
        latents = 2 + cls.movements + cls.traits
        linear, saturated = rng.standard_normal((2, latents, features)) / np.sqrt(latents)
        scale = np.exp(rng.uniform(np.log(0.1), np.log(1.5), features))
        offset = rng.normal(0.0, 0.5, features)
        return cls(_floats(linear), _floats(saturated), _floats(offset), _floats(scale), doubt)

    def show(self, view: _Floats, emphasis: _Floats, speaker: _Integers, rng: np.random.Generator) -> _Floats:
        """Features (chunk, 50, features)."""
        shape = emphasis.shape
        latents = np.empty((*shape, len(self.linear)), np.float32)
        shown = np.float32(1.5 / np.hypot(1.0, self.doubt)) * view[:, None]
        latents[..., 0] = shown * emphasis
        latents[..., 1] = np.abs(shown) * emphasis
        latents[..., 2 : 2 + self.movements] = _smooth(rng, (*shape, self.movements))
        style = rng.standard_normal((_SPEAKERS, self.traits), np.float32)
        latents[..., 2 + self.movements :] = style[speaker][:, None]
        flat = latents.reshape(-1, latents.shape[-1])
        features = flat @ self.linear
        features += np.tanh(2.0 * (flat @ self.saturated))
        features += self.noise * rng.standard_normal(features.shape, np.float32)
        features += self.offset
        features *= self.scale
        return features.reshape(*shape, -1).clip(-_LIMIT, _LIMIT)


def _floats(values: NDArray[Any]) -> _Floats:
    return np.asarray(values, np.float32)


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> _Floats:
    """First-order processes along axis 1 with unit variance; neighbours are alike."""
    memory = np.float32(0.8)
    values = rng.standard_normal(shape, np.float32)
    for step in range(1, shape[1]):
        values[:, step] = memory * values[:, step - 1] + np.sqrt(1 - memory**2) * values[:, step]
    return values


@dataclasses.dataclass(frozen=True)
class _Shared:
    """What all splits have in common."""

    text: _Text
    audio: _Channel
    vision: _Channel

    @classmethod
    def random(cls, rng: np.random.Generator) -> "_Shared":
        """A vocabulary and two mixings."""
        sizes = {name: modality.shape[1] for name, modality in SENTIMENT_MODALITIES("mosei").items()}
        audio = _Channel.random(sizes["audio"], 2.6, rng)
        return cls(_Text.random(rng), audio, _Channel.random(sizes["vision"], 2.6, rng))
