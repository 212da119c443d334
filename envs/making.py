"""Making environments of any Gymnasium id: single or vectorised, with chosen modalities, errors that name the cause."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from anysense.envs.autoreset import VectorEnvironment

__all__ = ["make_single", "make_vector"]
