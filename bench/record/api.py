"""How the recorder makes representations, environments and data, in words that stay when the interface changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import gymnasium
import torch
from torch import Tensor

from anysense.envs import (
    DEFAULT_WORLD,
    Corrupt,
    Corruption,
    MissingModalities,
    MultimodalPendulumVectorEnv,
    VectorCorrupt,
    VectorMissingModalities,
    world,
)
from anysense.representations.benchmarks import PRESET_NAMES, DataRequest, benchmark, presets
from anysense.representations.contract import Representation
from anysense.representations.data import collect
from anysense.representations.modality import Modality, modalities_from_space
from anysense.representations.networks.catalogue import NETWORKS
from anysense.representations.registry import build as build_representation

BENCHMARKS = {"pendulum": "pendulum", "mhd": "mhd", "generic": "generic", "sentiment": "mosei"}
"""By kind of data, the benchmark that has its presets and modalities."""
GENERIC = {
    "photo": Modality("photo", (3, 16, 16), "uint8"),
    "touch": Modality("touch", (5,), "float32", -1.0, 1.0),
    "joints": Modality("joints", (8, 3), "float32", -1.0, 1.0),
}

pendulum_vector = MultimodalPendulumVectorEnv


def network_cases() -> Iterator[tuple[str, str, str]]:
    """Method, kind of data and preset, for all that exist."""
    for kind, name in BENCHMARKS.items():
        for method in presets(name).settings:
            for preset in PRESET_NAMES:
                yield method, kind, preset


def modalities_of(kind: str) -> Mapping[str, Modality]:
    """Modalities that a kind of data is recorded with."""
    if kind == "pendulum":
        return modalities_from_space(pendulum().observation_space)
    return GENERIC if kind == "generic" else benchmark(BENCHMARKS[kind]).modalities


def build(method: str, kind: str, preset: str, seed: int, **changes: Any) -> Representation:
    """A new representation with the settings of a preset, some of them (of method or networks) changed."""
    found = presets(BENCHMARKS[kind])
    of_networks = {field.name for field in fields(NETWORKS.get(found.family).settings_class)}
    given = [{name: changes[name] for name in changes if (name in of_networks) is here} for here in (False, True)]
    settings, networks = found.method_settings(method, preset, **given[0]), found.networks(method, preset, **given[1])
    return build_representation(method, modalities_of(kind), settings, networks, seed)


def pendulum(**options: Any) -> gymnasium.Env[Any, Any]:
    """A single pendulum; ``modalities`` chooses what it observes."""
    return gymnasium.make(DEFAULT_WORLD, **options)


def corrupted(env: Any, modality: str, name: str, level: float | None) -> Any:
    """A single or a vector environment with one modality corrupted."""
    wrap = VectorCorrupt if isinstance(env, gymnasium.vector.VectorEnv) else Corrupt
    return wrap(env, Corruption(modality, name, level))


def with_missing(
    env: Any, probability: float | Mapping[str, float], per: Literal["episode", "step"], keep_one: bool
) -> Any:
    """A single or a vector environment with modalities missing at random."""
    wrap = VectorMissingModalities if isinstance(env, gymnasium.vector.VectorEnv) else MissingModalities
    return wrap(env, probability, per, keep_one)


def collected(
    samples: int, policy: str, seed: int, modalities: Sequence[str] | None = None, **options: Any
) -> dict[str, Tensor]:
    """Arrays of collected transitions by name, and of the parts that they are split into."""
    data = collect(world(options=options), samples, policy, seed, modalities=modalities)
    rows = torch.arange(len(data))
    arrays = {f"observation {name}": value for name, value in data.observation(rows).items()}
    arrays |= {f"next observation {name}": value for name, value in data.next_observation(rows).items()}
    arrays |= {"state": data.state(rows), "next state": data.next_state(rows)}
    arrays |= {"action": data.action(rows), "reward": data.reward(rows), "trajectory": data.trajectory}
    for part, chosen in zip(("train", "validation"), data.split(0.25, seed), strict=True):
        arrays[f"{part} state"] = chosen.state(torch.arange(len(chosen)))
    return arrays


def data_set(name: str, train: int, test: int) -> dict[str, Tensor]:
    """Arrays of a generated data set by part and modality."""
    splits = benchmark(name).load(DataRequest(train=train, test=test), None)
    arrays: dict[str, Tensor] = {}
    for part in ("train", "validation", "test"):
        samples = getattr(splits, part)
        arrays |= {f"{part} {name}": value for name, value in samples.values.items()}
        arrays[f"{part} targets"] = samples.targets
    return arrays
