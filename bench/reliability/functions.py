"""Public functions that are called wrongly, each with a call that is right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np

from anysense import envs
from anysense.agents.exported import Agent
from anysense.agents.frozen import FrozenEncoder, FrozenExtractor
from anysense.common.machine import resolve_device
from anysense.common.statistics import across_seeds, bootstrap_mean, paired_gap
from anysense.representations.data import collect
from anysense.representations.data.offline.sentiment import load_mosei_offline
from anysense.representations.evaluation.dca import dca
from anysense.representations.files import load_representation
from anysense.representations.modality import Modality, modalities_from_space
from anysense.representations.registry import build
from bench.reliability.readers import examples

__all__ = ["FUNCTIONS", "Call", "prepare"]


@dataclass(frozen=True)
class Call:
    """A function, called rightly but for one argument.

    Attributes:
        make: Calls it, with what `prepare` made and the wrong argument by its name.
        kinds: Kind of each argument that is tried, by its name; see `bench.reliability.calls.WRONG`.
        named: What an error may name instead of the argument.
    """

    make: Callable[[Any, Mapping[str, Any]], Any]
    kinds: Mapping[str, str]
    named: str = "\0"


def prepare(folder: Path) -> SimpleNamespace:
    """What the calls need."""
    place = folder / "examples"
    examples(place)
    pendulum = envs.world()
    return SimpleNamespace(
        folder=place,
        world=pendulum,
        space=pendulum.observation_space,
        modalities=modalities_from_space(pendulum.observation_space),
        encoder=FrozenEncoder(place / "representation"),
        agent=Agent.load(place / "agent"),
        observation=pendulum.observation_space.sample(),
        transitions=collect(pendulum, 16, "coverage", 0),
        points=np.random.default_rng(0).standard_normal((40, 3)),
    )


def _env(**options: Any) -> Any:
    return gymnasium.make(envs.DEFAULT_WORLD, disable_env_checker=True, **options)


def _stepped(values: Mapping[str, Any]) -> Any:
    env = envs.MultimodalPendulumEnv()
    env.reset(seed=0)
    return env.step(values["action"])


def _vector_stepped(values: Mapping[str, Any]) -> Any:
    env = envs.MultimodalPendulumVectorEnv(2)
    env.reset(seed=0)
    return env.step(values["actions"])


_PENDULUM = {
    "modalities": "names",
    "receivers": "names",
    "frame_stack": "count",
    "physics": "name",
    "antialias": "flag",
    "sound": "name",
    "timbre": "name",
    "sample_rate": "count",
}
_HYPERHOT = {"modalities": "names", "receivers": "names", "frame_stack": "count", "enemies": "count", "picture": "name"}
FUNCTIONS: Mapping[str, Call] = {
    "pendulum": Call(lambda it, wrong: envs.MultimodalPendulumEnv(**wrong), _PENDULUM),
    "pendulum vector": Call(
        lambda it, wrong: envs.MultimodalPendulumVectorEnv(**{"num_envs": 2, **wrong}),
        {"num_envs": "count", **_PENDULUM},
    ),
    "hyperhot": Call(lambda it, wrong: envs.HyperhotEnv(**wrong), _HYPERHOT),
    "hyperhot vector": Call(
        lambda it, wrong: envs.HyperhotVectorEnv(**{"num_envs": 2, **wrong}), {"num_envs": "count", **_HYPERHOT}
    ),
    "reset": Call(lambda it, wrong: envs.MultimodalPendulumEnv().reset(**wrong), {"seed": "seed"}, "seed"),
    "step": Call(lambda it, wrong: _stepped(wrong), {"action": "observation"}),
    "vector step": Call(lambda it, wrong: _vector_stepped(wrong), {"actions": "observation"}),
    "missing": Call(
        lambda it, wrong: envs.MissingModalities(_env(), **{"probability": 0.5, **wrong}),
        {"probability": "shares", "per": "name", "keep_one": "flag"},
    ),
    "corrupt": Call(lambda it, wrong: envs.Corrupt(_env(), **wrong), {"corruption": "name"}),
    "parse corruption": Call(lambda it, wrong: envs.parse_corruption(**wrong), {"corruption": "name"}),
    "world": Call(lambda it, wrong: envs.world(**wrong), {"id": "name"}, "env"),
    "collect": Call(
        lambda it, wrong: collect(**{"world": it.world, "samples": 16, **wrong}),
        {"samples": "count", "seed": "seed", "policy": "name", "modalities": "names"},
    ),
    "split": Call(
        lambda it, wrong: it.transitions.split(**{"validation_fraction": 0.5, "seed": 0, **wrong}),
        {"validation_fraction": "share", "seed": "seed"},
    ),
    "modality": Call(
        lambda it, wrong: Modality(**{"name": "a", "shape": (2,), "dtype": "float32", **wrong}),
        {"shape": "observation", "dtype": "device"},
        "shape",
    ),
    "build": Call(
        lambda it, wrong: build(**{"method": "gmc", "modalities": it.modalities, **wrong}),
        {"method": "name", "seed": "bounded seed", "modalities": "observation"},
    ),
    "load representation": Call(
        lambda it, wrong: load_representation(**{"folder": it.folder / "representation", **wrong}),
        {"folder": "path", "device": "device"},
        "representation.json",
    ),
    "load agent": Call(
        lambda it, wrong: Agent.load(**{"folder": it.folder / "agent", **wrong}),
        {"folder": "path", "device": "device"},
        "agent.json",
    ),
    "act": Call(
        lambda it, wrong: it.agent.act(**{"observation": it.observation, **wrong}), {"observation": "observation"}
    ),
    "frozen encoder": Call(
        lambda it, wrong: FrozenEncoder(**{"representation": it.folder / "representation", **wrong}),
        {"representation": "path", "modalities": "names"},
        "representation.json",
    ),
    "frozen extractor": Call(
        lambda it, wrong: FrozenExtractor(
            **{"observation_space": it.space, "representation": it.folder / "representation", **wrong}
        ),
        {"representation": "path", "observation_space": "observation"},
        "representation.json",
    ),
    "device": Call(lambda it, wrong: resolve_device(**wrong), {"device": "device"}),
    "bootstrap": Call(
        lambda it, wrong: bootstrap_mean(**{"values": [1.0, 2.0], **wrong}),
        {"confidence": "share", "resamples": "count", "values": "observation"},
    ),
    "paired gap": Call(
        lambda it, wrong: paired_gap(**{"values": [1.0, 2.0], "reference": [1.0, 3.0], **wrong}),
        {"values": "observation", "reference": "observation"},
        "equally many",
    ),
    "across seeds": Call(
        lambda it, wrong: across_seeds(**{"values": [1.0, 2.0], **wrong}),
        {"values": "observation", "confidence": "share"},
    ),
    "dca": Call(
        lambda it, wrong: dca(**{"reference": it.points, "evaluation": it.points + 1, **wrong}),
        {"n_rays": "count", "min_cluster_size": "count", "sphere_coverage": "share", "reference": "observation"},
    ),
    "offline sentiment": Call(
        lambda it, wrong: load_mosei_offline(**{"train": 8, "validation": 4, "test": 4, **wrong}),
        {"train": "count", "validation": "count", "test": "count", "seed": "seed"},
    ),
    "encode": Call(
        lambda it, wrong: it.encoder.encode(**wrong),
        {"observation": "observation"},
    ),
}
"""The functions by what they do."""
