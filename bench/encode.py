"""`anysense bench encode`: samples per second that a representation encodes, by modalities and batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.envs.world import world
from anysense.representations.contract import Representation, modalities_from_space
from anysense.representations.data import collect
from anysense.representations.registry import build, make_settings
from anysense.runs.settings import Preset
from bench.measure import Figure, alternate, speed

__all__ = ["bench_encode"]


def bench_encode(
    repeats: int, seconds: float, seed: int, method: str, preset: Preset, batch_sizes: Sequence[int], device: str
) -> list[Figure]:
    """Measure complete, image and sound observations at each batch size, with new weights."""
    space = MultimodalPendulumEnv().observation_space
    representation = build(method, modalities_from_space(space), make_settings(method, preset), seed).to(device).eval()
    data = collect(world(), max(batch_sizes), seed=seed)
    subsets = {"image and sound": ("image", "sound"), "image": ("image",), "sound": ("sound",)}
    sides: dict[str, Callable[[], int]] = {}
    for batch_size in batch_sizes:
        observation = {name: value.to(device) for name, value in data.observation(range(batch_size)).items()}
        for label, modalities in subsets.items():
            part = {name: observation[name] for name in modalities}
            sides[f"{label}, batch {batch_size}"] = _encoding(representation, part)
    rates = alternate(sides, repeats, seconds)
    return [speed(name, values, "samples") for name, values in rates.items()]


def _encoding(representation: Representation, observation: dict[str, Tensor]) -> Callable[[], int]:
    size = len(next(iter(observation.values())))

    def work() -> int:
        with torch.inference_mode():
            latents = representation.encode(observation)
        if latents.is_cuda:
            torch.cuda.synchronize()
        return size

    return work
