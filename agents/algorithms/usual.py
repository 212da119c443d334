"""The algorithms that come with anysense, with settings for worlds of which nothing more is known."""

from typing import Any

from gymnasium import spaces

from anysense.agents.algorithms.catalogue import Algorithm
from anysense.agents.algorithms.settings import (
    DeterministicSettings,
    OnPolicySettings,
    PPOSettings,
    QuantileSettings,
    SoftSettings,
    TQCSettings,
    ValueSettings,
)

__all__ = ["A2C", "DDPG", "DQN", "PPO", "QRDQN", "SAC", "TD3", "TQC"]

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
    "total_steps": 100_000,
    "n_envs": 8,
    "learning_starts": 1_000,
    "gradient_steps": 8,
    "buffer_size": 100_000,
    "net_arch": (256, 256),
    "gamma": 0.99,
}
_ANY_ACTIONS = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_SMOKE_ROLLOUT: dict[str, Any] = {"total_steps": 1_200, "n_envs": 8, "n_steps": 32, "net_arch": (32, 32)}
_DEFAULT_ROLLOUT: dict[str, Any] = {"total_steps": 300_000, "n_envs": 8, "gamma": 0.99, "gae_lambda": 0.95}

PPO = Algorithm(
    "stable_baselines3:PPO",
    {
        "smoke": PPOSettings(**_SMOKE_ROLLOUT, batch_size=64, n_epochs=2),
        "default": PPOSettings(**_DEFAULT_ROLLOUT, n_steps=256, batch_size=256),
    },
    _ANY_ACTIONS,
)
A2C = Algorithm(
    "stable_baselines3:A2C",
    {
        "smoke": OnPolicySettings(**_SMOKE_ROLLOUT),
        "default": OnPolicySettings(**_DEFAULT_ROLLOUT, n_steps=8, learning_rate=7e-4),
    },
    _ANY_ACTIONS,
)
SAC = Algorithm(
    "anysense.agents.algorithms.fast_sac:FastSAC",
    {"smoke": SoftSettings(**_SMOKE_REPLAY), "default": SoftSettings(**_DEFAULT_REPLAY)},
)
TD3 = Algorithm(
    "stable_baselines3:TD3",
    {"smoke": DeterministicSettings(**_SMOKE_REPLAY), "default": DeterministicSettings(**_DEFAULT_REPLAY)},
)
DDPG = Algorithm("stable_baselines3:DDPG", TD3.presets)
TQC = Algorithm("sb3_contrib:TQC", {"smoke": TQCSettings(**_SMOKE_REPLAY), "default": TQCSettings(**_DEFAULT_REPLAY)})
DQN = Algorithm(
    "stable_baselines3:DQN",
    {"smoke": ValueSettings(**_SMOKE_REPLAY), "default": ValueSettings(**_DEFAULT_REPLAY)},
    (spaces.Discrete,),
)
QRDQN = Algorithm(
    "sb3_contrib:QRDQN",
    {"smoke": QuantileSettings(**_SMOKE_REPLAY, n_quantiles=10), "default": QuantileSettings(**_DEFAULT_REPLAY)},
    (spaces.Discrete,),
)
