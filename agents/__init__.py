"""Agents: frozen features, training on latents, exported agents, evaluation.

Names are imported from their modules when they are first used, so that one does not wait for the others.
"""

from typing import TYPE_CHECKING

from anysense.common.lazy import from_modules

if TYPE_CHECKING:
    from anysense.agents.algorithms.catalogue import ALGORITHMS, Algorithm
    from anysense.agents.evaluation import EvaluationEpisodes, MissingLevel, evaluate
    from anysense.agents.exported import Agent
    from anysense.agents.frozen import FrozenEncoder, FrozenExtractor
    from anysense.agents.latent import EncodeObservation, LatentVecEnv
    from anysense.agents.pretrained import pretrained_agent, pretrained_names
    from anysense.agents.saved_models import accept_present, load_model
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
    "accept_present",
    "evaluate",
    "load_model",
    "pretrained_agent",
    "pretrained_names",
    "train",
]

_MODULES = (
    "frozen",
    "latent",
    "saved_models",
    "exported",
    "pretrained",
    "evaluation",
    "training",
    "algorithms.catalogue",
)
__getattr__ = from_modules(__name__, __all__, _MODULES)


def __dir__() -> list[str]:
    return sorted(__all__)
