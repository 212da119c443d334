"""Environments whose observations are modalities, among them a pendulum that is seen and heard.

``gymnasium.make("anysense/MultimodalPendulum-v0")`` makes it once this module is imported;
``gymnasium.make("anysense.envs:anysense/MultimodalPendulum-v0")`` imports it by itself.
"""

import gymnasium as gym

from anysense.envs.audio.recording import RecordVideoWithSound
from anysense.envs.camera import WithCamera
from anysense.envs.episodes import Episodes
from anysense.envs.hyperhot.env import HyperhotEnv, HyperhotVectorEnv
from anysense.envs.mirror import Mirror
from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.envs.pendulum.vector import MultimodalPendulumVectorEnv
from anysense.envs.sensors.corruption import CORRUPTIONS, Corrupt, Corruption, VectorCorrupt, parse_corruption
from anysense.envs.sensors.missing import MissingModalities, VectorMissingModalities
from anysense.envs.sensors.model import PRESENT, present_modalities
from anysense.envs.sensors.models import CorruptionModel
from anysense.envs.world import DEFAULT_WORLD, WORLDS, World, stored_world, world

__all__ = [
    "CORRUPTIONS",
    "DEFAULT_WORLD",
    "PRESENT",
    "WORLDS",
    "Corrupt",
    "Corruption",
    "CorruptionModel",
    "Episodes",
    "HyperhotEnv",
    "HyperhotVectorEnv",
    "Mirror",
    "MissingModalities",
    "MultimodalPendulumEnv",
    "MultimodalPendulumVectorEnv",
    "RecordVideoWithSound",
    "VectorCorrupt",
    "VectorMissingModalities",
    "WithCamera",
    "World",
    "parse_corruption",
    "present_modalities",
    "stored_world",
    "world",
]

gym.register(
    id=DEFAULT_WORLD,
    entry_point="anysense.envs.pendulum.env:MultimodalPendulumEnv",
    vector_entry_point="anysense.envs.pendulum.vector:MultimodalPendulumVectorEnv",
    max_episode_steps=300,
)
gym.register(
    id="anysense/Hyperhot-v0",
    entry_point="anysense.envs.hyperhot.env:HyperhotEnv",
    vector_entry_point="anysense.envs.hyperhot.env:HyperhotVectorEnv",
    max_episode_steps=450,
)
