"""Agents: frozen features, training on latents, exported agents, evaluation.

Names are imported from their modules when they are first used, so that one does not wait for the others.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysense.agents.algorithms.catalogue import ALGORITHMS, Algorithm
    from anysense.agents.evaluation import EvaluationEpisodes, MissingLevel, evaluate
    from anysense.agents.exported import Agent
    from anysense.agents.frozen import FrozenEncoder, FrozenExtractor
    from anysense.agents.latent import EncodeObservation, LatentVecEnv
    from anysense.agents.training import TrainSettings, train

__all__ = [
    "ALGORITHMS",
    "Agent",
    "Algorithm",
    "EncodeObservation",
    "EvaluationEpisodes",
    "FrozenEncoder",
    "FrozenExtractor",
    "LatentVecEnv",
    "MissingLevel",
    "TrainSettings",
    "evaluate",
    "train",
]

_MODULES = ("frozen", "latent", "exported", "evaluation", "training", "algorithms.catalogue")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = importlib.import_module(f"{__name__}.{module}")
            if name in found.__all__:
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
