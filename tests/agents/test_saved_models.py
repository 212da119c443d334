"""Saved models with a frozen extractor: in moved folders, with other weights, and with modalities that go missing."""

import shutil
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from sb3_contrib import TQC
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.evaluation import evaluate_policy

from anysense.agents import FrozenExtractor, accept_present, load_model
from anysense.envs import DEFAULT_WORLD, MissingModalities
from anysense.representations import load_representation, save_representation

SMALL = {PPO: {"n_steps": 8, "batch_size": 8}, SAC: {"buffer_size": 10}, TQC: {"buffer_size": 10}}


def make_env():
    return gymnasium.make(DEFAULT_WORLD, max_episode_steps=5)


def make_model(cls, representation):
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": representation},
        "net_arch": [8],
    }
    with torch.random.fork_rng(devices=[]):
        return cls("MultiInputPolicy", make_env(), policy_kwargs=policy, device="cpu", **SMALL[cls])


def observation():
    return make_env().reset(seed=1)[0]


@pytest.fixture
def project(representation_folder, tmp_path):
    """A folder with a representation and a model."""
    folder = tmp_path / "project"
    shutil.copytree(representation_folder, folder / "out" / "001" / "representation")
    model = make_model(SAC, str(folder / "out" / "001" / "representation"))
    (folder / "models").mkdir()
    model.save(folder / "models" / "agent.zip")
    return folder, model.predict(observation(), deterministic=True)[0]


def altered(source, target):
    other = load_representation(source)
    next(other.parameters()).data.add_(1.0)
    save_representation(other, target)


def test_moved_folders_are_found_in_another_process(project, tmp_path):
    folder, expected = project
    moved = folder.rename(tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    code = f"""
import gymnasium, anysense.envs
from stable_baselines3 import SAC
from anysense.agents import load_model
model = load_model(SAC, {str(moved / "models" / "agent")!r}, device="cpu")
env = gymnasium.make("anysense/MultimodalPendulum-v0")
print(float(model.predict(env.reset(seed=1)[0], deterministic=True)[0][0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "empty", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(expected[0]), abs=1e-6)


def test_a_folder_that_is_given(project, representation_folder):
    folder, expected = project
    shutil.rmtree(folder / "out")
    with pytest.raises(FileNotFoundError, match=r"there is none like it in .*; give its folder as `representation`"):
        load_model(SAC, folder / "models" / "agent.zip")
    model = load_model(SAC, folder / "models" / "agent.zip", representation_folder, env=make_env(), device="cpu")
    np.testing.assert_array_equal(model.predict(observation(), deterministic=True)[0], expected)
    assert model.learn(4).num_timesteps == 4


def test_custom_objects_of_stable_baselines(project, representation_folder):
    folder, expected = project
    shutil.rmtree(folder / "out")
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": representation_folder},
        "net_arch": [8],
    }
    model = SAC.load(folder / "models" / "agent.zip", custom_objects={"policy_kwargs": policy}, device="cpu")
    np.testing.assert_array_equal(model.predict(observation(), deterministic=True)[0], expected)


@pytest.mark.parametrize("load", [load_model, lambda cls, path, *_: cls.load(path)])
def test_other_weights_are_refused(project, load):
    folder, _ = project
    place = folder / "out" / "001" / "representation"
    altered(place, place)
    with pytest.raises(RuntimeError, match=r"`representation` has weights with SHA-256 .*; the model was saved with"):
        load(SAC, folder / "models" / "agent.zip", place)


def test_models_without_extractor(tmp_path):
    model = SAC("MlpPolicy", "Pendulum-v1", buffer_size=10, device="cpu")
    model.save(tmp_path / "plain")
    with pytest.raises(TypeError, match=r"is a model without FrozenExtractor; load it with SAC.load"):
        load_model(SAC, tmp_path / "plain")
    with pytest.raises(FileNotFoundError, match=r"is no file; expected a model"):
        load_model(SAC, tmp_path / "nowhere")
    with pytest.raises(TypeError, match=r"`observation_space` must be a `gymnasium.spaces.Dict`"):
        accept_present(model)


@pytest.mark.parametrize("cls", SMALL)
def test_a_model_trained_on_complete_observations_in_an_environment_that_drops_some(cls, representation_folder):
    model = accept_present(make_model(cls, representation_folder))
    env = MissingModalities(make_env(), {"image": 1.0})
    sensed, _ = env.reset(seed=1)
    assert sensed["present"].tolist() == [0, 1]
    action, _ = model.predict(sensed, deterministic=True)
    sensed["image"][:] = 77  # absent: without influence
    np.testing.assert_array_equal(model.predict(sensed, deterministic=True)[0], action)
    complete = {**observation(), "present": np.ones(2, np.int8)}
    both, _ = model.predict(complete, deterministic=True)
    np.testing.assert_array_equal(model.predict(observation(), deterministic=True)[0], both)
    assert not np.array_equal(both, action)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=2, warn=False)
    assert np.isfinite(mean)
    assert model.learn(8).num_timesteps >= 8
