"""Spoken digits: eSpeak NG says them with many voices; microphones, distances and noise vary."""

import functools
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysense.common.extras import import_extra
from anysense.representations.data.offline import espeak_worker
from anysense.representations.data.readers.spectrogram import FRAMES, MEL_BANDS, SAMPLE_RATE, SAMPLES, mel_decibels

__all__ = ["ACCENTS", "VOICE_FAMILIES", "record_digits", "spectrograms"]

FloatArray = NDArray[np.float32]

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc", "en-029")

_ALONE = (
    "Alex, Alicia, Andrea, Annie, Denis, Diogo, Henrique, Hugo, Jacky, Lee, Marco, Mario, Michael, "
    "Mr serious, Nguyen, Reed, Storm, adam, announcer, antonio, aunty, belinda, benjamin, boris, caleb, croak, "
    "david, ed, f1, f2, f3, f4, f5, grandma, grandpa, gustave, ian, john, kaukovalta, linda, m1, m2, m3, m4, "
    "m5, m6, m7, m8, marcelo, max, michel, miguel, norbert, pablo, paul, pedro, quincy, sandro, shelby, "
    "travis, victor, zac"
)
_RELATED = (
    "Andy AnxiousAndy; Gene Gene2; Mike mike2; RicishayMax RicishayMax2 RicishayMax3; anika anikaRobot; "
    "edward edward2; iven iven2 iven3 iven4; klatt klatt2 klatt3 klatt4 klatt5 klatt6; rob robert; steph "
    "steph2 steph3; whisper whisperf"
)
VOICE_FAMILIES = (
    *((name,) for name in _ALONE.split(", ")),
    *(tuple(names.split()) for names in _RELATED.split("; ")),
)
"""Speakers of eSpeak NG; those in one family are variants of each other. Its robots and monsters are left out."""

