"""Typed settings of the algorithms: what can be tuned, with the arguments of Stable-Baselines3 that follow from it."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from anysense.common.validation import check_range
from anysense.representations.settings import Settings

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

__all__ = [
    "AgentSettings",
    "DeterministicSettings",
    "OffPolicySettings",
    "OnPolicySettings",
    "PPOSettings",
    "QuantileSettings",
    "SoftSettings",
    "TQCSettings",
    "ValueSettings",
]


@dataclass(frozen=True, kw_only=True)
class AgentSettings(Settings):
    """What every algorithm has."""

    search: ClassVar[Mapping[str, str]] = {"learning_rate": "1e-4..3e-3:log", "gamma": "0.95..0.999"}

    total_steps: int
    """Environment steps of the whole training, over all environments."""
    n_envs: int = 16
    """Environments that are stepped together."""
    learning_rate: float = 3e-4
    """Learning rate of all networks."""
    final_learning_rate: float | None = None
    """Learning rate at the end, reached linearly; constant when None."""
    gamma: float = 0.98
    """Discount per step."""
    net_arch: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of actor and critic."""
    activation: Literal["relu", "tanh"] = "relu"
    """Activation after each hidden layer."""
    reward_scale: float = 1.0
    """Factor on the rewards that the agent learns from; evaluations are not scaled."""
    episode_steps: int | None = None
    """Steps of a training episode; the time limit of the world if not given. Shorter episodes start over more often."""
    weight_average: float = 0.0
    """Share of a running mean of the weights that is kept after each training; the agent that is evaluated and exported
    has the mean. 0: it has the newest weights."""
    time_limit: Literal["truncated", "terminal"] = "truncated"
    """Whether the agent looks beyond the time limit; terminal: it takes the limit for a real end."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError for a wrong type and ValueError for a value out of range."""
        super().__post_init__()
        self.require_positive("total_steps", "n_envs", "net_arch", "gamma", "reward_scale", "learning_rate")
        for name in ("gamma", "reward_scale", "learning_rate"):
            check_range(name, getattr(self, name), 0, 1)
        self.require_non_negative("weight_average")
        if self.weight_average >= 1:
            raise ValueError(f"`weight_average` must be less than 1; got {self.weight_average!r}.")
        if self.final_learning_rate is not None:
            check_range("final_learning_rate", self.final_learning_rate, 0, 1)
        if self.episode_steps is not None:
            self.require_positive("episode_steps")

    def keywords(self, cls: "type[BaseAlgorithm]") -> dict[str, Any]:
        """Arguments of a class: the fields that it or a base class takes under the same name, unless they are None."""
        from stable_baselines3.common.utils import LinearSchedule

        makers = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)]
        taken = {name for maker in makers for name in inspect.signature(maker).parameters}
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name in taken}
        if self.final_learning_rate is not None:
            values["learning_rate"] = LinearSchedule(self.learning_rate, self.final_learning_rate, 1.0)
        return {name: value for name, value in values.items() if value is not None}

    def policy_keywords(self) -> dict[str, Any]:
        """``policy_kwargs`` of the class in Stable-Baselines3."""
        from anysense.agents.actor import ACTIVATIONS

        return {"net_arch": list(self.net_arch), "activation_fn": ACTIVATIONS[self.activation]}


@dataclass(frozen=True, kw_only=True)
class OffPolicySettings(AgentSettings):
    """Algorithms with a replay buffer."""

    batch_size: int = 256
    """Transitions per gradient step."""
    buffer_size: int = 200_000
    """Transitions that the replay buffer holds."""
    learning_starts: int = 1_000
    """Steps with random actions before learning starts."""
    train_freq: int = 1
    """Steps of all environments together between trainings."""
    gradient_steps: int = 8
    """Gradient steps per training."""
    tau: float = 0.005
    """Share of the online network that the target network takes over per gradient step."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_positive("batch_size", "buffer_size", "train_freq", "gradient_steps", "tau")
        self.require_non_negative("learning_starts")
        check_range("tau", self.tau, 0, 1)

    def policy_keywords(self) -> dict[str, Any]:
        """``policy_kwargs`` of the class; the fused form of Adam spares one kernel per parameter."""
        return {**super().policy_keywords(), "optimizer_kwargs": {"fused": True}}


@dataclass(frozen=True, kw_only=True)
class SoftSettings(OffPolicySettings):
    """SAC (Haarnoja et al., 2018, arXiv 1812.05905)."""

    ent_coef: str = "auto"
    """Weight of the entropy: a number, ``auto`` or ``auto_0.1`` (tuned, with that initial value)."""
    target_entropy: float | None = None
    """Entropy of the actions that the weight is tuned for; minus the number of actions when None."""
    noise_scale: float = 0.0
    """Deviation of Gaussian noise, for actions scaled to [-1, 1], that is added to the random actions of the policy
    while it explores. Where the policy has become nearly certain, its critics otherwise see no other action."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_non_negative("noise_scale")
        if not re.fullmatch(r"auto|(auto_)?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", self.ent_coef):
            raise ValueError(f"`ent_coef` must be a number, auto, or auto_ and a number; got {self.ent_coef!r}.")

    def keywords(self, cls: "type[BaseAlgorithm]") -> dict[str, Any]:
        """As in the base class, with a fixed weight as a number."""
        fixed = not self.ent_coef.startswith("auto")
        return {**super().keywords(cls), "ent_coef": float(self.ent_coef) if fixed else self.ent_coef}


