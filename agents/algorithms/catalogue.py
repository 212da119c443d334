"""The algorithms by name, and how a model is built from settings. Classes are imported when first asked for."""

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from anysense.agents.algorithms.noise import GaussianNoise, OrnsteinUhlenbeckNoise, StatefulNoise
from anysense.agents.algorithms.settings import AgentSettings, DeterministicSettings
from anysense.agents.frozen import FrozenEncoder, FrozenExtractor
from anysense.common.errors import unknown_name
from anysense.common.registry import Registry
from anysense.envs.world import World

__all__ = ["ALGORITHMS", "Algorithm", "agent_presets", "build_model", "make_agent_settings"]


@dataclass(frozen=True)
class Algorithm:
    """One algorithm of Stable-Baselines3 or with its interface.

    Attributes:
        path: ``module:class``.
        presets: Settings by preset that suit any world; a world adds to them, see `World.agent_presets`.
    """

    path: str
    presets: Mapping[str, AgentSettings]

    def load(self) -> type[BaseAlgorithm]:
        """The class."""
        module, name = self.path.split(":")
        found: type[BaseAlgorithm] = getattr(importlib.import_module(module), name)
        return found


def _check_algorithm(found: Any) -> None:
    if not isinstance(found, Algorithm):
        raise TypeError(f"an algorithm must be an instance of anysense's Algorithm; got {found!r}.")


ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm",
    "anysense.algorithms",
    {name: f"anysense.agents.algorithms.usual:{name.upper()}" for name in ("ppo", "a2c", "sac", "td3", "ddpg", "tqc")},
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
        ValueError: Unknown algorithm, preset or setting, or a value out of range.
    """
    presets = agent_presets(name, world)
    if preset not in presets:
        raise ValueError(f"{unknown_name('preset', preset, presets)} Nothing is published of {name} in {world.id}.")
    fields = [field.name for field in dataclasses.fields(presets[preset])]
    for key in overrides:
        if key not in fields:
            raise ValueError(unknown_name(f"setting of {name}", key, fields))
    if "net_arch" in overrides:
        overrides["net_arch"] = tuple(overrides["net_arch"])
    settings = dataclasses.replace(presets[preset], **overrides)
    if isinstance(settings, DeterministicSettings) and settings.published and name != "ddpg":
        raise ValueError(f"`published` is the published form of ddpg; got `algorithm` {name!r}.")
    return settings


def build_model(
    name: str,
    settings: AgentSettings,
    venv: VecEnv,
    seed: int,
    device: str | torch.device = "cpu",
    encoder: FrozenEncoder | None = None,
) -> BaseAlgorithm:
    """Make a new agent.

    The initialisation and the training of Stable-Baselines3 draw from the global generators of Python, numpy and torch;
    call it inside `anysense.common.randomness.forked_generators`.

    Args:
        name: Algorithm.
        settings: Its settings.
        venv: Environment with latents as observations, or with raw observations when `encoder` is given.
        seed: Seed of everything that the agent draws.
        device: Device of the networks.
        encoder: Encodes raw observations inside the policy.
    """
    keywords: dict[str, Any] = {**settings.keywords(), "policy_kwargs": settings.policy_keywords()}
    policy = "MlpPolicy"
    if encoder is not None:
        policy = "MultiInputPolicy"
        keywords["policy_kwargs"] |= {
            "features_extractor_class": FrozenExtractor,
            "features_extractor_kwargs": {"representation": encoder.representation, "modalities": encoder.modalities},
        }
    cls = ALGORITHMS.get(name).load()
    if isinstance(settings, DeterministicSettings):
        keywords["action_noise"] = _noise(settings, venv, seed)
        if settings.published:
            from anysense.agents.algorithms.published import PublishedDDPG

            cls, policy = PublishedDDPG, "MlpPolicy"
            keywords |= settings.published_keywords()
    return cls(policy, venv, seed=seed, device=device, verbose=0, **keywords)


def _noise(settings: DeterministicSettings, venv: VecEnv, seed: int) -> StatefulNoise:
    generator = np.random.default_rng([seed, 0x6E6F6973])
    shape = (venv.num_envs, int(np.prod(venv.action_space.shape or (1,))))
    if settings.noise == "gaussian":
        return GaussianNoise(shape, settings.noise_scale, generator)
    return OrnsteinUhlenbeckNoise(shape, settings.noise_scale, settings.noise_frames, generator)
