"""Agents that act alike on an observation and on its mirror image."""

import json

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import TD3

from anysense.agents import Agent
from anysense.agents.actor import Actor
from anysense.agents.frozen import FrozenEncoder
from anysense.agents.training import TrainSettings, train
from anysense.envs import DEFAULT_WORLD, world


@pytest.fixture
def parts(representation_folder):
    """An actor with random weights and the encoder of its latents."""
    encoder = FrozenEncoder(representation_folder)
    space = gymnasium.spaces.Box(-np.inf, np.inf, (encoder.features_dim,), np.float32)

    class Latents(gymnasium.Env):
        observation_space, action_space = space, world().action_space

    with torch.random.fork_rng(devices=[]):
        model = TD3("MlpPolicy", Latents(), buffer_size=1, seed=0, policy_kwargs={"net_arch": [8]}, device="cpu")
    return Actor.from_model(model), encoder


def observations(count):
    env = world().make_vec(count, episode_steps=10)
    try:
        return env.reset(seed=3)[0]
    finally:
        env.close()


@pytest.mark.parametrize("names", [("image", "sound"), ("sound",)])
def test_actions_are_the_mean_of_both_sides(parts, names):
    plain, agent = Agent(*parts, "td3", world()), Agent(*parts, "td3", world(), symmetric=True)
    seen = {name: array for name, array in observations(6).items() if name in names}
    reflected = world().mirror.observation(seen)
    expected = (plain.act(seen) - plain.act(reflected)) / 2
    assert abs(plain.act(seen) + plain.act(reflected)).max() > 1e-3  # not symmetric by itself
    np.testing.assert_allclose(agent.act(seen), expected, atol=1e-6)
    np.testing.assert_allclose(agent.act(reflected), -expected, atol=1e-6)
    assert agent.act(seen).dtype == np.float32
    one = {name: array[2] for name, array in seen.items()}
    np.testing.assert_allclose(agent.act(one), expected[2], atol=1e-6)


def test_random_actions_are_those_of_the_policy(parts):
    seen = observations(3)
    actions = [
        Agent(*parts, "td3", world(), symmetric=symmetric).act(seen, deterministic=False, generator=torch.Generator())
        for symmetric in (False, True)
    ]
    np.testing.assert_array_equal(*actions)


def test_it_stays_symmetric_when_it_is_exported(parts, tmp_path):
    agent = Agent(*parts, "td3", world(), symmetric=True)
    agent.save(tmp_path / "agent")
    np.testing.assert_array_equal(Agent.load(tmp_path / "agent").act(observations(4)), agent.act(observations(4)))
    described = json.loads((tmp_path / "agent" / "agent.json").read_text())
    assert described.pop("symmetric") is True
    (tmp_path / "agent" / "agent.json").write_text(json.dumps(described))  # as of an earlier release
    assert Agent.load(tmp_path / "agent").mirror is None


def test_a_world_without_a_mirror_image(parts, representation_folder):
    lopsided = world(DEFAULT_WORLD, {"receivers": ["left_top", "middle_top", "middle_bottom"]})
    with pytest.raises(ValueError, match="`symmetric` needs a mirror image of anysense/MultimodalPendulum-v0 with"):
        Agent(*parts, "td3", lopsided, symmetric=True)


def test_in_another_world_the_mirror_image_is_that_of_the_other_world(parts):
    plain, agent, seen = Agent(*parts, "td3", world()), Agent(*parts, "td3", world(), symmetric=True), observations(4)
    agent.world = world(DEFAULT_WORLD, {"receivers": ["left_top", "middle_top", "middle_bottom"]})
    np.testing.assert_array_equal(agent.act(seen), plain.act(seen))
    agent.world = world(DEFAULT_WORLD, {"receivers": ["right_top", "middle_bottom", "left_top"]})
    reflected = {"image": seen["image"][..., ::-1].copy(), "sound": seen["sound"][:, :, [2, 1, 0]]}
    np.testing.assert_allclose(agent.act(seen), (plain.act(seen) - plain.act(reflected)) / 2, atol=1e-6)


def test_training_leaves_a_symmetric_agent(representation_folder, tmp_path):
    settings = TrainSettings(
        representation=representation_folder,
        preset="smoke",
        overrides={"total_steps": 32, "n_envs": 2, "learning_starts": 16, "batch_size": 8, "buffer_size": 40},
        symmetric=True, eval_every=32, eval_episodes=2, eval_steps=5,
    )  # fmt: skip
    agent = Agent.load(train(settings, tmp_path).agent)
    seen = observations(5)
    np.testing.assert_allclose(agent.act(seen), -agent.act(world().mirror.observation(seen)), atol=1e-5)