@dataclass(frozen=True, kw_only=True)
class TQCSettings(SoftSettings):
    """TQC (Kuznetsov et al., 2020, arXiv 2005.04269)."""

    n_quantiles: int = 25
    """Quantiles per critic."""
    top_quantiles_to_drop_per_net: int = 2
    """Highest quantiles per critic that the target leaves out."""

    def policy_keywords(self) -> dict[str, Any]:
        """``policy_kwargs`` of the class."""
        return {**super().policy_keywords(), "n_quantiles": self.n_quantiles}


@dataclass(frozen=True, kw_only=True)
class ValueSettings(OffPolicySettings):
    """DQN (Mnih et al., 2015, Nature 518)."""

    tau: float = 1.0
    """Share of the online network that the target network takes over at each update."""
    target_update_interval: int = 10_000
    """Environment steps between updates of the target network."""
    exploration_fraction: float = 0.1
    """Share of the training in which the share of random actions falls to its last value."""
    exploration_initial_eps: float = 1.0
    """Share of random actions at the start."""
    exploration_final_eps: float = 0.05
    """Share of random actions afterwards."""
    max_grad_norm: float = 10.0
    """Largest norm of the gradient."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_positive("target_update_interval", "max_grad_norm", "exploration_fraction")
        for name in ("exploration_fraction", "exploration_initial_eps", "exploration_final_eps"):
            check_range(name, getattr(self, name), 0, 1)


@dataclass(frozen=True, kw_only=True)
class QuantileSettings(ValueSettings):
    """QR-DQN (Dabney et al., 2018, arXiv 1710.10044)."""

    n_quantiles: int = 50
    """Quantiles per action; published: 200."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_positive("n_quantiles")

    def policy_keywords(self) -> dict[str, Any]:
        """``policy_kwargs`` of the class."""
        return {**super().policy_keywords(), "n_quantiles": self.n_quantiles}


@dataclass(frozen=True, kw_only=True)
class DeterministicSettings(OffPolicySettings):
    """TD3 (Fujimoto et al., 2018, arXiv 1802.09477) and DDPG (Lillicrap et al., 2015, arXiv 1509.02971)."""

    noise: Literal["gaussian", "ornstein-uhlenbeck"] = "gaussian"
    """Exploration noise."""
    noise_scale: float = 0.1
    """Scale of the noise, for actions scaled to [-1, 1]; in units of the action in the published form of DDPG."""
    noise_frames: int = 100_000
    """Frames until Ornstein-Uhlenbeck noise has faded."""
    published: bool = False
    """DDPG only: networks, initialisation and exploration rule of the published pendulum controller of GMC."""
    critic_learning_rate: float | None = None
    """Published form: learning rate of the critic; that of the actor when None."""
    action_scaling: bool = True
    """Published form: whether the output is scaled to the limits of the action; published: not."""
    action_doubling: bool = False
    """Published form: whether exploration counts the output twice; as published."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_non_negative("noise_scale")
        self.require_positive("noise_frames")
        if not self.published:
            for name in ("critic_learning_rate", "action_scaling", "action_doubling"):
                self._require_usual(name, "the published form of ddpg: set `published=True`")
        elif not self.net_arch:
            raise ValueError("`net_arch` must have at least one width in the published form of ddpg; got ().")
        if self.noise == "gaussian":
            self._require_usual("noise_frames", "Ornstein-Uhlenbeck noise: set `noise='ornstein-uhlenbeck'`")

    def _require_usual(self, name: str, where: str) -> None:
        """Raises ValueError if a field that would have no effect was set."""
        if getattr(self, name) != getattr(DeterministicSettings, name):
            raise ValueError(f"`{name}={getattr(self, name)}` has an effect only with {where}, or leave it out.")


@dataclass(frozen=True, kw_only=True)
class OnPolicySettings(AgentSettings):
    """A2C (Mnih et al., 2016, arXiv 1602.01783)."""

    n_steps: int = 8
    """Steps of each environment between updates."""
    gae_lambda: float = 0.9
    """Trade-off of bias and variance in the advantage."""
    ent_coef: float = 0.0
    """Weight of the entropy."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Largest norm of the gradient."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_positive("n_steps", "max_grad_norm")
        self.require_non_negative("ent_coef", "vf_coef")
        check_range("gae_lambda", self.gae_lambda, 0, 1)


@dataclass(frozen=True, kw_only=True)
class PPOSettings(OnPolicySettings):
    """PPO (Schulman et al., 2017, arXiv 1707.06347)."""

    batch_size: int = 512
    """Transitions per gradient step."""
    n_epochs: int = 10
    """Passes over each rollout."""
    clip_range: float = 0.2
    """How far the probability ratio may leave 1."""

    def __post_init__(self) -> None:
        """Checks values; raises TypeError and ValueError."""
        super().__post_init__()
        self.require_positive("n_epochs", "batch_size", "clip_range")
        if self.n_steps * self.n_envs % self.batch_size:
            raise ValueError(
                f"`batch_size` must divide `n_steps` x `n_envs` = {self.n_steps * self.n_envs}; got {self.batch_size}."
            )
