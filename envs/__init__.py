"""A pendulum that is seen and heard, for Gymnasium: ``gymnasium.make("anysense/MultimodalPendulum-v0")``."""

import gymnasium as gym

from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.envs.pendulum.vector import MultimodalPendulumVectorEnv
from anysense.envs.sensors.corruption import (
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
from anysense.envs.sensors.missing import PRESENT, MissingModalities, VectorMissingModalities, present_modalities

__all__ = [
    "CORRUPTIONS",
    "ENV_ID",
    "PRESENT",
    "Corruption",
    "DeadSensor",
    "Delay",
    "FrozenSensor",
    "GaussianNoise",
    "MissingModalities",
    "MultimodalPendulumEnv",
    "MultimodalPendulumVectorEnv",
    "SaltAndPepper",
    "VectorDeadSensor",
    "VectorDelay",
    "VectorFrozenSensor",
    "VectorGaussianNoise",
    "VectorMissingModalities",
    "VectorSaltAndPepper",
    "corrupt",
    "corrupt_vector",
    "parse_corruption",
    "present_modalities",
]

ENV_ID = "anysense/MultimodalPendulum-v0"
"""Name of the environment in Gymnasium's registry."""

gym.register(
    id=ENV_ID,
    entry_point="anysense.envs.pendulum.env:MultimodalPendulumEnv",
    vector_entry_point="anysense.envs.pendulum.vector:MultimodalPendulumVectorEnv",
    max_episode_steps=300,
)
