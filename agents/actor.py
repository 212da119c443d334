"""The acting part of a trained policy in plain PyTorch: from latents to actions, without Stable-Baselines3."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

__all__ = ["Actor", "ActorSpec"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
SPREADS = ("none", "constant", "network")


@dataclass(frozen=True)
class ActorSpec:
    """Architecture of an actor.

    Attributes:
        latent_dim: Length of the input.
        hidden: Widths of the hidden layers.
        activation: ``relu`` or ``tanh``.
        squash: Whether the output goes through tanh (SAC, TQC, TD3, DDPG); otherwise it is only clipped (PPO, A2C).
        spread: Where the logarithm of the standard deviation comes from when acting at random: ``none`` (deterministic
            policy), ``constant`` (PPO, A2C) or ``network`` (SAC, TQC).
        action_low: Smallest action.
        action_high: Largest action.
        action_scaling: Whether a squashed output is scaled to these limits; as published for GMC it is not.
    """

    latent_dim: int
    hidden: tuple[int, ...]
    activation: str
    squash: bool
    spread: str
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    action_scaling: bool = True

    def __post_init__(self) -> None:
        """Turns lists (from JSON) into tuples and checks the names."""
        for name in ("hidden", "action_low", "action_high"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.activation not in ACTIVATIONS or self.spread not in SPREADS:
            raise ValueError(f"`activation` {self.activation!r} or `spread` {self.spread!r} of the actor is unknown.")

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``ActorSpec(**values)`` restores it."""
        return asdict(self)


class Actor(nn.Module):
    """Multilayer perceptron from latents (B, latent_dim) to actions (B, A)."""

    low: Tensor
    high: Tensor

    def __init__(self, spec: ActorSpec) -> None:
        super().__init__()
        self.spec = spec
        count = len(spec.action_low)
        sizes = (spec.latent_dim, *spec.hidden)
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.activation = ACTIVATIONS[spec.activation]()
        self.mean = nn.Linear(sizes[-1], count)
        self.log_std: nn.Module | None = nn.Linear(sizes[-1], count) if spec.spread == "network" else None
        if spec.spread == "constant":
            self.constant_log_std = nn.Parameter(torch.zeros(count))
        self.register_buffer("low", torch.tensor(spec.action_low), persistent=False)
        self.register_buffer("high", torch.tensor(spec.action_high), persistent=False)

    def forward(self, latents: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions within the limits, (B, A).

        Args:
            latents: Float tensor (B, latent_dim).
            noise: Standard normal noise (B, A) for random actions; None for the deterministic ones. A deterministic
                policy has no use for it.
        """
        value = latents
        for layer in self.hidden:
            value = self.activation(layer(value))
        output = self.mean(value)
        if noise is not None and self.spec.spread != "none":
            output = output + self._log_std(value).exp() * noise
        return self._bounded(output)

    def _log_std(self, hidden: Tensor) -> Tensor:
        if self.log_std is None:
            return self.constant_log_std
        log_std: Tensor = self.log_std(hidden)
        return log_std.clamp(-20.0, 2.0)

    def _bounded(self, output: Tensor) -> Tensor:
        if not self.spec.squash:
            return torch.clamp(output, self.low, self.high)
        squashed = torch.tanh(output)
        if self.spec.action_scaling:
            return self.low + 0.5 * (squashed + 1.0) * (self.high - self.low)
        return torch.clamp(squashed, self.low, self.high)

    @classmethod
    def from_model(cls, model: "BaseAlgorithm") -> "Actor":
        """Copy the actor of a PPO, A2C, SAC, TQC, TD3 or DDPG model.

        Raises:
            TypeError: The policy has another form.
        """
        policy: Any = model.policy
        if hasattr(policy, "mlp_extractor"):
            body, mean, spread, log_std = policy.mlp_extractor.policy_net, policy.action_net, "constant", policy.log_std
        elif hasattr(getattr(policy, "actor", None), "latent_pi"):
            body, mean, spread, log_std = policy.actor.latent_pi, policy.actor.mu, "network", policy.actor.log_std
        elif hasattr(policy, "actor"):
            layers = [layer for layer in policy.actor.mu if isinstance(layer, nn.Linear)]
            body, mean, spread, log_std = list(policy.actor.mu)[:-2], layers[-1], "none", None
        else:
            raise TypeError(f"`model` must be one of PPO, A2C, SAC, TQC, TD3 and DDPG; got {type(model).__name__}.")
        return cls._assembled(model, body, mean, spread, log_std)

    @classmethod
    def _assembled(
        cls, model: "BaseAlgorithm", body: Sequence[nn.Module], mean: Any, spread: str, log_std: Any
    ) -> "Actor":
        linear = _linear_layers(body)
        space: Any = model.action_space
        spec = ActorSpec(
            latent_dim=(linear[0] if linear else mean).in_features,
            hidden=tuple(layer.out_features for layer in linear),
            activation=_activation_name(model.policy.activation_fn),
            squash=spread != "constant",
            spread=spread,
            action_low=tuple(space.low.tolist()),
            action_high=tuple(space.high.tolist()),
            action_scaling=getattr(model.policy, "action_scaling", True),
        )
        with torch.random.fork_rng(
            devices=[]
        ):  # the initial weights are overwritten; nobody's random numbers are used up
            actor = cls(spec)
        state = {
            f"hidden.{index}.{key}": value
            for index, layer in enumerate(linear)
            for key, value in layer.state_dict().items()
        }
        state |= {f"mean.{key}": value for key, value in mean.state_dict().items()}
        if spread == "constant":
            state["constant_log_std"] = log_std.data
        elif spread == "network":
            state |= {f"log_std.{key}": value for key, value in log_std.state_dict().items()}
        actor.load_state_dict(state)
        return actor.requires_grad_(False).eval()


def _linear_layers(body: Sequence[nn.Module]) -> list[nn.Linear]:
    known = {nn.Linear, *ACTIVATIONS.values()}
    strange = [type(layer).__name__ for layer in body if type(layer) not in known]
    if strange:
        raise TypeError(
            f"`model` has layers {strange} in its actor; only linear layers with one activation can be exported."
        )
    return [layer for layer in body if isinstance(layer, nn.Linear)]


def _activation_name(cls: Any) -> str:
    for name, known in ACTIVATIONS.items():
        if cls is known:
            return name
    raise TypeError(f"`model` uses the activation {cls.__name__}; only {list(ACTIVATIONS)} can be exported.")
