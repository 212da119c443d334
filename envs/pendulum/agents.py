"""Settings of agents that were tuned on the pendulum, and the published ones; what is not named is the algorithm's own.

The preset ``paper`` of ``ddpg`` is the published controller (Poklukar et al., ICML 2022); the others share its budget
and sizes.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["AGENT_PRESETS"]

_REPLAY: dict[str, Any] = {
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
_SOFT: dict[str, Any] = {
    **_REPLAY,
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
_ROLLOUT: dict[str, Any] = {"gamma": 0.97, "gae_lambda": 0.95, "learning_rate": 1e-3, "reward_scale": 0.05}
_PAPER_ROLLOUT: dict[str, Any] = {
    "total_steps": 150_000,
    "n_envs": 8,
    "gamma": 0.99,
    "gae_lambda": 0.9,
    "net_arch": (256, 256),
    "activation": "tanh",
}
_SMOKE = {"gamma": 0.98}

AGENT_PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "ppo": {
        "smoke": _SMOKE,
        "default": {
            **_ROLLOUT,
            "total_steps": 300_000,
            "n_envs": 32,
            "n_steps": 64,
            "n_epochs": 20,
            "final_learning_rate": 1e-4,
        },
        "paper": {**_PAPER_ROLLOUT, "n_steps": 256, "batch_size": 128},
    },
    "a2c": {
        "smoke": _SMOKE,
        "default": {**_ROLLOUT, "total_steps": 600_000, "n_steps": 8, "final_learning_rate": 1e-5},
        "paper": {**_PAPER_ROLLOUT, "learning_rate": 7e-4},
    },
    "sac": {"smoke": _SMOKE, "default": _SOFT, "paper": _PAPER_REPLAY},
    "td3": {"smoke": _SMOKE, "default": _REPLAY, "paper": _PAPER_REPLAY},
    "ddpg": {
        "smoke": _SMOKE,
        "default": _REPLAY,
        "paper": {
            **_PAPER_REPLAY,
            "noise": "ornstein-uhlenbeck",
            "noise_scale": 0.2,
            "published": True,
            "critic_learning_rate": 1e-3,
            "time_limit": "terminal",
            "action_scaling": False,
            "action_doubling": True,
        },
    },
    "tqc": {
        "smoke": _SMOKE,
        "default": {**_SOFT, "total_steps": 40_000, "buffer_size": 40_000},
        "paper": _PAPER_REPLAY,
    },
}
