"""Typed settings of the algorithms: what can be tuned, with the arguments of Stable-Baselines3 that follow from it."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from stable_baselines3.common.utils import LinearSchedule
from torch import nn

from anysense.common.validation import check_choice, check_positive_integer

__all__ = [
    "AgentSettings",
    "DeterministicSettings",
    "OffPolicySettings",
    "OnPolicySettings",
    "PPOSettings",
    "SoftSettings",
    "TQCSettings",
]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
NOISES = ("gaussian", "ornstein-uhlenbeck")


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """What every algorithm has."""

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
    time_limit: Literal["truncated", "terminal"] = "truncated"
    """Whether the agent looks beyond the time limit; terminal: it takes the limit for a real end."""

    def __post_init__(self) -> None:
        """Checks values; raises ValueError."""
        for name in ("total_steps", "n_envs"):
            check_positive_integer(name, getattr(self, name))
        if self.episode_steps is not None:
            check_positive_integer("episode_steps", self.episode_steps)
        check_choice("time_limit", self.time_limit, ("truncated", "terminal"))
        for width in self.net_arch:
            check_positive_integer("net_arch", width)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_range("reward_scale", self.reward_scale, 0.0, 1.0)
        check_range("learning_rate", self.learning_rate, 0.0, 1.0)
        if self.final_learning_rate is not None:
            check_range("final_learning_rate", self.final_learning_rate, 0.0, 1.0, open_low=False)

    def keywords(self) -> dict[str, Any]:
        """Arguments of the class in Stable-Baselines3."""
        return {"gamma": self.gamma, "learning_rate": self._schedule()}

    def policy_keywords(self) -> dict[str, Any]:
        """``policy_kwargs`` of the class in Stable-Baselines3."""
        return {"net_arch": list(self.net_arch), "activation_fn": ACTIVATIONS[self.activation]}

    def _schedule(self) -> float | LinearSchedule:
        if self.final_learning_rate is None:
            return self.learning_rate
        return LinearSchedule(self.learning_rate, self.final_learning_rate, 1.0)


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
        """Checks values; raises ValueError."""
        super().__post_init__()
        for name in ("batch_size", "buffer_size", "train_freq", "gradient_steps"):
            check_positive_integer(name, getattr(self, name))
        check_range("tau", self.tau, 0.0, 1.0)
        if self.learning_starts < 0:
            raise ValueError(f"`learning_starts` must be at least 0, got {self.learning_starts!r}.")

    def keywords(self) -> dict[str, Any]:
        """Arguments of the class in Stable-Baselines3."""
        names = ("batch_size", "buffer_size", "learning_starts", "train_freq", "gradient_steps", "tau")
        return {**super().keywords(), **_chosen(self, names)}

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

    def keywords(self) -> dict[str, Any]:
        """Arguments of the class in Stable-Baselines3."""
        learned = self.ent_coef.startswith("auto")
        keywords = {**super().keywords(), "ent_coef": self.ent_coef if learned else float(self.ent_coef)}
        return keywords if self.target_entropy is None else {**keywords, "target_entropy": self.target_entropy}


@dataclass(frozen=True, kw_only=True)
class TQCSettings(SoftSettings):
    """TQC (Kuznetsov et al., 2020, arXiv 2005.04269)."""

    n_quantiles: int = 25
    """Quantiles per critic."""
    top_quantiles_to_drop_per_net: int = 2
    """Highest quantiles per critic that the target leaves out."""

    def keywords(self) -> dict[str, Any]:
        """Arguments of the class in sb3-contrib."""
        return {**super().keywords(), **_chosen(self, ("top_quantiles_to_drop_per_net",))}

    def policy_keywords(self) -> dict[str, Any]:
        """``policy_kwargs`` of the class."""
        return {**super().policy_keywords(), "n_quantiles": self.n_quantiles}


@dataclass(frozen=True, kw_only=True)
class DeterministicSettings(OffPolicySettings):
    """TD3 (Fujimoto et al., 2018, arXiv 1802.09477) and DDPG (Lillicrap et al., 2015, arXiv 1509.02971)."""

    noise: Literal["gaussian", "ornstein-uhlenbeck"] = "gaussian"
    """Exploration noise."""
    noise_scale: float = 0.1
    """Scale of the noise: as a share of the torque limit; in N m in the published form of DDPG."""
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
        """Checks values; raises ValueError."""
        super().__post_init__()
        check_choice("noise", self.noise, NOISES)
        check_positive_integer("noise_frames", self.noise_frames)
        usual = {"critic_learning_rate": None, "action_scaling": True, "action_doubling": False}
        for name, value in usual.items():
            if getattr(self, name) != value and not self.published:
                raise ValueError(
                    f"`{name}={getattr(self, name)}` has a meaning only in the published form of ddpg; leave it out "
                    "or set `published=True`."
                )

    def published_keywords(self) -> dict[str, Any]:
        """Further arguments of `PublishedDDPG`."""
        rate = self.critic_learning_rate or self.learning_rate
        return {"critic_learning_rate": rate, **_chosen(self, ("action_scaling", "action_doubling"))}


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
        """Checks values; raises ValueError."""
        super().__post_init__()
        check_positive_integer("n_steps", self.n_steps)
        check_range("gae_lambda", self.gae_lambda, 0.0, 1.0)

    def keywords(self) -> dict[str, Any]:
        """Arguments of the class in Stable-Baselines3."""
        return {
            **super().keywords(),
            **_chosen(self, ("n_steps", "gae_lambda", "ent_coef", "vf_coef", "max_grad_norm")),
        }


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
        """Checks values; raises ValueError."""
        super().__post_init__()
        check_positive_integer("n_epochs", self.n_epochs)
        check_positive_integer("batch_size", self.batch_size)
        if self.n_steps * self.n_envs % self.batch_size:
            raise ValueError(
                f"`batch_size` must divide `n_steps` x `n_envs` = {self.n_steps * self.n_envs}; got {self.batch_size}."
            )

    def keywords(self) -> dict[str, Any]:
        """Arguments of the class in Stable-Baselines3."""
        return {**super().keywords(), **_chosen(self, ("batch_size", "n_epochs", "clip_range"))}


def check_range(argument: str, value: float, low: float, high: float, *, open_low: bool = True) -> None:
    """Raise ValueError unless ``low < value <= high`` (or ``low <= value``)."""
    if not ((low < value if open_low else low <= value) and value <= high):
        raise ValueError(f"`{argument}` must lie in {'(' if open_low else '['}{low:g}, {high:g}], got {value!r}.")


def _chosen(settings: AgentSettings, names: tuple[str, ...]) -> dict[str, Any]:
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return {name: values[name] for name in names}
