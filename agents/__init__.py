"""Agents: frozen features, encode-once training, exported agents, evaluation.

Names are imported from their modules when they are first used, so that one of them does not wait for the others.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anysense.agents.algorithms.catalogue import ALGORITHMS, build_model, make_agent_settings
    from anysense.agents.algorithms.fast_sac import FastSAC
    from anysense.agents.algorithms.published import PublishedDDPG
    from anysense.agents.evaluation import EvaluationEpisodes, MissingLevel, evaluate, reference_results
    from anysense.agents.exported import Agent
    from anysense.agents.frozen import FrozenEncoder, FrozenExtractor
    from anysense.agents.latent import EncodeObservation, LatentVecEnv
    from anysense.agents.results import EpisodeResults, load_results, save_results
    from anysense.agents.training import TrainResult, TrainSettings, train

__all__ = [
    "ALGORITHMS",
    "Agent",
    "EncodeObservation",
    "EpisodeResults",
    "EvaluationEpisodes",
    "FastSAC",
    "FrozenEncoder",
    "FrozenExtractor",
    "LatentVecEnv",
    "MissingLevel",
    "PublishedDDPG",
    "TrainResult",
    "TrainSettings",
    "build_model",
    "evaluate",
    "load_results",
    "make_agent_settings",
    "reference_results",
    "save_results",
    "train",
]

_MODULES = {
    "algorithms.catalogue": ("ALGORITHMS", "build_model", "make_agent_settings"),
    "evaluation": ("EvaluationEpisodes", "MissingLevel", "evaluate", "reference_results"),
    "exported": ("Agent",),
    "algorithms.fast_sac": ("FastSAC",),
    "frozen": ("FrozenEncoder", "FrozenExtractor"),
    "latent": ("EncodeObservation", "LatentVecEnv"),
    "algorithms.published": ("PublishedDDPG",),
    "results": ("EpisodeResults", "load_results", "save_results"),
    "training": ("TrainResult", "TrainSettings", "train"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
