"""A pendulum that is seen and heard, for Gymnasium: ``gymnasium.make("anysense/MultimodalPendulum-v0")``."""

import gymnasium as gym

from anysense.envs.corruption import (
    CORRUPTIONS,
    Corruption,
    DeadSensor,
    Delay,
    FrozenSensor,
    GaussianNoise,
    SaltAndPepper,
    VectorDeadSensor,
    VectorDelay,
    VectorFrozenSensor,
    VectorGaussianNoise,
    VectorSaltAndPepper,
    corrupt,
    corrupt_vector,
    parse_corruption,
)
from anysense.envs.missing import PRESENT, MissingSenses, VectorMissingSenses, present_senses
from anysense.envs.pendulum import MultimodalPendulumEnv
from anysense.envs.vector_pendulum import MultimodalPendulumVectorEnv

__all__ = [
    "CORRUPTIONS",
    "ENV_ID",
    "PRESENT",
    "Corruption",
    "DeadSensor",
    "Delay",
    "FrozenSensor",
    "GaussianNoise",
    "MissingSenses",
    "MultimodalPendulumEnv",
    "MultimodalPendulumVectorEnv",
    "SaltAndPepper",
    "VectorDeadSensor",
    "VectorDelay",
    "VectorFrozenSensor",
    "VectorGaussianNoise",
    "VectorMissingSenses",
    "VectorSaltAndPepper",
    "corrupt",
    "corrupt_vector",
    "parse_corruption",
    "present_senses",
]

ENV_ID = "anysense/MultimodalPendulum-v0"
"""Name of the environment in Gymnasium's registry."""

gym.register(
    id=ENV_ID,
    entry_point="anysense.envs.pendulum:MultimodalPendulumEnv",
    vector_entry_point="anysense.envs.vector_pendulum:MultimodalPendulumVectorEnv",
    max_episode_steps=300,
)
