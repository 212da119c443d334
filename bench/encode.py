"""Samples per second that a representation encodes, by modalities and batch size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from anysense.envs import DEFAULT_WORLD, World, world
from anysense.representations import Representation, build, modalities_from_space, presets
from anysense.representations.data import collect
from bench.measure import SMOKE, Bench, Figure, alternate, speed

__all__ = ["Part", "new_representation"]


@dataclass(frozen=True, kw_only=True)
class Part(Bench):
    """Samples per second that a representation with new weights encodes, by modalities and batch size."""

    smoke: ClassVar = {**SMOKE, "batch_sizes": (1, 4)}

    method: str = "gmc"
    """Method of the representation; --preset chooses its architecture."""
    env: str = DEFAULT_WORLD
    """Gymnasium id of the environment."""
    batch_sizes: tuple[int, ...] = (1, 64, 256, 1024)
    """Batch sizes to measure."""

    def measure(self) -> list[Figure]:
        """Measure complete observations and each modality alone at each batch size."""
        known = world(self.env)
        representation = new_representation(known, self.method, self.preset, self.seed).to(self.device).eval()
        data = collect(known, max(self.batch_sizes), seed=self.seed)
        subsets = [known.modalities, *((name,) for name in known.modalities)]
        sides: dict[str, Callable[[], int]] = {}
        for batch_size in self.batch_sizes:
            observation = {name: it.to(self.device) for name, it in data.observation(range(batch_size)).items()}
            for subset in subsets:
                part = {name: observation[name] for name in subset}
                sides[f"{' and '.join(subset)}, batch {batch_size}"] = _encoding(representation, part)
        rates = alternate(sides, self.repeats, self.seconds)
        return [speed(name, values, "samples") for name, values in rates.items()]


def new_representation(known: World, method: str, preset: str, seed: int) -> Representation:
    """A representation of a world with new weights and the settings of a preset."""
    suited = presets(known.benchmark)
    settings, networks = suited.method_settings(method, preset), suited.networks(method, preset)
    return build(method, modalities_from_space(known.observation_space), settings, networks, seed)


def _encoding(representation: Representation, observation: dict[str, Tensor]) -> Callable[[], int]:
    size = len(next(iter(observation.values())))

    def work() -> int:
        with torch.inference_mode():
            latents = representation.encode(observation)
        if latents.is_cuda:
            torch.cuda.synchronize()
        return size

    return work
