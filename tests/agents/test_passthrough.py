"""Entries that reach the agent beside the latent: in the extractor, in both wrappers and in exported agents."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from anysense.agents import Agent, EncodeObservation, FrozenEncoder, FrozenExtractor, LatentVecEnv, load_model
from anysense.agents.actor import Actor
from anysense.envs import DEFAULT_WORLD, MissingModalities, world


class WithGoal(gymnasium.ObservationWrapper):
    """Adds a goal (float64) and a counter (integers) to the observation."""

    def __init__(self, goal=(0.5, -2.0)):
        super().__init__(gymnasium.make(DEFAULT_WORLD, max_episode_steps=4))
        self.goal = np.array(goal)
        more = {"goal": spaces.Box(-3.0, 3.0, (2,), np.float64), "counter": spaces.Box(0, 9, (1, 2), np.int64)}
        self.observation_space = spaces.Dict({**self.env.observation_space.spaces, **more})

    def observation(self, observation):
        return {**observation, "goal": self.goal, "counter": np.array([[3, 4]])}


PASSED = ("goal", "counter")
TAIL = np.array([0.5, -2.0, 3.0, 4.0], np.float32)


@pytest.fixture(scope="module")
def encoder(representation_folder):
    encoder = FrozenEncoder(representation_folder, passthrough=PASSED)
    encoder.check_space(WithGoal().observation_space)
    return encoder


def test_wrappers_append_the_entries(representation_folder):
    plain = FrozenEncoder(representation_folder)
    raw = gymnasium.make(DEFAULT_WORLD).reset(seed=3)[0]
    latent = plain.encode_arrays({name: value[None] for name, value in raw.items()})[0]
    env = EncodeObservation(WithGoal(), representation_folder, passthrough=PASSED)
    assert env.observation_space.shape == (12,)
    np.testing.assert_allclose(env.reset(seed=3)[0], np.concatenate([latent, TAIL]), atol=1e-6)
    venv = LatentVecEnv(DummyVecEnv([WithGoal]), representation_folder, passthrough=PASSED)
    venv.seed(3)
    np.testing.assert_allclose(venv.reset()[0], np.concatenate([latent, TAIL]), atol=1e-6)
    for _ in range(4):
        latents, _, dones, infos = venv.step(np.zeros((1, 1), np.float32))
    assert dones[0]
    np.testing.assert_array_equal(infos[0]["terminal_observation"][-4:], TAIL)
    assert latents.shape == (1, 12)


def test_absent_entries_are_zero(encoder):
    sensed, _ = MissingModalities(WithGoal(), {"goal": 1.0, "image": 1.0}).reset(seed=0)
    sensed["goal"] = np.array([np.nan, 1.0])
    row = encoder.encode_arrays({name: value[None] for name, value in sensed.items()})[0]
    assert row[-4:].tolist() == [0, 0, 3, 4]


def test_train_save_load_export_act(representation_folder, encoder, tmp_path):
    keywords = {"representation": str(representation_folder), "passthrough": PASSED}
    policy = {"features_extractor_class": FrozenExtractor, "features_extractor_kwargs": keywords, "net_arch": [8]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {"buffer_size": 20, "learning_starts": 4, "batch_size": 4, "device": "cpu"}
        model = SAC("MultiInputPolicy", WithGoal(), policy_kwargs=policy, **options).learn(8)
    model.save(tmp_path / "model")
    model = load_model(SAC, tmp_path / "model", device="cpu")
    Agent(Actor.from_model(model), encoder, "sac", world()).save(tmp_path / "agent")
    agent = Agent.load(tmp_path / "agent")
    sensed, _ = WithGoal().reset(seed=5)
    action = agent.act(sensed)
    np.testing.assert_allclose(action, model.predict(sensed, deterministic=True)[0], atol=1e-5)
    batch = {name: np.stack([value, value]) for name, value in sensed.items()}
    np.testing.assert_allclose(agent.act(batch), np.stack([action, action]), atol=1e-6)
    assert not np.allclose(agent.act({**sensed, "goal": np.array([2.0, 2.0])}), action)
    alone = {name: sensed[name] for name in ("sound", *PASSED)}
    assert agent.act(alone).shape == (1,)
    for change, message in (
        ({"goal": np.zeros(3)}, r"`observation\['goal'\]` must have shape \(2,\), or \(B, 2\)"),
        ({"goal": np.array([np.nan, 0.0])}, r"`observation\['goal'\]` must be finite"),
        ({"gaol": np.zeros(2)}, "must be one of 'image', 'sound', 'goal', 'counter'; got 'gaol'. Did you mean 'goal'"),
    ):
        with pytest.raises(ValueError, match=message):
            agent.act({**sensed, **change})
    with pytest.raises(ValueError, match=r"`observation\['counter'\]` is missing; expected the entries"):
        agent.act({name: value for name, value in sensed.items() if name != "counter"})
    with pytest.raises(ValueError, match="`observation` is empty; expected at least one of"):
        agent.act({name: sensed[name] for name in PASSED})


def test_latents_with_entries_train_an_agent(representation_folder, encoder):
    venv = LatentVecEnv(DummyVecEnv([WithGoal]), representation_folder, passthrough=PASSED)
    with torch.random.fork_rng(devices=[]):
        model = PPO("MlpPolicy", venv, n_steps=8, batch_size=8, device="cpu").learn(8)
    agent = Agent(Actor.from_model(model), encoder, "ppo", world())
    sensed, _ = WithGoal().reset(seed=5)
    row = encoder.encode_arrays({name: value[None] for name, value in sensed.items()})
    np.testing.assert_allclose(agent.act(sensed), model.predict(row, deterministic=True)[0][0], atol=1e-5)


@pytest.mark.parametrize(
    ("passthrough", "error", "message"),
    [
        ("goal", TypeError, r"`passthrough` must be a sequence of names, got the string 'goal'; write \('goal',\)"),
        (("goal", "goal"), ValueError, "`passthrough` must name each entry once"),
        (("image",), ValueError, r"`passthrough` must name entries that are not encoded; got \['image'\]"),
        (("present",), ValueError, r"`passthrough` must name entries that are not encoded; got \['present'\]"),
        (("gaol",), ValueError, "`passthrough` must be one of .*'goal'.*; got 'gaol'. Did you mean 'goal'"),
    ],
)
def test_wrong_names(representation_folder, passthrough, error, message):
    for use in (
        EncodeObservation,
        lambda env, folder, names: FrozenExtractor(env.observation_space, folder, None, names),
    ):
        with pytest.raises(error, match=message):
            use(WithGoal(), representation_folder, passthrough)


def test_shapes_are_needed_and_kept(representation_folder):
    encoder = FrozenEncoder(representation_folder, passthrough=("goal",))
    with pytest.raises(ValueError, match=r"the shapes of `passthrough` \['goal'\] are unknown; call `check_space`"):
        encoder.features_dim  # noqa: B018
    encoder.check_space(spaces.Dict({**WithGoal().env.observation_space.spaces, "goal": spaces.Box(0, 1, (5,))}))
    env = WithGoal()
    env.observation_space = spaces.Dict({**env.env.observation_space.spaces, "goal": spaces.Box(0, 1, (2,))})
    with pytest.raises(ValueError, match="`passthrough` must have the shapes"):
        EncodeObservation(env, encoder)
