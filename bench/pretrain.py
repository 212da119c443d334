"""`anysense bench pretrain`: samples per second of `anysense pretrain`, against the plain float32 loop.

Both sides have the published architecture, the same data, batch size, threads and optimiser (Adam). Ours is the command
itself: its second epoch is counted, with Lightning's work around the steps, without the measurements after each epoch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.envs.world import world
from anysense.representations.contract import modalities_from_space
from anysense.representations.data import Transitions, collect
from anysense.representations.registry import build, make_settings
from anysense.representations.training import PretrainSettings, pretrain
from anysense.representations.training.machine import resolve_precision
from anysense.representations.training.pretrain_settings import Precision
from bench.measure import Figure, ratio, speed
from bench.reference import plain_training

__all__ = ["bench_pretrain"]

_TEMPERATURE, _LEARNING_RATE = 0.3, 1e-3


def bench_pretrain(
    repeats: int, seconds: float, seed: int, samples: int, batch_size: int, device: str, precision: Precision
) -> list[Figure]:
    """Measure both sides in turn, with at least one epoch and at least `seconds` of work each per repeat."""
    data = collect(world(), samples, seed=seed)
    settings = PretrainSettings(
        epochs=2,
        batch_size=batch_size,
        learning_rate=_LEARNING_RATE,
        schedule="constant",
        precision=precision,
        device=device,
        seed=seed,
    )
    plain = _plain(data, batch_size, seed)
    next(plain)
    rates: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(repeats):
        rates["ours"].append(_ours(data, settings, seed))
        rates["plain"].append(_plain_rate(plain, samples, seconds))
    used = resolve_precision(precision, torch.device(device))
    return [
        speed(f"anysense pretrain, {used} on {device}", rates["ours"], "samples"),
        speed("plain float32 loop on cpu", rates["plain"], "samples"),
        ratio("anysense pretrain against the plain loop", rates["ours"], rates["plain"], target=2),
    ]


def _ours(data: Transitions, settings: PretrainSettings, seed: int) -> float:
    space = MultimodalPendulumEnv().observation_space
    representation = build("gmc", modalities_from_space(space), make_settings("gmc", "paper"), seed)
    few = data.select(range(min(len(data), settings.batch_size)))
    with tempfile.TemporaryDirectory() as folder:
        result = pretrain(representation, data, few, settings, Path(folder))
    return result.history[-1]["samples_per_second"]


def _plain(data: Transitions, batch_size: int, seed: int) -> Iterator[int]:
    observation = data.observation(range(len(data)))
    low, high = (
        observation["sound"].amin(dim=(0, 1, 2)),
        observation["sound"].amax(dim=(0, 1, 2)),
    )
    sound = (observation["sound"] - low) / (high - low)
    return plain_training(observation["image"] / 255.0, sound, batch_size, _TEMPERATURE, _LEARNING_RATE, seed)


def _plain_rate(steps: Iterator[int], samples: int, seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while done < samples or time.perf_counter() - start < seconds:
        done += next(steps)
    return done / (time.perf_counter() - start)
