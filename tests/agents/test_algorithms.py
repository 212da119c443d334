import math
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from anysense.agents.algorithms import noise
from anysense.agents.algorithms.catalogue import ALGORITHMS, build_model, make_agent_settings
from anysense.agents.algorithms.fast_sac import FastSAC
from anysense.agents.algorithms.published import LateActionNetwork
from anysense.agents.environments import LearningSignal
from anysense.common.randomness import forked_generators
from anysense.envs import world

LATENT_DIM = 10


class Latents(VecEnv):
    """Random latents; episodes are cut off after `limit` steps."""

    def __init__(self, n_envs=1, limit=5, action_space=None):
        actions = action_space or spaces.Box(-2, 2, (1,), np.float32)
        super().__init__(n_envs, spaces.Box(-1, 1, (LATENT_DIM,), np.float32), actions)
        self.rng = np.random.default_rng(0)
        self.limit, self.steps, self.actions = limit, 0, None

    def reset(self):
        return self.rng.uniform(-1, 1, (self.num_envs, LATENT_DIM)).astype(np.float32)

    def step_async(self, actions):
        self.actions = actions.copy()

    def step_wait(self):
        self.steps += 1
        done = self.steps % self.limit == 0
        info = {"terminal_observation": self.reset()[0], "TimeLimit.truncated": True} if done else {}
        rewards = -np.abs(self.actions[:, 0]).astype(np.float32)
        return self.reset(), rewards, np.full(self.num_envs, done), [dict(info) for _ in range(self.num_envs)]

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        return [None] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        pass

    def env_method(self, method_name, *args, indices=None, **kwargs):
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs


WORLD, SHOOTING = world(), world("anysense/Hyperhot-v0")
DISCRETE = ("dqn", "qrdqn")


def world_of(name):
    return SHOOTING if name in DISCRETE else WORLD


def latents(name, n_envs=1):
    return Latents(n_envs, action_space=world_of(name).action_space)


@pytest.fixture(autouse=True)
def _forked():
    with forked_generators():
        yield


@pytest.mark.parametrize("preset", ["smoke", "default", "paper"])
@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_every_preset_builds_its_algorithm(name, preset):
    settings = make_agent_settings(name, preset, world_of(name), gamma=0.9)
    model = build_model(name, settings, latents(name, settings.n_envs), seed=0)
    assert isinstance(model, BaseAlgorithm)
    assert model.gamma == settings.gamma
    assert model.num_timesteps == 0


def test_overrides_replace_values_of_the_preset():
    settings = make_agent_settings("sac", "smoke", WORLD, net_arch=[8], gamma=0.5)
    assert (settings.net_arch, settings.gamma) == ((8,), 0.5)


UNUSUAL = {
    "ppo": {"n_steps": 6, "gae_lambda": 0.7, "ent_coef": 0.1, "vf_coef": 0.3, "max_grad_norm": 0.4, "n_epochs": 3},
    "a2c": {"n_steps": 6, "gae_lambda": 0.7, "ent_coef": 0.1, "vf_coef": 0.3, "max_grad_norm": 0.4},
    "sac": {"batch_size": 7, "buffer_size": 70, "learning_starts": 3, "gradient_steps": 5, "tau": 0.3},
    "tqc": {"batch_size": 7, "gradient_steps": 5, "tau": 0.3, "top_quantiles_to_drop_per_net": 1},
    "td3": {"batch_size": 7, "buffer_size": 70, "learning_starts": 3, "gradient_steps": 5, "tau": 0.3},
    "dqn": {"batch_size": 7, "tau": 0.3, "exploration_fraction": 0.2, "exploration_final_eps": 0.3},
    "qrdqn": {"batch_size": 7, "target_update_interval": 30, "exploration_initial_eps": 0.8, "n_quantiles": 3},
    "ddpg": {"batch_size": 7, "buffer_size": 70, "learning_starts": 3, "gradient_steps": 5, "tau": 0.3},
}


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_settings_reach_the_model(name):
    more = {"batch_size": 2} if name == "ppo" else {}
    common = {"gamma": 0.6, "learning_rate": 0.02, "net_arch": (5, 4), "activation": "tanh", "n_envs": 1}
    model = build_model(
        name, make_agent_settings(name, "smoke", world_of(name), **common, **UNUSUAL[name], **more), latents(name), 0
    )
    for setting, value in {**UNUSUAL[name], **more, "gamma": 0.6}.items():
        assert getattr(model, setting) == value
    assert model.lr_schedule(0.5) == 0.02
    assert model.policy.net_arch == [5, 4]
    assert model.policy.activation_fn is nn.Tanh


