"""The acting part of a trained policy in plain PyTorch: from latents to actions, without Stable-Baselines3.

Letters: B rows, A numbers of an action.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any, Literal

import torch
from gymnasium import spaces
from torch import Tensor, nn

from anysense.agents.exportable import NAMES, check_exportable
from anysense.representations.settings import Settings

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

__all__ = ["Actor", "ActorSpec"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class ActorSpec(Settings):
    """Architecture of an actor; checked, because it may come from a file.

    Attributes:
        latent_dim: Length of the input.
        hidden: Widths of the hidden layers.
        activation: Activation after each hidden layer.
        squash: Whether the output goes through tanh (SAC, TQC, TD3, DDPG); otherwise it is only clipped (PPO, A2C).
        spread: Where the logarithm of the standard deviation comes from when acting at random: ``none`` (deterministic
            policy), ``constant`` (PPO, A2C) or ``network`` (SAC, TQC).
        action_shape: Shape of one action; A is its product.
        action_low: Smallest action, A numbers.
        action_high: Largest action, A numbers.
        action_scaling: Whether a squashed output is scaled to these limits; as published for GMC it is not.
        choices: Number of discrete actions, whose logits are the output; 0: the actions are continuous.
        greedy: Whether a discrete action is always the best one (DQN, QR-DQN), also when acting at random.
    """

    latent_dim: int
    hidden: tuple[int, ...]
    activation: Literal["relu", "tanh"]
    squash: bool
    spread: Literal["none", "constant", "network"]
    action_shape: tuple[int, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    action_scaling: bool = True
    choices: int = 0
    greedy: bool = False

    def __post_init__(self) -> None:
        """Checks types and values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_positive("latent_dim", "hidden", "action_shape")
        limits = list(zip(self.action_low, self.action_high, strict=False))
        if not len(self.action_low) == len(self.action_high) == math.prod(self.action_shape):
            raise ValueError(f"`action_low` and `action_high` must have {math.prod(self.action_shape)} entries each.")
        if self.greedy and not self.choices:
            raise ValueError("`greedy` must be false where there are no `choices`.")
        if self.choices < 0 or (self.choices and (self.squash or self.spread != "none" or self.action_shape)):
            raise ValueError("`choices` must be 0, or that of single actions without `squash` and `spread`.")
        if not all(-math.inf < low < high < math.inf for low, high in limits):
            raise ValueError("`action_low` and `action_high` must be finite, the low one below the high one.")

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for one action."""
        return self.choices or len(self.action_low)


class Actor(nn.Module):
    """Multilayer perceptron from latents (B, latent_dim) to actions: float (B, A), or int64 (B, 1) if discrete.

    Args:
        spec: Its architecture.
        weights: Its weights by name; taken over, not copied.

    Raises:
        ValueError: The weights do not fit the architecture.
    """

    low: Tensor
    high: Tensor

    def __init__(self, spec: ActorSpec, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        if len(spec.hidden) > len(weights):
            raise ValueError(f"`spec` names {len(spec.hidden)} hidden layers; got only {len(weights)} weights.")
        self.spec = spec
        self.activation = ACTIVATIONS[spec.activation]()
        self.register_buffer("low", torch.tensor(spec.action_low, dtype=torch.float32, device="cpu"), persistent=False)
        self.register_buffer(
            "high", torch.tensor(spec.action_high, dtype=torch.float32, device="cpu"), persistent=False
        )
        try:
            with torch.device("meta"):  # takes no memory before the weights are known to fit
                self._make_layers(spec.outputs, (spec.latent_dim, *spec.hidden))
            self.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
        except (RuntimeError, TypeError, OverflowError) as error:
            raise ValueError(f"`weights` do not fit `spec`: {' '.join(str(error).split()):.500}") from error
        self.requires_grad_(False).eval()

    def _make_layers(self, count: int, sizes: tuple[int, ...]) -> None:
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.mean = nn.Linear(sizes[-1], count)
        self.log_std = nn.Linear(sizes[-1], count) if self.spec.spread == "network" else None
        self.constant_log_std = nn.Parameter(torch.zeros(count)) if self.spec.spread == "constant" else None

    def forward(self, latents: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions within the limits, (B, A).

        Args:
            latents: Float tensor (B, latent_dim).
            noise: For random actions standard normal (B, A), or Gumbel noise (B, choices) where they are discrete; None
                for the deterministic ones. A deterministic policy ignores it.
        """
        value = latents
        for layer in self.hidden:
            value = self.activation(layer(value))
        output: Tensor = self.mean(value)
        if self.spec.choices:
            return (output if noise is None or self.spec.greedy else output + noise).argmax(dim=1, keepdim=True)
        if noise is not None and self.spec.spread != "none":
            log_std = self.constant_log_std if self.log_std is None else self.log_std(value).clamp(-20.0, 2.0)
            assert log_std is not None
            output = output + log_std.exp() * noise
        if not self.spec.squash:
            return torch.clamp(output, self.low, self.high)
        squashed = torch.tanh(output)
        if self.spec.action_scaling:
            return self.low + 0.5 * (squashed + 1.0) * (self.high - self.low)
        return torch.clamp(squashed, self.low, self.high)

    @classmethod
    def from_model(cls, model: "BaseAlgorithm") -> "Actor":
        """Copy the actor of a PPO, A2C, SAC, TQC, TD3, DDPG, DQN or QR-DQN model with ``Box`` or ``Discrete`` actions.

        Raises:
            TypeError: The policy has another form, the actions are of another kind, or something acts between latent
                and action that would be lost.
        """
        check_exportable(model)
        space: Any = model.action_space
        choices = int(space.n) if isinstance(space, spaces.Discrete) else 0
        body, mean, log_std = _parts(model)
        used: Any = model.policy.activation_fn
        activations: list[Any] = [known for known, kind in ACTIVATIONS.items() if kind is used]
        strange = [
            type(layer).__name__
            for layer, kind in zip(body, cycle((nn.Linear, used)), strict=False)
            if type(layer) is not kind
        ]
        if strange or not activations or len(body) % 2:
            raise TypeError(
                f"`model` has {used.__name__} activations and in its actor the layers {strange}; "
                f"only linear layers with one of the activations {list(ACTIVATIONS)} can be exported."
            )
        linear = [layer for layer in body if isinstance(layer, nn.Linear)]
        layers = {**{f"hidden.{index}": layer for index, layer in enumerate(linear)}, "mean": mean}
        log_std = None if choices else log_std
        constant = {"constant_log_std": log_std} if isinstance(log_std, nn.Parameter) else {}
        if isinstance(log_std, nn.Linear):
            layers["log_std"] = log_std
        weights = {f"{name}.{key}": value for name, it in layers.items() for key, value in it.state_dict().items()}
        spec = ActorSpec(
            latent_dim=(linear[0] if linear else mean).in_features,
            hidden=tuple(layer.out_features for layer in linear),
            activation=activations[0],
            squash=not constant and not choices,
            spread="none" if log_std is None else "constant" if constant else "network",
            action_shape=space.shape,
            action_low=(-1.0,) if choices else tuple(space.low.flatten().tolist()),
            action_high=(float(choices),) if choices else tuple(space.high.flatten().tolist()),
            action_scaling=getattr(model.policy, "action_scaling", True),
            choices=choices,
            greedy=bool(choices) and not hasattr(model.policy, "mlp_extractor"),
        )
        return cls(spec, {name: value.detach().cpu().clone() for name, value in {**weights, **constant}.items()})


