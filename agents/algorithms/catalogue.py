"""The algorithms by name, with tuned settings in named presets. A class is imported when it is first asked for."""

import dataclasses
import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from anysense.agents.algorithms.noise import GaussianNoise, OrnsteinUhlenbeckNoise, StatefulNoise
from anysense.agents.algorithms.settings import (
    AgentSettings,
    DeterministicSettings,
    OffPolicySettings,
    OnPolicySettings,
    PPOSettings,
    SoftSettings,
    TQCSettings,
)
from anysense.agents.frozen import FrozenEncoder, FrozenExtractor
from anysense.common.errors import unknown_name

__all__ = ["ALGORITHMS", "PRESETS", "Algorithm", "algorithm", "build_model", "make_agent_settings"]

PRESETS = ("smoke", "default", "paper")


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: where its class is, and its settings by preset."""

    path: str
    presets: dict[str, AgentSettings]

    def load(self) -> type[BaseAlgorithm]:
        """The class."""
        module, name = self.path.split(":")
        found: type[BaseAlgorithm] = getattr(importlib.import_module(module), name)
        return found


_SMOKE_REPLAY: dict[str, Any] = {
    "total_steps": 1_200,
    "n_envs": 8,
    "learning_starts": 200,
    "gradient_steps": 2,
    "batch_size": 64,
    "buffer_size": 2_000,
    "net_arch": (32, 32),
}
_DEFAULT_REPLAY: dict[str, Any] = {
    "total_steps": 80_000,
    "n_envs": 16,
    "learning_starts": 2_000,
    "gradient_steps": 8,
    "batch_size": 256,
    "buffer_size": 80_000,
    "net_arch": (128, 128),
    "gamma": 0.98,
    "tau": 0.01,
    "learning_rate": 1e-3,
    "final_learning_rate": 1e-4,
}
_DEFAULT_SOFT: dict[str, Any] = {
    **_DEFAULT_REPLAY,
    "total_steps": 100_000,
    "n_envs": 32,
    "gradient_steps": 16,
    "buffer_size": 100_000,
    "gamma": 0.99,
    "final_learning_rate": 0.0,
    "reward_scale": 0.05,
    "target_entropy": -3.0,
    "episode_steps": 100,
}
_PAPER_REPLAY: dict[str, Any] = {
    "total_steps": 150_000,
    "n_envs": 1,
    "learning_starts": 25_000,
    "gradient_steps": 1,
    "batch_size": 128,
    "buffer_size": 25_000,
    "net_arch": (256, 256),
    "gamma": 0.99,
    "tau": 0.001,
    "learning_rate": 1e-4,
}
_SMOKE_ROLLOUT: dict[str, Any] = {"total_steps": 1_200, "n_envs": 8, "n_steps": 32, "net_arch": (32, 32)}
_PAPER_ROLLOUT: dict[str, Any] = {"total_steps": 150_000, "gamma": 0.99, "net_arch": (256, 256), "activation": "tanh"}

ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm(
        "stable_baselines3:PPO",
        {
            "smoke": PPOSettings(**_SMOKE_ROLLOUT, batch_size=64, n_epochs=2),
            "default": PPOSettings(
                total_steps=300_000,
                n_envs=32,
                n_steps=64,
                batch_size=256,
                n_epochs=20,
                gamma=0.97,
                gae_lambda=0.95,
                learning_rate=1e-3,
                final_learning_rate=1e-4,
                reward_scale=0.05,
            ),
            "paper": PPOSettings(**_PAPER_ROLLOUT, n_envs=8, n_steps=256, batch_size=128),
        },
    ),
    "a2c": Algorithm(
        "stable_baselines3:A2C",
        {
            "smoke": OnPolicySettings(**_SMOKE_ROLLOUT),
            "default": OnPolicySettings(
                total_steps=600_000,
                n_envs=8,
                n_steps=8,
                gamma=0.97,
                gae_lambda=0.95,
                learning_rate=1e-3,
                final_learning_rate=1e-5,
                reward_scale=0.05,
            ),
            "paper": OnPolicySettings(**_PAPER_ROLLOUT, n_envs=8, learning_rate=7e-4),
        },
    ),
    "sac": Algorithm(
        "anysense.agents.algorithms.fast_sac:FastSAC",
        {
            "smoke": SoftSettings(**_SMOKE_REPLAY),
            "default": SoftSettings(**_DEFAULT_SOFT),
            "paper": SoftSettings(**_PAPER_REPLAY),
        },
    ),
    "td3": Algorithm(
        "stable_baselines3:TD3",
        {
            "smoke": DeterministicSettings(**_SMOKE_REPLAY),
            "default": DeterministicSettings(**_DEFAULT_REPLAY),
            "paper": DeterministicSettings(**_PAPER_REPLAY),
        },
    ),
    "ddpg": Algorithm(
        "stable_baselines3:DDPG",
        {
            "smoke": DeterministicSettings(**_SMOKE_REPLAY),
            "default": DeterministicSettings(**_DEFAULT_REPLAY),
            "paper": DeterministicSettings(
                **_PAPER_REPLAY, noise="ornstein-uhlenbeck", noise_scale=0.2, published=True, critic_learning_rate=1e-3
            ),
        },
    ),
    "tqc": Algorithm(
        "sb3_contrib:TQC",
        {
            "smoke": TQCSettings(**_SMOKE_REPLAY),
            "default": TQCSettings(**{**_DEFAULT_SOFT, "total_steps": 40_000, "buffer_size": 40_000}),
            "paper": TQCSettings(**_PAPER_REPLAY),
        },
    ),
}
"""All algorithms. Preset ``paper`` of ``ddpg`` is the published controller; the others share its budget and sizes."""


def algorithm(name: str) -> Algorithm:
    """Algorithm of a name; an unknown name raises ValueError."""
    if name not in ALGORITHMS:
        raise ValueError(unknown_name("algorithm", name, ALGORITHMS))
    return ALGORITHMS[name]


def make_agent_settings(name: str, preset: str = "default", **overrides: Any) -> AgentSettings:
    """Settings of an algorithm and preset, with some fields replaced.

    Raises:
        ValueError: Unknown algorithm, preset or setting, or a value out of range.
    """
    presets = algorithm(name).presets
    if preset not in presets:
        raise ValueError(unknown_name("preset", preset, presets))
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
    **switches: bool,
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
        **switches: ``action_scaling`` and ``action_doubling`` of the published form of DDPG.
    """
    keywords: dict[str, Any] = {**settings.keywords(), "policy_kwargs": settings.policy_keywords()}
    if isinstance(settings, DeterministicSettings):
        keywords["action_noise"] = _noise(settings, venv, seed)
    policy = "MlpPolicy"
    if encoder is not None:
        policy = "MultiInputPolicy"
        keywords["policy_kwargs"] |= {
            "features_extractor_class": FrozenExtractor,
            "features_extractor_kwargs": {"representation": encoder.representation, "modalities": encoder.modalities},
        }
    cls = algorithm(name).load()
    if isinstance(settings, DeterministicSettings) and settings.published:
        from anysense.agents.algorithms.published import PublishedDDPG

        cls, policy = PublishedDDPG, "MlpPolicy"
        keywords |= {"critic_learning_rate": settings.critic_learning_rate or settings.learning_rate, **switches}
    return cls(policy, venv, seed=seed, device=device, verbose=0, **keywords)


def _noise(settings: DeterministicSettings, venv: VecEnv, seed: int) -> StatefulNoise:
    generator = np.random.default_rng([seed, 0x6E6F6973])
    shape = (venv.num_envs, int(np.prod(venv.action_space.shape or (1,))))
    if settings.noise == "gaussian":
        return GaussianNoise(shape, settings.noise_scale, generator)
    return OrnsteinUhlenbeckNoise(shape, settings.noise_scale, settings.noise_frames, generator)


def is_off_policy(settings: AgentSettings) -> bool:
    """Whether the algorithm keeps a replay buffer."""
    return isinstance(settings, OffPolicySettings)
