"""Normalisation of the pendulum's sound, from the bounds of the modality alone.

Sound (B, stack, receivers, 2): last axis frequency in Hz and amplitude. The buffers follow from the modality, so they
are not part of the saved weights.
"""

import math
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysense.common.errors import unknown_name
from anysense.representations.modality import Modality
from anysense.representations.networks.settings import SoundNormalisation

__all__ = ["MinMaxSound", "PhysicalSound", "SoundNormalisation", "sound_normalisation"]

LIMIT = math.sqrt(3.0)
"""The physical normalisation ends at plus and minus this: a uniform variable of that range has unit variance."""
FREQUENCY_UNIT = 440.0
"""Any frequency would do; the one of the pendulum's source keeps the numbers near 1."""


class MinMaxSound(nn.Module):
    """As published: ``(x - min) / (max - min)``, one range of all frequencies and one of all amplitudes."""

    low: Tensor
    span: Tensor

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        low, high = _bounds(modality)
        least, most = low.min(axis=(0, 1)), high.max(axis=(0, 1))
        self.register_buffer("low", torch.tensor(least, dtype=torch.float32), persistent=False)
        self.register_buffer("span", torch.tensor(most - least, dtype=torch.float32), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """Entries of the same shape, in [0, 1] within the bounds."""
        return (sound.float() - self.low) / self.span

    def inverse(self, normal: Tensor) -> Tensor:
        """Sound (B, stack, receivers, 2) of normalised entries of that shape."""
        return normal.float() * self.span + self.low


class PhysicalSound(nn.Module):
    """Radial speed and log amplitude, scaled to [-sqrt(3), sqrt(3)] over the exact range of each receiver.

    The Doppler formula makes ``1 / frequency`` linear in the speed towards the receiver, and the inverse-square law
    makes the logarithm of the amplitude a log distance. Values outside the bounds (a dead or noisy receiver) saturate,
    so the output is finite for every finite input.
    """

    low: Tensor
    high: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        low, high = _bounds(modality)
        if low.min() <= 0.0:
            raise ValueError(
                f"`low` of modality {modality.name!r} must be positive for 'physical' normalisation; got {low.min():g}."
            )
        first, last = _warped(low), _warped(high)
        scale = 2.0 * LIMIT / (last - first)
        for name, value in (("low", low), ("high", high), ("centre", (first + last) / 2), ("scale", scale)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """Entries of the same shape, in [-sqrt(3), sqrt(3)]."""
        sound = torch.clamp(sound.float(), self.low, self.high)
        warped = torch.stack([-FREQUENCY_UNIT / sound[..., 0], sound[..., 1].log()], dim=-1)
        return (warped - self.centre) * self.scale

    def inverse(self, normal: Tensor) -> Tensor:
        """Sound (B, stack, receivers, 2) of normalised entries of that shape."""
        warped = normal.float() / self.scale + self.centre
        sound = torch.stack([-FREQUENCY_UNIT / warped[..., 0], warped[..., 1].exp()], dim=-1)
        return torch.clamp(sound, self.low, self.high)


class UnitPhysicalSound(PhysicalSound):
    """The same in [0, 1]."""

    def forward(self, sound: Tensor) -> Tensor:
        """Sound (B, stack, receivers, 2) to entries of that shape."""
        return ((super().forward(sound) + LIMIT) / (2.0 * LIMIT)).clamp(0.0, 1.0)

    def inverse(self, normal: Tensor) -> Tensor:
        """Sound of entries of that shape."""
        return super().inverse((2.0 * normal - 1.0) * LIMIT)


def sound_normalisation(
    kind: SoundNormalisation, modality: Modality, *, unit: bool = False
) -> MinMaxSound | PhysicalSound:
    """The normalisation called ``kind``, to [0, 1] if ``unit``; an unknown one raises ValueError."""
    if kind not in get_args(SoundNormalisation):
        raise ValueError(unknown_name("sound_normalisation", kind, get_args(SoundNormalisation)))
    physical = UnitPhysicalSound if unit else PhysicalSound
    return MinMaxSound(modality) if kind == "min_max" else physical(modality)


def _warped(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([-FREQUENCY_UNIT / sound[..., 0], np.log(sound[..., 1])], axis=-1)


def _bounds(modality: Modality) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of a sound modality, shape (stack, receivers, 2); any other shape raises ValueError."""
    if len(modality.shape) != 3 or modality.shape[-1] != 2:
        raise ValueError(f"modality {modality.name!r} must have shape (stack, receivers, 2); got {modality.shape}.")
    return modality.bounds()
