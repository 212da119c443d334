"""Tones that become audio: a timbre, and voices whose phase goes on from step to step.

Letters: B copies of a world, C channels (one tone each), N samples of a step.
"""

import math
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_choice, check_integer

__all__ = ["MAX_SAMPLE_RATE", "Rows", "Timbre", "Voices", "check_sample_rate", "partials", "wave_table"]

Timbre = Literal["sine", "square", "harmonics"]
Audio = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Rows = slice | npt.NDArray[np.intp]
ALL = slice(None)

MAX_SAMPLE_RATE = 192_000
_TABLE_SIZE = 2**14
"""Entries of a period; cutting the phase to them adds 84 dB less than the tone itself."""
_MOST_PARTIALS = 64
_HARMONICS = 8


def partials(timbre: Timbre) -> Mapping[int, float]:
    """Multiples of the frequency that a timbre is made of, and their amplitudes; ValueError for an unknown timbre.

    ``sine``: the tone alone. ``square``: odd multiples, 1/k. ``harmonics``: the first eight multiples, 1/k.
    """
    check_choice("timbre", timbre, get_args(Timbre))
    found = {"sine": (1,), "square": range(1, _MOST_PARTIALS, 2), "harmonics": range(1, _HARMONICS + 1)}[timbre]
    return {number: 1.0 / number for number in found}


def check_sample_rate(rate: int, steps: int, timbre: Timbre, highest: float) -> int:
    """A sample rate in Hz that has whole samples in a step and holds what makes the timbre, up to its second partial.

    Args:
        rate: Samples per second.
        steps: Steps per second.
        timbre: Timbre of the tones.
        highest: Highest frequency of a tone in Hz.

    Raises:
        ValueError: It is no multiple of ``steps``, too low for the tones, or above 192 kHz.
    """
    second = [*partials(timbre), 1][1]
    least = math.floor(2 * highest * second / steps + 1) * steps
    found = check_integer("sample_rate", rate, 1, MAX_SAMPLE_RATE)
    if found < least or found % steps:
        raise ValueError(
            f"`sample_rate` must be a multiple of {steps} Hz of at least {least} Hz, got {found}: tones reach "
            f"{highest:.2f} Hz{'' if second == 1 else f', the second partial of {timbre!r} {second * highest:.2f} Hz'}"
            ", and audio holds frequencies below half of its sample rate. Give a higher one, such as 16000."
        )
    return found


def wave_table(timbre: Timbre, highest: float, rate: int) -> Audio:
    """One period of a timbre, float32 (16384,), its largest absolute value 1.

    Partials that would reach half of the sample rate at the highest frequency are left out, so nothing is folded back.
    """
    phase = np.arange(_TABLE_SIZE) / _TABLE_SIZE
    heard = {number: size for number, size in partials(timbre).items() if number * highest < rate / 2}
    wave = np.sum([size * np.sin(2 * np.pi * number * phase) for number, size in heard.items()], axis=0)
    table: Audio = (wave / np.abs(wave).max()).astype(np.float32)
    return table


class Voices:
    """Voices of one timbre that follow tones, each pair of frequency in Hz and amplitude.

    Over a step, frequency and amplitude go linearly from the tone before to the new one, and the phase goes on. So the
    audio has no clicks, and is at the ends of steps what the tones say.

    Args:
        count: B.
        channels: C.
        table: One period, see `wave_table`.
        rate: Samples per second.
        samples: N.
    """

    def __init__(self, count: int, channels: int, table: Audio, rate: int, samples: int) -> None:
        self.samples = samples
        self._table, self._rate = table, rate
        self._place: Audio = np.arange(1, samples + 1, dtype=np.float32)
        self.phase: Floats = np.zeros((count, channels))
        """Phase at the end of the last step, in periods, 0 to below 1."""
        self.tones: Floats = np.ones((count, channels, 2))
        """Tones at the end of the last step."""

    def start(self, rows: Rows, tones: Floats) -> Audio:
        """Begin anew in some copies, with phase 0: a step of steady tones (rows, C, 2); audio (rows, C, N)."""
        self.phase[rows], self.tones[rows] = 0.0, tones
        return self.advance(tones, rows)

    def lead_in(self, tones: Floats) -> Audio:
        """The step of steady tones (rows, C, 2) before a `start`: audio (rows, C, N) that ends with phase 0."""
        return self._audio(np.mod(-self.samples / self._rate * tones[..., 0], 1.0), tones, tones)

    def advance(self, tones: Floats, rows: Rows = ALL) -> Audio:
        """A step of some copies to new tones (rows, C, 2); audio (rows, C, N)."""
        phase, before = self.phase[rows], self.tones[rows]
        audio = self._audio(phase, before, tones)
        turned = 0.5 * self.samples / self._rate * (before[..., 0] + tones[..., 0])
        self.phase[rows], self.tones[rows] = np.mod(phase + turned, 1.0), tones
        return audio

    def _audio(self, phase: Floats, before: Floats, after: Floats) -> Audio:
        count = self.samples
        first = before[..., 0] / self._rate
        change = (after[..., 0] - before[..., 0]) / (2 * count * self._rate)
        places = self._column(first) * self._place
        places += self._column(change) * (self._place * self._place)
        places += self._column(phase)
        index = places.astype(np.int32)
        index &= _TABLE_SIZE - 1
        audio: Audio = self._table.take(index)
        places = ((after[..., 1:] - before[..., 1:]) / count).astype(np.float32) * self._place
        places += before[..., 1:].astype(np.float32)
        audio *= places
        return audio

    def _column(self, periods: Floats) -> Audio:
        """Periods as entries of the table, float32 (B, C, 1)."""
        column: Audio = (_TABLE_SIZE * periods)[..., None].astype(np.float32)
        return column