def test_a_fixed_entropy_weight_reaches_the_algorithm():
    settings = make_agent_settings("sac", "smoke", WORLD, ent_coef="0.25", n_envs=1)
    assert build_model("sac", settings, Latents(), seed=0).ent_coef == 0.25
    settings = make_agent_settings("sac", "smoke", WORLD, ent_coef="auto_0.5", n_envs=1)
    assert math.exp(build_model("sac", settings, Latents(), seed=0).log_ent_coef.item()) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["sac", "tqc"])
def test_noise_on_random_actions(name):
    """The actor is certain: what it explores with is the noise, in units of actions scaled to [-1, 1]."""
    settings = make_agent_settings(name, "smoke", WORLD, n_envs=64, noise_scale=0.2)
    model = build_model(name, settings, Latents(64), seed=0)
    with torch.no_grad():
        for layer, bias in ((model.actor.mu, 0.0), (model.actor.log_std, -20.0)):
            layer.weight.zero_()
            layer.bias.fill_(bias)
    model._last_obs = model.env.reset()
    model.num_timesteps = 10**6
    drawn = np.concatenate([model._sample_action(0, model.action_noise, 64)[0] for _ in range(50)])
    assert drawn.std() == pytest.approx(0.4, rel=0.05)
    assert build_model(name, make_agent_settings(name, "smoke", WORLD), Latents(), seed=0).action_noise is None


def test_learning_rate_falls_linearly():
    settings = make_agent_settings("sac", "smoke", WORLD, learning_rate=1e-2, final_learning_rate=1e-3)
    schedule = settings.keywords(FastSAC)["learning_rate"]
    assert [schedule(rest) for rest in (1.0, 0.5, 0.0)] == pytest.approx([1e-2, 5.5e-3, 1e-3])


