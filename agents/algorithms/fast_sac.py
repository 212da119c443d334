"""SAC with a faster inner loop: the same mathematics as in Stable-Baselines3, with less work around each kernel.

With latents as observations the networks are small, and most of a gradient step in Stable-Baselines3 goes into modules,
distributions, and gradients of the critic that the actor loss does not need.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import SAC
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FastSAC"]

Layers = list[tuple[Tensor, Tensor]]
"""Weights and biases of linear layers."""
ACTIVATIONS: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {nn.ReLU: torch.relu, nn.Tanh: torch.tanh}
LOSSES = ("ent_coef", "ent_coef_loss", "critic_loss", "actor_loss")
LOG_STD_LIMITS = (-20.0, 2.0)
LOG_SQRT_TWO_PI = 0.5 * math.log(2.0 * math.pi)
EPSILON = 1e-6
"""Keeps the logarithm of the squashing correction finite, as in Stable-Baselines3."""


class FastSAC(SAC):
    """SAC (Haarnoja et al., 2018, arXiv 1812.05905) for flat observations.

    Draws the same random numbers in the same order as `stable_baselines3.SAC` and takes the same gradient steps, up
    to rounding. Where it has no fast form (dictionary observations, state-dependent exploration, other activations, a
    fixed entropy weight) it trains exactly as its base class does.
    """

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Take gradient steps, see the base class."""
        if not self._has_fast_form():
            super().train(gradient_steps, batch_size)
            return
        self.policy.set_training_mode(True)
        assert self.ent_coef_optimizer is not None
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer, self.ent_coef_optimizer])
        loop = _Loop(self)
        losses = np.zeros(4)
        for step in range(gradient_steps):
            assert self.replay_buffer is not None
            losses += loop.step(self.replay_buffer.sample(batch_size), step % self.target_update_interval == 0)
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in zip(LOSSES, losses / gradient_steps, strict=True):
            self.logger.record(f"train/{name}", float(value))

    def _has_fast_form(self) -> bool:
        return (
            isinstance(self.observation_space, spaces.Box)
            and len(self.observation_space.shape) == 1
            and not self.use_sde
            and self.n_steps == 1
            and self.log_ent_coef is not None
            and self._vec_normalize_env is None
            and self.policy.activation_fn in ACTIVATIONS
            and not self.batch_norm_stats
            and not any(self.actor.features_extractor.parameters())
        )


class _Loop:
    """Views of the networks of an agent, called without modules, and the gradient step on them."""

    def __init__(self, agent: FastSAC) -> None:
        self.agent = agent
        self.activation = ACTIVATIONS[agent.policy.activation_fn]
        self.actor_parameters: list[Tensor] = list(agent.actor.parameters())
        self.critic_parameters: list[Tensor] = list(agent.critic.parameters())
        self.target_parameters: list[Tensor] = list(agent.critic_target.parameters())
        self.trunk = _layers(agent.actor.latent_pi)
        self.critics = [_layers(network) for network in agent.critic.q_networks]
        self.targets = [_layers(network) for network in agent.critic_target.q_networks]

    def step(self, batch: ReplayBufferSamples, update_target: bool) -> tuple[float, float, float, float]:
        """One gradient step of all networks; returns entropy weight and the losses of entropy, critic and actor."""
        agent = self.agent
        action, log_probability = self._act(batch.observations)
        weight, weight_loss = self._step_entropy_weight(log_probability.detach())
        critic_loss = self._step_critic(batch, weight)
        values = [self._value(critic, batch.observations, action) for critic in self.critics]
        actor_loss = (weight * log_probability - reduce(torch.minimum, values)).mean()
        _descend(actor_loss, self.actor_parameters, agent.actor.optimizer)
        if update_target:
            with torch.no_grad():
                torch._foreach_lerp_(self.target_parameters, self.critic_parameters, agent.tau)
        return float(weight), weight_loss, critic_loss, actor_loss.item()

    def _act(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Squashed normal actions (B, A) and their log-probabilities (B, 1)."""
        actor: Any = self.agent.actor
        hidden = self._hidden(self.trunk, observation)
        mean, log_std = actor.mu(hidden), actor.log_std(hidden).clamp(*LOG_STD_LIMITS)
        noise = torch.randn_like(mean)
        action = torch.tanh(mean + log_std.exp() * noise)
        normal = -0.5 * noise.square() - log_std - LOG_SQRT_TWO_PI
        return action, (normal - torch.log(1.0 - action.square() + EPSILON)).sum(dim=1, keepdim=True)

    def _step_entropy_weight(self, log_probability: Tensor) -> tuple[Tensor, float]:
        agent = self.agent
        assert agent.log_ent_coef is not None
        assert agent.ent_coef_optimizer is not None
        logarithm = agent.log_ent_coef.detach()
        weight = logarithm.exp()
        gradient = -(log_probability + float(agent.target_entropy)).mean()
        loss = float(logarithm * gradient)
        agent.log_ent_coef.grad = gradient.reshape(agent.log_ent_coef.shape)
        agent.ent_coef_optimizer.step()
        return weight, loss

    def _step_critic(self, batch: ReplayBufferSamples, weight: Tensor) -> float:
        with torch.no_grad():
            action, log_probability = self._act(batch.next_observations)
            values = [self._value(target, batch.next_observations, action) for target in self.targets]
            future = reduce(torch.minimum, values) - weight * log_probability
            target = batch.rewards + (1.0 - batch.dones) * self.agent.gamma * future
        values = [self._value(critic, batch.observations, batch.actions) for critic in self.critics]
        loss = 0.5 * torch.stack([functional.mse_loss(value, target) for value in values]).sum()
        _descend(loss, self.critic_parameters, self.agent.critic.optimizer)
        return loss.item()

    def _value(self, layers: Layers, observation: Tensor, action: Tensor) -> Tensor:
        """Values (B, 1) of observations and actions."""
        *hidden, last = layers
        value = self._hidden(hidden, torch.cat([observation, action], dim=1))
        return functional.linear(value, *last)

    def _hidden(self, layers: Layers, value: Tensor) -> Tensor:
        for layer in layers:
            value = self.activation(functional.linear(value, *layer))
        return value


def _layers(modules: Any) -> Layers:
    return [(layer.weight, layer.bias) for layer in modules if isinstance(layer, nn.Linear)]


def _descend(loss: Tensor, parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> None:
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()
