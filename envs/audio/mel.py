"""Mel spectrograms of audio in steps: levels in dB of frequency bands, over short windows.

Bands are those of librosa (Slaney's mel scale, triangles of equal area), and so are the levels:
``power_to_db(melspectrogram(audio, ..., center=False), amin=1e-5, top_db=None)``. Only the frequencies that the bands
hold are transformed, by one matrix. Letters: B copies of a world, C channels, N samples of a step, T columns, F bands.
"""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["BANDS", "COLUMNS", "HIGHEST", "LOWEST", "MelSpectrogram", "mel_filters"]

Audio = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

COLUMNS = 5
"""Columns of a step, equally far apart; the last one ends with the step."""
BANDS = 32
LOWEST, HIGHEST = 250.0, 1000.0
"""Frequencies in Hz that the bands cover together."""
QUIETEST = 1e-5
"""Least power, -50 dB."""
_LINEAR, _KNEE, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27
"""Slaney's scale: Hz per mel below the knee in Hz, and the logarithm of the ratio of one mel above it."""


def mel_filters(rate: int, window: int, bands: int, lowest: float, highest: float) -> Floats:
    """Weights (bands, window / 2 + 1) of the frequencies of a real transform; equal to ``librosa.filters.mel``."""
    edges = _hertz(np.linspace(_mel(lowest), _mel(highest), bands + 2))
    frequencies = np.arange(window // 2 + 1) * (rate / window)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    weights: Floats = np.maximum(0.0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return weights


class MelSpectrogram:
    """Levels of the bands over the last step; a window is as long as a step and reaches back into the one before.

    Args:
        rate: Samples per second.
        samples: N.

    Attributes:
        low: Least level in dB.
    """

    low = 10 * math.log10(QUIETEST)

    def __init__(self, rate: int, samples: int) -> None:
        weights = mel_filters(rate, samples, BANDS, LOWEST, HIGHEST)
        used = np.flatnonzero(weights.any(axis=0))
        turns = np.outer(np.arange(samples), used) / samples
        self._window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)
        waves = np.concatenate([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)
        self._waves: Audio = (self._window[:, None] * waves).astype(np.float32)
        self._weights: Audio = np.ascontiguousarray(weights[:, used].T, np.float32)
        self._starts = samples - (samples // COLUMNS) * np.arange(COLUMNS)[::-1]

    def __call__(self, before: Audio, now: Audio) -> Audio:
        """Levels (B, C, T, F) in dB over the step ``now`` (B, C, N), which follows the step ``before``."""
        count, channels, samples = now.shape
        both = np.concatenate([before, now], axis=2)
        windows = np.stack([both[..., start : start + samples] for start in self._starts], axis=2)
        # One product of the same size for each copy, so that its bits do not depend on how many there are.
        spectrum = windows.reshape(count, channels * COLUMNS, samples) @ self._waves
        spectrum *= spectrum
        half = spectrum.shape[-1] // 2
        power = (spectrum[..., :half] + spectrum[..., half:]) @ self._weights
        levels: Audio = np.float32(10) * np.log10(np.maximum(power, np.float32(QUIETEST)))
        return np.maximum(levels, np.float32(self.low)).reshape(count, channels, COLUMNS, BANDS)

    def highest(self, amplitude: float) -> float:
        """A level in dB that audio of an amplitude stays below: a band takes all of the power (Parseval)."""
        energy = amplitude**2 * np.square(self._window).sum() * len(self._window) / 2
        return float(10 * np.log10(energy * self._weights.max()))


def _mel(hertz: float) -> float:
    return float(hertz / _LINEAR if hertz < _KNEE else _KNEE / _LINEAR + np.log(hertz / _KNEE) / _LOG_STEP)


def _hertz(mel: Floats) -> Floats:
    above = mel - _KNEE / _LINEAR
    return np.where(above < 0, mel * _LINEAR, _KNEE * np.exp(_LOG_STEP * np.maximum(above, 0)))
