"""Settings of agents that were tuned on Hyperhot; what is not named is the algorithm's own."""

from collections.abc import Mapping
from typing import Any

__all__ = ["AGENT_PRESETS"]

AGENT_PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "ppo": {
        "default": {
            "total_steps": 2_500_000,
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
}
