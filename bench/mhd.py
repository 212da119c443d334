"""Training GMC on the digits of `mhd-offline`, against a plain loop.

Both sides have the published architecture and settings, the same data, batch size, threads and optimiser (Adam). Ours
is what `anysense classify` does: a whole epoch with Lightning's work around the steps, without the measurements after
the epoch.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from anysense.representations import Representation, build, make_networks, make_settings
from anysense.representations.data.offline.build import load_mhd_offline
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from anysense.representations.pretrain_settings import Precision
from anysense.representations.training.machine import resolve_precision
from bench.measure import SMOKE, Bench, Figure, drained, ratio, speed
from bench.plain import PlainMHD, StoredDigits, plain_training
from bench.pretrain import epoch_rate

__all__ = ["Part", "published"]

_TEMPERATURE, _SMALLEST_TEST = 0.1, 10


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Samples per second of training GMC on mhd-offline, against a plain float32 loop."""

    smoke: ClassVar = {**SMOKE, "samples": 60, "batch_size": 8}

    repeats: int = 3
    """How often each side is measured; the medians are reported."""
    threads: int | None = 1
    """Processor threads of torch; 1 as in each job of `anysense classify`."""
    samples: int = 20_000
    """Samples of mhd-offline in an epoch."""
    batch_size: int = 64
    """Batch size of both sides in training."""
    precision: Precision = "auto"
    """Precision of ours: 32, bf16 (mixed), or auto, what `anysense classify` takes by default."""

    def measure(self) -> list[Figure]:
        """Measure both sides in turn, with at least one epoch and at least `seconds` of work each per repeat."""
        data, _ = load_mhd_offline(self.samples, max(_SMALLEST_TEST, self.samples // 5), self.seed)
        plain = plain_training(PlainMHD, StoredDigits(data), self.batch_size, _TEMPERATURE, self.seed)
        next(plain)
        epoch_rate(published(self.seed), data.select(range(min(len(data), 4 * self.batch_size))), self)
        rates: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(self.repeats):
            rates["ours"].append(epoch_rate(published(self.seed), data, self))
            rates["plain"].append(drained(plain, len(data), self.seconds))
        used = resolve_precision(self.precision, torch.device(self.device))
        return [
            speed(f"GMC on mhd-offline, an epoch, {used} on {self.device}", rates["ours"], "samples"),
            speed("plain float32 loop on cpu", rates["plain"], "samples"),
            ratio("GMC against the plain loop", rates["ours"], rates["plain"], target=1.8),
        ]


def published(seed: int) -> Representation:
    """GMC with the published architecture for MHD and new weights."""
    networks = make_networks("gmc", "paper", benchmark="mhd")
    return build("gmc", MHD_MODALITIES, make_settings("gmc", "paper", benchmark="mhd"), networks, seed)
