"""Settings of agents that were tuned on Hyperhot; what is not named is the algorithm's own.

The preset ``paper`` of ``dqn`` has the values of Vasco et al. (AAMAS 2022), whose DQN is a double one; ``qrdqn`` shares
them.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["AGENT_PRESETS"]

_VALUES: dict[str, Any] = {
    "total_steps": 1_000_000,
    "n_envs": 16,
    "batch_size": 256,
    "buffer_size": 300_000,
    "learning_starts": 20_000,
    "gradient_steps": 2,
    "target_update_interval": 5_000,
    "exploration_final_eps": 0.02,
    "learning_rate": 3e-4,
    "gamma": 0.99,
    "reward_scale": 0.1,
}
_PAPER_VALUES: dict[str, Any] = {
    "total_steps": 2_000_000,
    "n_envs": 1,
    "batch_size": 128,
    "buffer_size": 250_000,
    "learning_starts": 50_000,
    "train_freq": 4,
    "gradient_steps": 1,
    "target_update_interval": 10_000,
    "exploration_initial_eps": 0.1,
    "exploration_final_eps": 0.01,
    "exploration_fraction": 0.775,
    "learning_rate": 1e-4,
    "gamma": 0.99,
    "net_arch": (512,),
    "time_limit": "terminal",
}

AGENT_PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "ppo": {
        "default": {
            "total_steps": 5_000_000,
            "n_envs": 128,
            "n_steps": 64,
            "batch_size": 512,
            "n_epochs": 4,
            "learning_rate": 5e-4,
            "final_learning_rate": 2e-5,
            "gamma": 0.995,
            "gae_lambda": 0.98,
            "ent_coef": 0.002,
            "reward_scale": 0.1,
            "net_arch": (256, 256),
        },
    },
    "dqn": {"default": _VALUES, "paper": _PAPER_VALUES},
    "qrdqn": {"default": _VALUES, "paper": _PAPER_VALUES},
}
