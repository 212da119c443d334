"""Frozen features among the wrappers and callbacks of Stable-Baselines3."""

import importlib
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from anysense.agents import EncodeObservation, FrozenExtractor, LatentVecEnv
from anysense.envs import DEFAULT_WORLD


def make_env():
    return gymnasium.make(DEFAULT_WORLD, max_episode_steps=4)


def extracting(folder):
    return "MultiInputPolicy", DummyVecEnv([make_env]), folder


def encoding(folder):
    return "MlpPolicy", DummyVecEnv([lambda: EncodeObservation(make_env(), folder)]), None


def latent(folder):
    return "MlpPolicy", LatentVecEnv(DummyVecEnv([make_env]), folder), None


@pytest.mark.parametrize("make", [extracting, encoding, latent])
def test_wrappers_callbacks_and_saved_models(make, representation_folder, tmp_path):
    name, venv, folder = make(representation_folder)
    policy = {"net_arch": [4]}
    if folder is not None:
        policy |= {
            "features_extractor_class": FrozenExtractor,
            "features_extractor_kwargs": {"representation": str(folder)},
        }
    venv = VecNormalize(VecMonitor(venv), norm_obs=False)
    evaluated = VecNormalize(VecMonitor(make(representation_folder)[1]), norm_obs=False, training=False)
    callback = EvalCallback(evaluated, n_eval_episodes=1, eval_freq=4, best_model_save_path=str(tmp_path), verbose=0)
    with torch.random.fork_rng(devices=[]):
        model = PPO(name, venv, n_steps=8, batch_size=8, policy_kwargs=policy, device="cpu", seed=0).learn(8, callback)
    assert callback.n_calls == 8
    assert np.isfinite(callback.best_mean_reward)
    model.save(tmp_path / "model.zip")
    loaded = PPO.load(tmp_path / "model.zip", env=venv, device="cpu")
    seen = venv.reset()
    np.testing.assert_array_equal(
        loaded.predict(seen, deterministic=True)[0], model.predict(seen, deterministic=True)[0]
    )
    assert PPO.load(tmp_path / "best_model.zip", device="cpu").num_timesteps > 0


def test_the_dotted_path_of_configuration_files():
    """As rl-zoo3 reads it; the package alone does not import torch."""
    module, name = ["anysense.agents", "FrozenExtractor"]
    assert getattr(importlib.import_module(module), name) is FrozenExtractor
    code = "import sys, anysense.agents; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)
