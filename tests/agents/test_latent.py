import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3 import SAC

from anysense.agents.algorithms.fast_sac import FastSAC
from anysense.agents.frozen import FrozenExtractor
from anysense.agents.latent import EncodeObservation, LatentVecEnv
from anysense.common.randomness import forked_generators
from anysense.envs import DEFAULT_WORLD
from anysense.envs.sb3_adapter import GymnasiumVecEnv
from anysense.envs.sensors.missing import VectorMissingModalities
from anysense.representations import load_representation

SETTINGS = {
    "learning_starts": 16,
    "buffer_size": 500,
    "batch_size": 16,
    "train_freq": 1,
    "gradient_steps": 2,
    "seed": 5,
}


def encoded(representation, observation):
    return representation.encode({name: torch.as_tensor(value) for name, value in observation.items()}).numpy()


def test_latents_and_terminal_latents_are_those_of_the_observations(representation_folder, make_venv):
    representation = load_representation(representation_folder)
    raw, latent = make_venv(3, 4), LatentVecEnv(make_venv(3, 4), representation_folder)
    raw.seed(1)
    latent.seed(1)
    np.testing.assert_allclose(latent.reset(), encoded(representation, raw.reset()), atol=1e-6)
    rng = np.random.default_rng(0)
    for step in range(9):
        actions = rng.uniform(-2, 2, (3, 1)).astype(np.float32)
        observations, rewards, dones, infos = raw.step(actions)
        latents, latent_rewards, latent_dones, latent_infos = latent.step(actions)
        assert latents.dtype == np.float32
        assert latent.observation_space.shape == latents.shape[1:]
        np.testing.assert_allclose(latents, encoded(representation, observations), atol=1e-6)
        np.testing.assert_array_equal(rewards, latent_rewards)
        np.testing.assert_array_equal(dones, latent_dones)
        assert dones.all() == (step in (3, 7))
        for info, latent_info in zip(infos, latent_infos, strict=True):
            assert info.keys() == latent_info.keys()
            if "terminal_observation" in info:
                last = {name: value[None] for name, value in info["terminal_observation"].items()}
                np.testing.assert_allclose(
                    latent_info["terminal_observation"], encoded(representation, last)[0], atol=1e-6
                )
                assert latent_info["TimeLimit.truncated"]
    assert latent.encode_seconds > 0


def actions_while_learning(make_model, steps=60):
    """Actions that a model takes while it learns: random ones first, then those of the policy."""
    with forked_generators():
        model = make_model()
        taken = []
        step = model.env.step
        model.env.step = lambda actions: (taken.append(actions.copy()), step(actions))[1]
        model.learn(steps)
        return np.array(taken)


def test_same_seed_takes_the_same_actions_as_with_the_encoder_in_the_policy(representation_folder, make_venv):
    net = {"net_arch": [16, 16]}
    inside = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": representation_folder},
    }
    slow = actions_while_learning(
        lambda: SAC("MultiInputPolicy", make_venv(2, 20), policy_kwargs=net | inside, **SETTINGS)
    )
    for cls in (SAC, FastSAC):
        fast = actions_while_learning(
            lambda cls=cls: cls(
                "MlpPolicy", LatentVecEnv(make_venv(2, 20), representation_folder), policy_kwargs=net, **SETTINGS
            )
        )
        np.testing.assert_allclose(fast, slow, atol=2e-4)
    assert np.ptp(slow[10:]) > 0.5


def test_replay_memory_is_a_small_part(representation_folder, make_venv):
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": representation_folder},
    }
    slow = SAC("MultiInputPolicy", make_venv(1), policy_kwargs=policy, **SETTINGS).replay_buffer
    fast = SAC("MlpPolicy", LatentVecEnv(make_venv(1), representation_folder), **SETTINGS).replay_buffer
    raw = sum(value.nbytes for value in slow.observations.values())
    assert raw > 25 * fast.observations.nbytes


def test_present_is_understood(representation_folder, make_venv):
    venv = LatentVecEnv(
        GymnasiumVecEnv(VectorMissingModalities(make_venv(4).venv, {"image": 1.0})), representation_folder
    )
    heard = LatentVecEnv(make_venv(4, modalities=("sound",)), representation_folder)
    for env in (venv, heard):
        env.seed(3)
    np.testing.assert_allclose(venv.reset(), heard.reset(), atol=1e-6)


def test_single_environment(representation_folder):
    env = EncodeObservation(gymnasium.make(DEFAULT_WORLD), representation_folder)
    raw = gymnasium.make(DEFAULT_WORLD)
    representation = load_representation(representation_folder)
    latent, _ = env.reset(seed=4)
    observation, _ = raw.reset(seed=4)
    np.testing.assert_allclose(
        latent, encoded(representation, {name: value[None] for name, value in observation.items()})[0], atol=1e-6
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space.*")
        warnings.filterwarnings("ignore", message=".*(minimum|maximum) value is -?infinity.*")
        check_env(env, skip_render_check=True)


def test_environment_without_a_dict_space(representation_folder):
    with pytest.raises(
        TypeError, match=r"`observation_space` must be a `gymnasium.spaces.Dict` of modalities, got Box"
    ):
        EncodeObservation(gymnasium.make("Pendulum-v1"), representation_folder)


def test_environment_with_other_receivers(representation_folder, make_venv):
    with pytest.raises(ValueError, match=r"`observation_space\['sound'\]` must be a Box of shape \(2, 3, 2\)"):
        LatentVecEnv(make_venv(receivers=("left_top", "right_top")), representation_folder)
