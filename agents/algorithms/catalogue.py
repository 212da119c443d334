"""The algorithms by name, and how a model is built from settings. Classes are imported when first asked for."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from anysense.agents.algorithms.settings import AgentSettings, DeterministicSettings, SoftSettings
from anysense.common.errors import unknown_name
from anysense.common.registry import Registry
from anysense.common.validation import check_choice
from anysense.envs.world import World

if TYPE_CHECKING:
    import torch
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from anysense.agents.algorithms.noise import ExplorationNoise
    from anysense.agents.frozen import FrozenEncoder

__all__ = ["ALGORITHMS", "Algorithm", "agent_presets", "build_model", "check_actions", "make_agent_settings"]


@dataclass(frozen=True)
class Algorithm:
    """One algorithm of Stable-Baselines3 or with its interface.

    Attributes:
        path: ``module:class``.
        presets: Settings by preset that suit any world, with ``default``; a world adds to them, see
            `World.agent_presets`.
        actions: Kinds of action spaces that it can act in.
    """

    path: str
    presets: Mapping[str, AgentSettings]
    actions: tuple[type[spaces.Space[Any]], ...] = (spaces.Box,)

    def load(self) -> type[BaseAlgorithm]:
        """The class."""
        module, name = self.path.split(":")
        found: type[BaseAlgorithm] = getattr(importlib.import_module(module), name)
        return found


def _check_algorithm(found: Any) -> None:
    if not isinstance(found, Algorithm):
        raise TypeError(f"an algorithm must be an instance of anysense.agents.Algorithm; got {found!r}.")


_NAMES = ("ppo", "a2c", "sac", "td3", "ddpg", "tqc", "dqn", "qrdqn")
ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm",
    "anysense.algorithms",
    {name: f"anysense.agents.algorithms.usual:{name.upper()}" for name in _NAMES},
    _check_algorithm,
)
"""All algorithms."""


def agent_presets(name: str, world: World) -> dict[str, AgentSettings]:
    """Settings of an algorithm by preset: its own, with what the world says of them.

    Raises:
        ValueError: Unknown algorithm.
    """
    own = ALGORITHMS.get(name).presets
    tuned = {
        preset: dataclasses.replace(own.get(preset, own["default"]), **values)
        for preset, values in world.agent_presets.get(name, {}).items()
    }
    return {**own, **tuned}


def make_agent_settings(name: str, preset: str, world: World, **overrides: Any) -> AgentSettings:
    """Settings of an algorithm and preset in a world, with some fields replaced.

    Raises:
        TypeError: A value of the wrong type.
        ValueError: Unknown algorithm, preset or setting, or a value out of range.
    """
    presets = agent_presets(name, world)
    if preset not in presets:
        raise ValueError(f"{unknown_name('preset', preset, presets)} Nothing is published of {name} in {world.id}.")
    for key in overrides:
        check_choice(f"setting of {name}", key, [field.name for field in dataclasses.fields(presets[preset])])
    settings = dataclasses.replace(presets[preset], **overrides)
    if isinstance(settings, DeterministicSettings) and settings.published and name != "ddpg":
        raise ValueError(f"`published` is the published form of ddpg; got `algorithm` {name!r}.")
    return settings


def check_actions(name: str, space: spaces.Space[Any]) -> None:
    """Checks that an algorithm can act in an action space.

    Raises:
        ValueError: It cannot, or the actions have no limits.
    """
    if not isinstance(space, ALGORITHMS.get(name).actions):
        able = [other for other in _NAMES if isinstance(space, ALGORITHMS.get(other).actions)]
        kinds = " or ".join(kind.__name__ for kind in ALGORITHMS.get(name).actions)
        advice = f"use one of {', '.join(map(repr, able))}" if able else "wrap the environment"
        raise ValueError(f"`algorithm` {name!r} needs actions of the kind {kinds}; the actions are {space}: {advice}.")
    if isinstance(space, spaces.Box) and not space.is_bounded():
        raise ValueError(
            f"the actions {space} must have finite limits; wrap the environment with "
            "gymnasium.wrappers.RescaleAction or state the limits in its `action_space`."
        )


def build_model(
    name: str,
    settings: AgentSettings,
    venv: VecEnv,
    seed: int,
    device: str | torch.device = "cpu",
    encoder: FrozenEncoder | None = None,
) -> BaseAlgorithm:
    """Make a new agent.

    The observations of `venv` are latents, or raw ones that `encoder` encodes inside the policy. Initialisation and
    training of Stable-Baselines3 draw from the global generators of Python, numpy and torch; call it inside
    `anysense.common.randomness.forked_generators`.

    Raises:
        ValueError: Unknown algorithm, or one that cannot act in the action space.
    """
    from anysense.agents.frozen import FrozenExtractor

    check_actions(name, venv.action_space)
    cls = ALGORITHMS.get(name).load()
    if isinstance(settings, DeterministicSettings) and settings.published:
        from anysense.agents.algorithms.published import PublishedDDPG

        cls = PublishedDDPG
    keywords: dict[str, Any] = {**settings.keywords(cls), "policy_kwargs": settings.policy_keywords()}
    if isinstance(settings, DeterministicSettings) or (isinstance(settings, SoftSettings) and settings.noise_scale):
        keywords["action_noise"] = _noise(settings, venv, seed)
    if encoder is not None:
        keywords["policy_kwargs"] |= {
            "features_extractor_class": FrozenExtractor,
            "features_extractor_kwargs": {
                "representation": encoder.representation,
                "modalities": encoder.modalities,
                "standardise": encoder.standardise,
            },
        }
    policy = "MlpPolicy" if encoder is None else "MultiInputPolicy"
    return cls(policy, venv, seed=seed, device=device, verbose=0, **keywords)


def _noise(settings: DeterministicSettings | SoftSettings, venv: VecEnv, seed: int) -> ExplorationNoise:
    from anysense.agents.algorithms.noise import ExplorationNoise

    generator = np.random.default_rng([seed, 0x6E6F6973])
    shape = (venv.num_envs, *(venv.action_space.shape or ()))
    if isinstance(settings, SoftSettings) or settings.noise == "gaussian":
        return ExplorationNoise(shape, settings.noise_scale, generator)
    return ExplorationNoise(shape, settings.noise_scale, generator, reversion=0.15, fade_frames=settings.noise_frames)