def _parts(model: "BaseAlgorithm") -> tuple[list[nn.Module], nn.Linear, nn.Module | nn.Parameter | None]:
    """Hidden layers, layer of the mean, and layer or parameter of the logarithm of the standard deviation, if any."""
    policy: Any = model.policy
    actor: Any = getattr(policy, "actor", None)
    if hasattr(policy, "mlp_extractor"):
        return list(policy.mlp_extractor.policy_net), policy.action_net, getattr(policy, "log_std", None)
    if hasattr(actor, "latent_pi"):
        return list(actor.latent_pi), actor.mu, actor.log_std
    if actor is not None:
        *body, mean, _ = actor.mu
        return body, mean, None
    if hasattr(policy, "q_net"):
        *body, values = policy.q_net.q_net
        return body, values, None
    if hasattr(policy, "quantile_net"):
        *body, quantiles = policy.quantile_net.quantile_net
        return body, _mean_of_quantiles(quantiles, policy.n_quantiles), None
    raise TypeError(f"`model` must be one of {NAMES}; got {type(model).__name__}.")


def _mean_of_quantiles(layer: nn.Linear, count: int) -> nn.Linear:
    """The layer that gives the mean over the ``count`` quantiles of each action, which ``layer`` gives."""
    choices = layer.out_features // count
    mean = nn.Linear(layer.in_features, choices, device="meta")
    mean.weight = nn.Parameter(layer.weight.detach().view(count, choices, -1).mean(dim=0))
    mean.bias = nn.Parameter(layer.bias.detach().view(count, choices).mean(dim=0))
    return mean
