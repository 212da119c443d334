"""Mel spectrograms of one second of sound, and the way back to a waveform.

A spoken digit is one second at 16 kHz. With a transform of 2048 samples and a hop of 512 (librosa's defaults) that
makes 32 frames; 128 mel bands cover 0 to 8 kHz. At another rate, transform and hop last as long, and the bands cover
0 to half of the rate. Levels are in dB: 10 log10 of the power in a band.
"""

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysense.common.extras import import_compiled
from anysense.common.machine import usual_torch

__all__ = ["FRAMES", "MEL_BANDS", "SAMPLES", "SAMPLE_RATE", "decibels_to_waveforms", "mel_decibels"]

SAMPLE_RATE = 16_000
"""Hz."""
SAMPLES = 16_000
"""Length of a waveform: one second."""
FRAMES = 32
MEL_BANDS = 128

_WINDOW = 2048
_HOP = 512
_SMALLEST_POWER = 1e-10
_BATCH = 1024


@usual_torch()
def mel_decibels(waveforms: Tensor, rate: int = SAMPLE_RATE) -> Tensor:
    """Levels in dB of the mel bands over time, float32 (B, 32, 128), of one second (B, rate) each, else ValueError.

    The same numbers as librosa's ``power_to_db(melspectrogram(y, sr=16_000), top_db=None)``, for a whole batch at once.
    ``rate`` is in Hz.
    """
    if waveforms.ndim != 2 or waveforms.shape[1] != rate:
        raise ValueError(f"`waveforms` must have shape (B, {rate}); got {tuple(waveforms.shape)}.")
    size, hop = _window_and_hop(rate)
    levels, window = torch.empty(len(waveforms), FRAMES, MEL_BANDS), torch.hann_window(size)
    for start in range(0, len(waveforms), _BATCH):
        part = waveforms[start : start + _BATCH]
        spectrum = torch.stft(
            part, size, hop, window=window, center=True, pad_mode="constant", return_complex=True
        )  # (B, size / 2 + 1, 32)
        power = torch.view_as_real(spectrum).square_().sum(dim=-1)
        bands = power.transpose(1, 2) @ _mel_filters(rate).T
        levels[start : start + _BATCH] = 10 * bands.clamp(min=_SMALLEST_POWER).log10()
    return levels


@usual_torch()
def decibels_to_waveforms(levels: Tensor, iterations: int = 60, seed: int = 0, rate: int = SAMPLE_RATE) -> Tensor:
    """Waveforms that sound like the spectrograms, by librosa; the phases, which these do not hold, are guessed.

    Powers of frequencies by non-negative least squares, phases by fast Griffin-Lim (Perraudin et al., 2013), from
    random ones of the seed. Levels (B, 32, 128) in dB give float32 (B, rate) with a largest absolute value of 0.95.

    Raises:
        ValueError: The levels have another shape, or NaN or infinity in them.
    """
    if tuple(levels.shape[1:]) != (FRAMES, MEL_BANDS):
        raise ValueError(f"`levels` must have shape (B, {FRAMES}, {MEL_BANDS}); got {tuple(levels.shape)}.")
    if not bool(torch.isfinite(levels).all()):
        raise ValueError("`levels` must be finite; got NaN or infinity.")
    librosa, (size, hop) = _librosa(), _window_and_hop(rate)
    waves = np.empty((len(levels), rate), np.float32)
    for wave, level in zip(waves, levels.double().numpy(), strict=True):
        power = librosa.db_to_power(level.T)
        magnitude = librosa.feature.inverse.mel_to_stft(power, sr=rate, n_fft=size)
        wave[:] = librosa.griffinlim(magnitude, n_iter=iterations, hop_length=hop, length=rate, random_state=seed)
    waveforms = torch.from_numpy(waves)
    return 0.95 * waveforms / waveforms.abs().amax(dim=1, keepdim=True).clamp(min=1e-9)


def _window_and_hop(rate: int) -> tuple[int, int]:
    """Samples of the transform and between two of them."""
    return _WINDOW * rate // SAMPLE_RATE, _HOP * rate // SAMPLE_RATE


@functools.cache
def _mel_filters(rate: int) -> Tensor:
    """Weights (128, half of the transform + 1) of the frequencies in each band."""
    size, _ = _window_and_hop(rate)
    return torch.from_numpy(_librosa().filters.mel(sr=rate, n_fft=size, n_mels=MEL_BANDS))


def _librosa() -> Any:
    """Takes a second to import."""
    return import_compiled("librosa", "librosa.core", "librosa.feature.inverse", "librosa.filters")