class TestFastSAC:
    """The lean loop against that of Stable-Baselines3."""

    @pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
    def test_gradient_steps_are_the_same(self, activation):
        models = []
        for cls in (SAC, FastSAC):
            model = cls(
                "MlpPolicy",
                Latents(2),
                buffer_size=200,
                learning_starts=20,
                batch_size=32,
                gradient_steps=3,
                learning_rate=1e-3,
                policy_kwargs={"net_arch": [16, 16], "activation_fn": activation},
                seed=1,
                device="cpu",
            )
            model.learn(100)
            models.append(model)
        reference, fast = models
        assert reference._n_updates == fast._n_updates > 90
        assert isinstance(fast, FastSAC)
        assert fast._has_fast_form()
        for name, value in reference.policy.state_dict().items():
            torch.testing.assert_close(fast.policy.state_dict()[name], value, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(fast.log_ent_coef, reference.log_ent_coef, rtol=1e-3, atol=1e-4)

    def test_what_has_no_fast_form_trains_as_the_base_class(self):
        states = []
        for cls in (SAC, FastSAC):
            model = cls("MlpPolicy", Latents(), learning_starts=5, buffer_size=50, batch_size=8, ent_coef=0.1, seed=1)
            states.append(model.learn(15).policy.state_dict())
        for name, value in states[0].items():
            assert torch.equal(value, states[1][name])

    def test_losses_are_logged(self):
        model = FastSAC("MlpPolicy", Latents(), learning_starts=5, buffer_size=50, batch_size=8, seed=1)
        model.learn(15)
        logged = model.logger.name_to_value
        assert {"train/ent_coef", "train/ent_coef_loss", "train/critic_loss", "train/actor_loss"} <= set(logged)
        assert all(math.isfinite(value) for value in logged.values())


class TestNoise:
    """Exploration noise."""

    def test_ornstein_uhlenbeck_follows_its_recursion_and_fades(self):
        process = noise.ExplorationNoise((2, 1), 0.2, np.random.default_rng(3), reversion=0.15, fade_frames=100)
        twin, value, scale = np.random.default_rng(3), np.zeros((2, 1)), 0.2
        for frame in range(0, 150, 10):
            process.frame = frame
            value = value + 0.15 * (0.0 - value) + scale * twin.standard_normal((2, 1))
            scale = 0.2 - 0.2 * min(1.0, frame / 100)  # Holds from the next draw on.
            np.testing.assert_allclose(process(), value, rtol=1e-6)
            process.reset()

    def test_frames_are_counted_by_calls_unless_set(self):
        process = noise.ExplorationNoise((3, 1), 0.2, np.random.default_rng(0), reversion=0.15, fade_frames=9)
        scales = []
        for _ in range(6):
            process()
            scales.append(process.scale)
        assert scales == pytest.approx([0.2, 0.2 * 2 / 3, 0.2 / 3, 0.0, 0.0, 0.0])
        assert process.frame == 18

    def test_gaussian_has_its_scale_and_differs_between_environments(self):
        many = noise.ExplorationNoise((20_000, 1), 0.3, np.random.default_rng(0))()
        assert len(np.unique(many)) > 19_000
        assert many.std() == pytest.approx(0.3, rel=0.05)
        assert many.dtype == np.float32

    @settings(deadline=None)
    @given(st.integers(0, 2**32), st.integers(1, 5), st.integers(0, 20))
    def test_state_brings_back_the_same_values(self, seed, n_envs, before):
        for make in (
            lambda rng: noise.ExplorationNoise((n_envs, 1), 0.1, rng),
            lambda rng: noise.ExplorationNoise((n_envs, 1), 0.2, rng, reversion=0.15, fade_frames=1000),
        ):
            first, second = make(np.random.default_rng(seed)), make(np.random.default_rng(0))
            for _ in range(before):
                first()
            second.load_state_dict(first.state_dict())
            np.testing.assert_array_equal(first(), second())


def published(n_envs=1, **switches):
    usual = {"action_scaling": True, "action_doubling": False}
    settings = make_agent_settings(
        "ddpg", "paper", WORLD, learning_starts=4, buffer_size=60, batch_size=8, n_envs=n_envs, **{**usual, **switches}
    )
    return build_model("ddpg", settings, Latents(n_envs), seed=0)


class TestPublished:
    """The controller of GMC as published."""

    def test_parameter_counts(self):
        model = published()
        counts = [
            sum(parameter.numel() for parameter in net.parameters())
            for net in (model.actor, model.critic, model.actor_target, model.critic_target)
        ]
        assert counts == [68_865, 69_121, 68_865, 69_121]

    def test_targets_start_as_copies_and_weights_are_xavier_uniform(self):
        model = published()
        for net, target in ((model.actor, model.actor_target), (model.critic, model.critic_target)):
            for name, value in net.state_dict().items():
                assert torch.equal(value, target.state_dict()[name])
        weight = model.actor.mu[0].weight
        bound = math.sqrt(6.0 / (LATENT_DIM + 256))
        assert 0.95 * bound < float(weight.detach().abs().max()) <= bound

    def test_settings(self):
        settings = make_agent_settings("ddpg", "paper", WORLD)
        assert (settings.total_steps, settings.learning_starts, settings.buffer_size) == (150_000, 25_000, 25_000)
        assert (settings.batch_size, settings.gamma, settings.tau) == (128, 0.99, 0.001)
        assert (settings.learning_rate, settings.critic_learning_rate) == (1e-4, 1e-3)
        assert (settings.noise, settings.noise_scale, settings.noise_frames) == ("ornstein-uhlenbeck", 0.2, 100_000)

    def test_learning_rates_of_actor_and_critic_differ(self):
        model = published().learn(8)
        assert model.actor.optimizer.param_groups[0]["lr"] == 1e-4
        assert model.critic.optimizer.param_groups[0]["lr"] == 1e-3

    @pytest.mark.parametrize("scaling", [True, False])
    @pytest.mark.parametrize("doubling", [True, False])
    def test_exploration_rule(self, scaling, doubling):
        model = published(2, action_scaling=scaling, action_doubling=doubling)
        model._last_obs = model.env.reset()
        model.num_timesteps = 1000
        twin = noise.ExplorationNoise((2, 1), 0.2, np.random.default_rng(0), reversion=0.15, fade_frames=100_000)
        twin.load_state_dict(model.action_noise.state_dict())
        twin.frame = 1000
        with torch.no_grad():
            output = model.actor(torch.as_tensor(model._last_obs)).numpy()
        assert np.abs(output).max() <= 1
        action = 2 * output if scaling else output
        expected = np.clip(action + twin(), -2, 2)
        if doubling:
            expected = np.clip(action + expected, -2, 2)
        executed, stored = model._sample_action(4, model.action_noise, 2)
        np.testing.assert_allclose(executed, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(stored, expected / 2 if scaling else expected, rtol=1e-5, atol=1e-6)

    def test_first_actions_are_uniform_and_unscaled_in_replay(self):
        model = published(action_scaling=False)
        model._last_obs = model.env.reset()
        drawn = np.array([model._sample_action(10**6, model.action_noise, 1) for _ in range(300)])
        np.testing.assert_array_equal(drawn[:, 0], drawn[:, 1])
        assert drawn.min() < -1.9
        assert drawn.max() > 1.9

    def test_evaluated_action_is_confined_without_scaling(self):
        model = published(action_scaling=False)
        with torch.no_grad():
            model.actor.mu[-2].bias.fill_(50.0)
        action, _ = model.predict(np.zeros((1, LATENT_DIM), np.float32), deterministic=True)
        assert action.item() == pytest.approx(1.0)

    def test_the_action_enters_at_the_second_layer(self):
        network = LateActionNetwork(3, 2, (4, 5))
        assert [layer.weight.shape for layer in network.modules() if isinstance(layer, nn.Linear)] == [
            (4, 3),
            (5, 6),
            (1, 5),
        ]

    def test_terminal_time_limit_stops_the_bootstrap(self):
        venv = LearningSignal(Latents(limit=2), terminal_time_limit=True)
        venv.reset()
        steps = [venv.step(np.zeros((1, 1), np.float32)) for _ in range(2)]
        assert steps[1][2].all()
        assert steps[1][3][0].keys() == {"terminal_observation"}
        settings = make_agent_settings("ddpg", "paper", WORLD, learning_starts=100, buffer_size=60)
        cut_off = build_model("ddpg", settings, Latents(limit=2), seed=0).learn(8).replay_buffer
        ended = (
            build_model("ddpg", settings, LearningSignal(Latents(limit=2), terminal_time_limit=True), seed=0)
            .learn(8)
            .replay_buffer
        )
        every = np.arange(8)
        assert cut_off._get_samples(every).dones.sum() == 0
        assert ended._get_samples(every).dones.sum() == 4


def test_target_entropy_reaches_the_algorithm():
    for name in ("sac", "tqc"):
        for value in (-2.5, None):
            settings = make_agent_settings(name, "smoke", WORLD, target_entropy=value)
            model = build_model(name, settings, Latents(), seed=0)
            assert model.target_entropy == (-1.0 if value is None else value)
        for value in (math.nan, math.inf):
            with pytest.raises(ValueError, match="`target_entropy` must be a finite number; got"):
                make_agent_settings(name, "smoke", WORLD, target_entropy=value)


class TestErrors:
    """Messages for wrong settings."""

    def test_unknown_algorithm(self):
        with pytest.raises(ValueError, match=r"`algorithm` must be one of 'ppo', .*; got 'sacc'. Did you mean 'sac'"):
            make_agent_settings("sacc", "default", WORLD)

    def test_unknown_preset(self):
        with pytest.raises(ValueError, match=r"`preset` must be one of 'smoke', 'default', 'paper'; got 'papper'"):
            make_agent_settings("sac", "papper", WORLD)

    def test_unknown_setting(self):
        with pytest.raises(ValueError, match=r"got 'learning_rat'. Did you mean 'learning_rate'"):
            make_agent_settings("sac", "default", WORLD, learning_rat=1)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("total_steps", 0, "`total_steps` must be positive; got 0"),
            ("gamma", 1.5, r"`gamma` must lie in \[0, 1\], got 1.5"),
            ("learning_rate", 0.0, "`learning_rate` must be positive; got 0.0"),
            ("final_learning_rate", -1.0, r"`final_learning_rate` must lie in \[0, 1\], got -1.0"),
            ("episode_steps", 0, "`episode_steps` must be positive; got 0"),
            ("reward_scale", 0.0, "`reward_scale` must be positive; got 0.0"),
            ("tau", 0.0, "`tau` must be positive; got 0.0"),
            ("batch_size", 2.5, r"`batch_size` must be int; got 2.5 \(float\)"),
            ("learning_starts", -1, "`learning_starts` must be a finite number of at least 0; got -1"),
            ("net_arch", (0,), r"`net_arch` must be positive; got \(0,\)"),
            ("ent_coef", "much", "`ent_coef` must be a number, auto, or auto_ and a number; got 'much'"),
            ("activation", "rel", "`activation` must be one of 'relu', 'tanh'; got 'rel'. Did you mean 'relu'"),
        ],
    )
    def test_value_out_of_range(self, name, value, message):
        with pytest.raises((ValueError, TypeError), match=message):
            make_agent_settings("sac", "default", WORLD, **{name: value})

    def test_batch_that_does_not_divide_the_rollout(self):
        with pytest.raises(ValueError, match=r"`batch_size` must divide `n_steps` x `n_envs` = 256; got 100"):
            make_agent_settings("ppo", "smoke", WORLD, batch_size=100)

    def test_unknown_noise(self):
        with pytest.raises(ValueError, match=r"`noise` must be one of 'gaussian', 'ornstein-uhlenbeck'; got 'gauss'"):
            make_agent_settings("td3", "default", WORLD, noise="gauss")

    def test_published_form_of_another_algorithm(self):
        with pytest.raises(ValueError, match=r"`published` is the published form of ddpg; got `algorithm` 'td3'"):
            make_agent_settings("td3", "default", WORLD, published=True)

    def test_two_learning_rates_without_the_published_form(self):
        with pytest.raises(
            ValueError, match=r"`critic_learning_rate=0.001` has an effect only with the published form"
        ):
            make_agent_settings("ddpg", "default", WORLD, critic_learning_rate=1e-3)


def test_no_source_file_unpickles():
    folder = Path(noise.__file__).parent
    for path in folder.glob("*.py"):
        source = path.read_text()
        assert "import pickle" not in source
        assert "allow_pickle=True" not in source
        assert source.count("torch.load(") == source.count("weights_only=True)")
