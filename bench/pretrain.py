"""Samples per second of pretraining, against a plain float32 loop.

Both sides have the published architecture, the same data, batch size, threads and optimiser (Adam). Ours is what
`anysense pretrain` does: its second epoch is counted, with Lightning's work around the steps, without the measurements
after each epoch.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from anysense.envs import world
from anysense.representations import Representation
from anysense.representations.data import Samples, Transitions, collect
from anysense.representations.pretrain_settings import Precision
from anysense.representations.training import PretrainSettings, pretrain
from anysense.representations.training.machine import resolve_precision
from bench.encode import new_representation
from bench.measure import SMOKE, Bench, Figure, drained, ratio, speed
from bench.plain import PlainPendulum, Rows, plain_training

__all__ = ["Part", "epoch_rate"]

_TEMPERATURE = 0.3


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Samples per second of pretraining, against a plain float32 loop with the same architecture and batch size."""

    smoke: ClassVar = {**SMOKE, "samples": 256, "batch_size": 32}

    samples: int = 4096
    """Samples of the data set; both sides hold it in memory."""
    batch_size: int = 128
    """Batch size of both sides."""
    precision: Precision = "auto"
    """Precision of ours: 32, bf16 (mixed), or auto, what `anysense pretrain` takes by default."""

    def measure(self) -> list[Figure]:
        """Measure both sides in turn, with at least one epoch and at least `seconds` of work each per repeat."""
        data = collect(world(), self.samples, seed=self.seed)
        plain = _plain(data, self.batch_size, self.seed)
        next(plain)
        epoch_rate(self._new(), data.select(range(min(self.samples, 4 * self.batch_size))), self)
        rates: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(self.repeats):
            rates["ours"].append(epoch_rate(self._new(), data, self, epochs=2))
            rates["plain"].append(drained(plain, self.samples, self.seconds))
        used = resolve_precision(self.precision, torch.device(self.device))
        return [
            speed(f"anysense pretrain, {used} on {self.device}", rates["ours"], "samples"),
            speed("plain float32 loop on cpu", rates["plain"], "samples"),
            ratio("anysense pretrain against the plain loop", rates["ours"], rates["plain"], target=2),
        ]

    def _new(self) -> Representation:
        return new_representation(world(), "gmc", "paper", self.seed)


def epoch_rate(representation: Representation, data: Samples | Transitions, options: Any, epochs: int = 1) -> float:
    """Samples per second of the last epoch of a pretraining with Adam at 1e-3."""
    settings = PretrainSettings(
        epochs=epochs,
        batch_size=options.batch_size,
        learning_rate=1e-3,
        schedule="constant",
        keep="last",
        precision=options.precision,
        device=options.device,
        seed=options.seed,
    )
    few = data.select(range(min(len(data), settings.batch_size)))
    with tempfile.TemporaryDirectory() as folder:
        return pretrain(representation, data, few, settings, Path(folder)).history[-1]["samples_per_second"]


def _plain(data: Transitions, batch_size: int, seed: int) -> Iterator[int]:
    observation = data.observation(range(len(data)))
    sound = observation["sound"]
    low, high = sound.amin(dim=(0, 1, 2)), sound.amax(dim=(0, 1, 2))
    rows = Rows(observation["image"] / 255.0, (sound - low) / (high - low))
    return plain_training(PlainPendulum, rows, batch_size, _TEMPERATURE, seed)