_RATES = (SAMPLE_RATE // 50, espeak_worker.SPOKEN_RATE // 50)
"""Wanted and given sample rate, without their common factor."""
_BATCH = 500
_REINSTALL = "Install it again with `pip install --force-reinstall espeakng-loader`."


class Utterance(NamedTuple):
    """One word, said by one voice in one way: pitch and liveliness from 0 to 100, rate in words per minute."""

    word: str
    voice: str
    pitch: int
    pitch_range: int
    rate: int


def plan_utterances(labels: NDArray[np.int64], speakers: Sequence[str], rng: np.random.Generator) -> list[Utterance]:
    """One utterance per label, with random speaker, accent, pitch and speed; a voice is such as ``en-us+m1``."""
    ranges = ((0, len(speakers)), (0, len(ACCENTS)), (25, 80), (20, 80), (125, 230))
    draws = [rng.integers(*bounds, size=len(labels)).tolist() for bounds in ranges]
    return [
        Utterance(WORDS[label], f"{ACCENTS[accent]}+{speakers[speaker]}", pitch, lively, rate)
        for label, speaker, accent, pitch, lively, rate in zip(labels.tolist(), *draws, strict=True)
    ]


def record_digits(
    labels: NDArray[np.int64],
    speakers: Sequence[str],
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[FloatArray]:
    """Recordings of labels 0 to 9, int64 (N,), by random speakers: float32 (up to 500, 16_000), 16 kHz; together N.

    A RuntimeError if eSpeak NG does not work on this machine, ModuleNotFoundError if it is not installed.
    """
    batch: list[FloatArray] = []
    for number, spoken in enumerate(_spoken(plan_utterances(labels, speakers, rng)), start=1):
        batch.append(_placed(_resampled(spoken), rng))
        if len(batch) == _BATCH or number == len(labels):
            yield _with_microphone(np.stack(batch), rng)
            progress(number)
            batch = []


def spectrograms(recordings: Iterator[FloatArray], count: int) -> Tensor:
    """Levels in dB, float32 (count, 1, 32, 128), of all recordings."""
    levels, start = torch.empty(count, 1, FRAMES, MEL_BANDS), 0
    for batch in recordings:
        levels[start : start + len(batch), 0] = mel_decibels(torch.from_numpy(batch))
        start += len(batch)
    return levels


def _spoken(utterances: Sequence[Utterance]) -> Iterator[NDArray[np.int16]]:
    """Waves (n,) at 22.05 kHz of the utterances, in order."""
    espeakng_loader = import_extra("espeakng_loader", "speech", "making spoken digits")
    data = Path(espeakng_loader.get_data_path())
    _check_installed(utterances, data)
    request = {"library": espeakng_loader.get_library_path(), "data": data.name, "utterances": utterances}
    command = [sys.executable, "-I", str(Path(espeak_worker.__file__))]
    with tempfile.TemporaryFile() as wishes, tempfile.TemporaryFile() as complaints:
        wishes.write(json.dumps(request).encode())
        wishes.seek(0)
        # eSpeak NG takes no path of more than 160 characters: the worker starts beside the data and names them only.
        with subprocess.Popen(
            command, stdin=wishes, stdout=subprocess.PIPE, stderr=complaints, cwd=data.parent
        ) as worker:
            assert worker.stdout is not None
            try:
                for _ in utterances:
                    yield _next_wave(worker.stdout, complaints)
            finally:
                worker.kill()


def _check_installed(utterances: Sequence[Utterance], data: Path) -> None:
    """Raise where a speaker is missing, which eSpeak NG would replace without saying so."""
    speakers = {utterance.voice.partition("+")[2] for utterance in utterances}
    missing = {speaker for speaker in speakers if not (data / "voices" / "!v" / speaker).is_file()}
    if missing:
        raise RuntimeError(f"eSpeak NG lacks the speakers {sorted(missing)} in `{data}`. {_REINSTALL}")


def _next_wave(stream: IO[bytes], complaints: IO[bytes]) -> NDArray[np.int16]:
    header = stream.read(4)
    size = 2 * struct.unpack("<I", header)[0] if len(header) == 4 else -1
    wave = stream.read(size) if size > 0 else b""
    if len(wave) != size:
        complaints.seek(0)
        reason = complaints.read().decode(errors="replace").strip().splitlines()[-1:] or ["it ended without a message"]
        raise RuntimeError(f"eSpeak NG cannot speak on this machine: {reason[0]} {_REINSTALL}")
    return np.frombuffer(wave, dtype="<i2")


def _resampled(wave: NDArray[np.int16]) -> FloatArray:
    """The spoken part at 16 kHz, with a peak of 1, without the silence around it."""
    from scipy.signal import resample_poly

    sound = resample_poly(wave.astype(np.float32), *_RATES, window=_low_pass()).astype(np.float32)
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    sound = sound[loud[0] : loud[-1] + 1]
    trimmed: FloatArray = sound / np.abs(sound).max()
    return trimmed


@functools.cache
def _low_pass() -> FloatArray:
    """Filter of `resample_poly`, made once because that takes longer than its use."""
    from scipy.signal import firwin

    return np.asarray(firwin(20 * max(_RATES) + 1, 1 / max(_RATES), window=("kaiser", 5.0)), dtype=np.float32)


def _placed(sound: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The sound at a random time within one second, nearer to its beginning than to its end."""
    sound = sound[:SAMPLES]
    start = int(rng.integers((SAMPLES - len(sound)) // 2 + 1))
    return np.pad(sound, (start, SAMPLES - len(sound) - start))


def _with_microphone(sounds: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Random colour (first-order filter), loudness and noise."""
    colour = rng.uniform(-0.5, 0.6, (len(sounds), 1)).astype(np.float32)
    sounds = sounds - colour * np.pad(sounds, ((0, 0), (1, 0)))[:, :-1]
    level = np.sqrt(np.square(sounds).mean(axis=1, keepdims=True))
    distance = 10 ** (-rng.uniform(8, 30, (len(sounds), 1)).astype(np.float32) / 20)  # noise 8 to 30 dB below
    sounds += rng.standard_normal(sounds.shape, dtype=np.float32) * level * distance
    gain = 10 ** (-rng.uniform(0, 12, (len(sounds), 1)).astype(np.float32) / 20)
    scaled: FloatArray = sounds / np.abs(sounds).max(axis=1, keepdims=True) * gain
    return scaled
