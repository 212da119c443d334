"""What several tests of this room share: saved representations and small training environments."""

from collections.abc import Callable
from pathlib import Path

import gymnasium
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from anysense.envs import DEFAULT_WORLD
from anysense.envs.sb3_adapter import GymnasiumVecEnv
from anysense.representations import build, make_networks, make_settings, modalities_from_space, save_representation


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def representation_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved, untrained GMC."""
    folder = tmp_path_factory.mktemp("representation")
    space = gymnasium.make(DEFAULT_WORLD).observation_space
    settings, networks = (make("gmc", "smoke", benchmark="pendulum") for make in (make_settings, make_networks))
    save_representation(build("gmc", modalities_from_space(space), settings, networks, seed=7), folder)
    return folder


@pytest.fixture
def make_venv() -> Callable[..., VecEnv]:
    """Makes a raw training environment."""

    def make(n_envs: int = 2, max_episode_steps: int = 300, **options: object) -> VecEnv:
        env = gymnasium.make_vec(
            DEFAULT_WORLD,
            num_envs=n_envs,
            autoreset_mode=AutoresetMode.SAME_STEP,
            max_episode_steps=max_episode_steps,
            **options,
        )
        return GymnasiumVecEnv(env)

    return make
