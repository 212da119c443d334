"""The published controller of GMC: DDPG with its networks, exploration rule and, on request, its peculiarities.

Follows the description of the reference implementation of Poklukar et al. (ICML 2022, arXiv 2202.03390). What stays as
in Stable-Baselines3: replay is sampled with replacement and the loss of the critic is computed in float32.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DDPG
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import update_learning_rate
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.td3.policies import Actor, TD3Policy
from torch import Tensor, nn

from anysense.agents.algorithms.noise import ExplorationNoise

__all__ = ["LateActionNetwork", "PublishedDDPG", "PublishedPolicy"]


class LateActionNetwork(nn.Module):
    """Value network in which the action enters at the second layer; ``widths`` are those of all hidden layers."""

    def __init__(self, features_dim: int, action_dim: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = [features_dim, action_dim]
        self.first = nn.Sequential(nn.Linear(features_dim, widths[0]), nn.ReLU())
        inputs = (widths[0] + action_dim, *widths[1:])
        layers = [nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in zip(inputs, widths[1:], strict=False)]
        self.rest = nn.Sequential(*layers, nn.Linear(inputs[-1], 1))

    def forward(self, features_and_action: Tensor) -> Tensor:
        """Values (B, 1) of features and action side by side, (B, features_dim + action_dim)."""
        features, action = torch.split(features_and_action, self.sizes, dim=1)
        value: Tensor = self.rest(torch.cat([self.first(features), action], dim=1))
        return value


class PublishedPolicy(TD3Policy):
    """Actor and critic of the published controller: Xavier-uniform weights, late action.

    With ``action_scaling`` the output of the actor, in [-1, 1], is scaled to the limits of the action. As published it
    is not: it is the action itself.
    """

    def __init__(self, *args: Any, action_scaling: bool = True, **kwargs: Any) -> None:
        self.action_scaling = action_scaling
        super().__init__(*args, **kwargs)

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """Actor with Xavier-uniform weights."""
        actor = super().make_actor(features_extractor)
        actor.mu.apply(_xavier)
        return actor

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:
        """Critic with Xavier-uniform weights in which the action enters late."""
        critic = super().make_critic(features_extractor)
        widths: Any = self.critic_kwargs["net_arch"]
        action_dim = get_action_dim(self.action_space)
        for index in range(len(critic.q_networks)):
            network = LateActionNetwork(critic.features_extractor.features_dim, action_dim, tuple(widths))
            network.apply(_xavier)
            setattr(critic, f"qf{index}", network)
            critic.q_networks[index] = network
        return critic.to(self.device)

    def scale_action(self, action: NDArray[Any]) -> NDArray[Any]:
        """Actions to outputs of the actor."""
        return super().scale_action(action) if self.action_scaling else action

    def unscale_action(self, scaled_action: NDArray[Any]) -> NDArray[Any]:
        """Outputs of the actor to actions."""
        return super().unscale_action(scaled_action) if self.action_scaling else scaled_action


class PublishedDDPG(DDPG):
    """DDPG with the exploration rule and the two learning rates of the published controller.

    Noise is added to the action, in its units. As published (`action_doubling`) the policy output counts twice while
    exploring: ``clip(a + clip(a + noise))``; otherwise once: ``clip(a + noise)``.

    The policy is always `PublishedPolicy`, whatever ``policy`` says. ``critic_learning_rate`` None stands for that of
    the actor, ``learning_rate``.
    """

    def __init__(
        self,
        policy: str | type[TD3Policy],
        env: VecEnv,
        *,
        critic_learning_rate: float | None = None,
        action_scaling: bool = True,
        action_doubling: bool = False,
        policy_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.critic_learning_rate = critic_learning_rate
        self.action_doubling = action_doubling
        arguments = {**(policy_kwargs or {}), "action_scaling": action_scaling}
        super().__init__(PublishedPolicy, env, policy_kwargs=arguments, **kwargs)

    def _update_learning_rate(self, optimizers: list[torch.optim.Optimizer] | torch.optim.Optimizer) -> None:
        super()._update_learning_rate(optimizers)
        if self.critic_learning_rate is not None:
            update_learning_rate(self.critic.optimizer, self.critic_learning_rate)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.num_timesteps < learning_starts:
            action = np.array([self.action_space.sample() for _ in range(n_envs)])
        else:
            action = self._explore(action_noise)
        return action, self.policy.scale_action(action)

    def _explore(self, action_noise: ActionNoise | None) -> NDArray[Any]:
        assert self._last_obs is not None
        action, _ = self.predict(self._last_obs, deterministic=True)
        if action_noise is None:
            return action
        if isinstance(action_noise, ExplorationNoise):
            action_noise.frame = self.num_timesteps
        space: Any = self.action_space
        low, high = space.low, space.high
        noisy: NDArray[Any] = np.clip(action + action_noise(), low, high)
        return np.clip(action + noisy, low, high) if self.action_doubling else noisy


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
