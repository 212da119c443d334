"""Mel spectrograms of one second of sound, and the way back to a waveform.

A spoken digit is one second at 16 kHz. With a transform of 2048 samples and a hop of 512 (librosa's defaults) that
makes 32 frames; 128 mel bands cover 0 to 8 kHz. Levels are in dB: 10 log10 of the power in a band.
"""

import functools
import math

import torch
from torch import Tensor

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


def mel_decibels(waveforms: Tensor) -> Tensor:
    """Levels of the mel bands over time.

    The same numbers as librosa's ``power_to_db(melspectrogram(y, sr=16_000), top_db=None)``, for a whole batch at once.

    Args:
        waveforms: float32 (B, 16_000), -1 to 1.

    Returns:
        Levels in dB, float32 (B, 32, 128): time, band.

    Raises:
        ValueError: The waveforms have another shape.
    """
    if waveforms.ndim != 2 or waveforms.shape[1] != SAMPLES:
        raise ValueError(f"`waveforms` must have shape (B, {SAMPLES}); got {tuple(waveforms.shape)}.")
    levels = torch.empty(len(waveforms), FRAMES, MEL_BANDS)
    for start in range(0, len(waveforms), _BATCH):
        power = torch.view_as_real(_transform(waveforms[start : start + _BATCH])).square_().sum(dim=-1)
        bands = power.transpose(1, 2) @ _mel_filters().T
        levels[start : start + _BATCH] = 10 * bands.clamp(min=_SMALLEST_POWER).log10()
    return levels


def decibels_to_waveforms(levels: Tensor, iterations: int = 60, seed: int = 0) -> Tensor:
    """Waveforms that sound like the spectrograms; what a mel spectrogram does not hold (phases) is guessed.

    The powers of the frequencies come from multiplicative updates for non-negative least squares (Lee and Seung, 2001),
    the phases from the fast Griffin-Lim algorithm (Perraudin et al., 2013).

    Args:
        levels: dB, float32 (B, 32, 128).
        iterations: Of the Griffin-Lim algorithm.
        seed: Of the phases it starts from.

    Returns:
        Waveforms, float32 (B, 16_000), each with a largest absolute value of 0.95.

    Raises:
        ValueError: The levels have another shape, or NaN or infinity in them.
    """
    if tuple(levels.shape[1:]) != (FRAMES, MEL_BANDS):
        raise ValueError(f"`levels` must have shape (B, {FRAMES}, {MEL_BANDS}); got {tuple(levels.shape)}.")
    if not bool(torch.isfinite(levels).all()):
        raise ValueError("`levels` must be finite; got NaN or infinity.")
    magnitude = _frequency_power(10 ** (levels.transpose(1, 2) / 10)).sqrt()
    waveforms = _with_guessed_phases(magnitude, iterations, seed)
    return 0.95 * waveforms / waveforms.abs().amax(dim=1, keepdim=True).clamp(min=1e-9)


@functools.cache
def _mel_filters() -> Tensor:
    """Weights (128, 1025) of the frequencies in each band."""
    import librosa.filters  # takes a second

    return torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_WINDOW, n_mels=MEL_BANDS))


def _transform(waveforms: Tensor) -> Tensor:
    window = torch.hann_window(_WINDOW)
    return torch.stft(
        waveforms, _WINDOW, _HOP, window=window, center=True, pad_mode="constant", return_complex=True
    )  # (B, 1025, 32)


def _invert(spectrum: Tensor) -> Tensor:
    return torch.istft(spectrum, _WINDOW, _HOP, window=torch.hann_window(_WINDOW), center=True, length=SAMPLES)


def _frequency_power(bands: Tensor, iterations: int = 100) -> Tensor:
    """Non-negative powers (B, 1025, T) of the frequencies whose mel bands come close to (B, 128, T)."""
    filters = _mel_filters()
    target = filters.T @ bands
    power = target.clone()
    for _ in range(iterations):
        power = power * target / (filters.T @ (filters @ power)).clamp(min=torch.finfo(power.dtype).tiny)
    return power


def _with_guessed_phases(magnitude: Tensor, iterations: int, seed: int, momentum: float = 0.99) -> Tensor:
    phases = 2 * math.pi * torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(seed))
    direction, previous = torch.polar(torch.ones_like(phases), phases), torch.zeros((), dtype=torch.complex64)
    for _ in range(iterations):
        rebuilt = _transform(_invert(magnitude * direction))
        direction = rebuilt - momentum / (1 + momentum) * previous
        direction = direction / direction.abs().clamp(min=1e-16)
        previous = rebuilt
    return _invert(magnitude * direction)
