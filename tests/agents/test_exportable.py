"""An exported actor acts as its model does, whatever the options; what would act differently is refused by name."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import NormalizeObservation
from sb3_contrib import QRDQN, TQC, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, MlpExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize
from torch import nn

from anysense.agents.actor import Actor

ON, OFF, GREEDY = (PPO, A2C), (SAC, TD3, DDPG, TQC), (DQN, QRDQN)
LIMITS = spaces.Box(np.float32([-2.0, 0.5, -1.0]), np.float32([3.0, 0.75, 1e3]))


class Still(gymnasium.Env):
    """Nothing happens; latents of five numbers."""

    def __init__(self, action_space: spaces.Space, observation_space: spaces.Space | None = None) -> None:
        self.action_space = action_space
        self.observation_space = observation_space or spaces.Box(-np.inf, np.inf, (5,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.zeros(self.observation_space.shape, self.observation_space.dtype), {}

    def step(self, action):
        return self.reset()[0], 0.0, False, False, {}


def make(
    kind: type[BaseAlgorithm], space: spaces.Space = LIMITS, policy: object = "MlpPolicy", **options
) -> BaseAlgorithm:
    options = copy.deepcopy(options)  # Stable-Baselines3 writes into them
    seen = options.pop("observation_space", None)
    venv = DummyVecEnv([lambda: Still(space, seen)])
    if "normalise" in options:
        venv = VecNormalize(venv, **options.pop("normalise"))
    smaller = {"n_steps": 4} if issubclass(kind, OnPolicyAlgorithm) else {"buffer_size": 8}
    if smaller.get("n_steps") and kind is not A2C:
        smaller["batch_size"] = 4
    model = kind(policy, venv, seed=3, device="cpu", **smaller, **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # large enough to reach every limit
        for weight in model.policy.parameters():
            weight.copy_(2.0 * torch.rand(weight.shape, generator=generator) - 1.0)
    return model


NETS = {
    "none": {"net_arch": []},
    "one": {"net_arch": [7]},
    "apart": {"net_arch": {"pi": [8, 3], "vf": [4], "qf": [4]}},
    "tanh": {"activation_fn": nn.Tanh},
    "relu": {"activation_fn": nn.ReLU},
}
EQUAL = [
    *((kind, LIMITS, {"policy_kwargs": net}) for kind in (*ON, *OFF) for net in NETS.values()),
    *((kind, LIMITS, {"normalise": {"norm_obs": False}}) for kind in (*ON, *OFF)),
    *((kind, LIMITS, {"action_noise": NormalActionNoise(np.zeros(3), np.ones(3))}) for kind in OFF),
    *((kind, spaces.Box(-1.0, 1.0, (2, 2)), {}) for kind in (*ON, *OFF)),
    *((kind, spaces.Discrete(4), {"policy_kwargs": net}) for kind in ON for net in NETS.values()),
    *((kind, spaces.Discrete(4), {"policy_kwargs": NETS[net]}) for kind in GREEDY for net in ("none", "one", "tanh")),
    (PPO, LIMITS, {"policy_kwargs": {"log_std_init": 1.0, "ortho_init": False, "share_features_extractor": False}}),
    (SAC, LIMITS, {"ent_coef": 0.1}),
    (TQC, LIMITS, {"policy_kwargs": {"n_critics": 3}}),
]


@pytest.mark.parametrize(("kind", "space", "options"), EQUAL)
def test_acts_as_its_model(kind, space, options):
    model = make(kind, space, **options)
    latents = np.random.default_rng(1).normal(size=(64, 5)).astype(np.float32)
    expected, _ = model.predict(latents, deterministic=True)
    found = Actor.from_model(model)(torch.from_numpy(latents)).numpy().reshape(64, *space.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert len(np.unique(expected)) > 1


class Doubled(BaseFeaturesExtractor):
    def __init__(self, observation_space):
        super().__init__(observation_space, 5)

    def forward(self, observations):
        return 2.0 * observations


class Opposite(ActorCriticPolicy):
    def _predict(self, observation, deterministic=False):
        return -super()._predict(observation, deterministic)


class Shifted(DiagGaussianDistribution):
    def mode(self):
        return super().mode() + 1.0


class Mixed(PPO):
    def predict(self, *arguments, **options):
        action, state = super().predict(*arguments, **options)
        return -action, state


def shifted() -> BaseAlgorithm:
    model = make(PPO)
    model.policy.action_dist = Shifted(3)
    return model


def mixed_layers() -> BaseAlgorithm:
    model = make(PPO, policy_kwargs={"activation_fn": nn.Tanh})
    model.policy.mlp_extractor.policy_net[1] = nn.ReLU()
    return model


def without_activation() -> BaseAlgorithm:
    model = make(SAC)
    del model.actor.latent_pi[-1]
    return model


def hooked() -> BaseAlgorithm:
    model = make(PPO)
    model.policy.action_net.register_forward_hook(lambda module, given, result: -result)
    return model


def with_own_method() -> BaseAlgorithm:
    model = make(SAC)
    plain = model.policy._predict
    model.policy._predict = lambda *args, **kwargs: -plain(*args, **kwargs)
    return model


class OwnNetwork(MlpExtractor):
    def forward_actor(self, features):
        return -super().forward_actor(features)


def with_own_network() -> BaseAlgorithm:
    model = make(A2C)
    model.policy.mlp_extractor = OwnNetwork(5, [64, 64], nn.Tanh)
    return model


def normalised_inside(kind: type[BaseAlgorithm]) -> BaseAlgorithm:
    return kind("MlpPolicy", VecMonitor(DummyVecEnv([lambda: NormalizeObservation(Still(LIMITS))])), device="cpu")


REFUSED = {
    "hooks": (hooked, "a Linear with hooks, which an exported agent would lack"),
    "own method": (with_own_method, "a SACPolicy with a '_predict' of its own"),
    "own network": (with_own_network, "network of class .*OwnNetwork"),
    "normalised inside": (lambda: normalised_inside(A2C), "trained in a NormalizeObservation wrapper"),
    "extractor on": (lambda: make(PPO, policy_kwargs={"features_extractor_class": Doubled}), "Doubled, which would be"),
    "extractor off": (
        lambda: make(SAC, policy_kwargs={"features_extractor_class": Doubled}),
        "Doubled, which would be",
    ),
    "policy": (lambda: make(PPO, policy=Opposite), "policy of class .*Opposite"),
    "distribution": (shifted, "distribution of actions of class .*Shifted"),
    "predict": (lambda: make(Mixed), "a Mixed, which chooses actions in a way of its own"),
    "recurrent": (lambda: make(RecurrentPPO, policy="MlpLstmPolicy"), "policy of class .*RecurrentActorCriticPolicy"),
    "maskable": (lambda: make(MaskablePPO, spaces.Discrete(3)), "a MaskablePPO, which chooses actions"),
    "gSDE on": (lambda: make(PPO, use_sde=True), "a PPO with use_sde=True"),
    "gSDE off": (lambda: make(SAC, use_sde=True), "a SAC with use_sde=True"),
    "gSDE squashed": (lambda: make(A2C, use_sde=True, policy_kwargs={"squash_output": True}), "use_sde=True"),
    "normalised": (lambda: make(TD3, normalise={}), "VecNormalize that normalises observations"),
    "activation": (lambda: make(TQC, policy_kwargs={"activation_fn": nn.ELU}), "ELU activations"),
    "mixed layers": (mixed_layers, r"Tanh activations and in its actor the layers \['ReLU'\]"),
    "no activation": (without_activation, "ReLU activations"),
    "multi-discrete": (lambda: make(PPO, spaces.MultiDiscrete([3, 2])), "only agents with Box or Discrete actions"),
    "multi-binary": (lambda: make(PPO, spaces.MultiBinary(2)), "only agents with Box or Discrete actions"),
    "discrete from 1": (lambda: make(PPO, spaces.Discrete(3, start=1)), "only agents with Box or Discrete actions"),
    "pixels": (
        lambda: make(PPO, observation_space=spaces.Box(0, 255, (4, 3), np.uint8)),
        "expected latents, float32 of one axis",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_act_differently_is_refused(case):
    make_one, message = REFUSED[case]
    with pytest.raises(TypeError, match=message):
        Actor.from_model(make_one())
