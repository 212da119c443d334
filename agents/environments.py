"""Training environments: the vector form of a world as Stable-Baselines3 needs it, timed, and encoded once."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from anysense.agents.frozen import FrozenEncoder
from anysense.agents.latent import LatentVecEnv
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.sb3_adapter import GymnasiumVecEnv
from anysense.envs.sensors.missing import VectorMissingModalities
from anysense.envs.world import World

__all__ = ["LearningSignal", "TrainingEnvironment", "environment_seed"]


class LearningSignal(VecEnvWrapper):
    """Scales rewards and decides what the time limit means to an agent; measures the time that the environment takes.

    Args:
        venv: The environment.
        reward_scale: Factor on the rewards.
        terminal_time_limit: Whether the end of an episode by the time limit looks like a real end (the mark of
            truncation is removed), so that the agent expects no further reward.

    Attributes:
        seconds: Wall time spent in the environment so far.
    """

    def __init__(self, venv: VecEnv, reward_scale: float = 1.0, terminal_time_limit: bool = False) -> None:
        super().__init__(venv)
        self.reward_scale = np.float32(reward_scale)
        self.terminal_time_limit = terminal_time_limit
        self.seconds = 0.0

    def reset(self) -> VecEnvObs:
        """First observations."""
        start = perf_counter()
        observations = self.venv.reset()
        self.seconds += perf_counter() - start
        return observations

    def step_wait(self) -> VecEnvStepReturn:
        """What the environment returns, with scaled rewards."""
        start = perf_counter()
        observations, rewards, dones, infos = self.venv.step_wait()
        self.seconds += perf_counter() - start
        if self.terminal_time_limit:
            infos = [{key: value for key, value in info.items() if key != "TimeLimit.truncated"} for info in infos]
        return observations, rewards * self.reward_scale, dones, infos


@dataclass(frozen=True)
class TrainingEnvironment:
    """The layers of a training environment.

    Attributes:
        venv: Outermost layer: what the agent is given.
        adapter: Innermost layer: the state of the environments.
        signal: Rewards and ends of episodes; measures the time of the environments without encoding.
        latent: The encoding layer, if encoding happens once per step.
    """

    venv: VecEnv
    adapter: GymnasiumVecEnv
    signal: LearningSignal
    latent: LatentVecEnv | None

    @classmethod
    def make(
        cls,
        world: World,
        n_envs: int,
        modalities: tuple[str, ...],
        *,
        encoder: FrozenEncoder | None,
        missing: float | Mapping[str, float] = 0.0,
        terminal_time_limit: bool = False,
        reward_scale: float = 1.0,
        episode_steps: int | None = None,
    ) -> "TrainingEnvironment":
        """Build all layers, for observations of any shape and any actions.

        Without ``encoder`` raw observations are left to the policy. ``missing`` is the probability of each modality to
        be missing for an episode, ``episode_steps`` the time limit of one, that of the world if None; for the other
        options see `LearningSignal`.

        Raises:
            TypeError, ValueError: An option is unknown or out of range, or the modalities do not fit the encoder.
        """
        env: VectorEnvironment = world.make_vec(n_envs, modalities, episode_steps=episode_steps or world.episode_steps)
        if missing:
            env = VectorMissingModalities(env, missing)
        adapter = GymnasiumVecEnv(env)
        signal = LearningSignal(adapter, reward_scale, terminal_time_limit)
        latent = None if encoder is None else LatentVecEnv(signal, encoder)
        return cls(latent or signal, adapter, signal, latent)

    @property
    def resumable(self) -> bool:
        """Whether the environments can hand over and restore their exact state."""
        return all(callable(getattr(self.adapter.venv.unwrapped, f"{verb}state_dict", None)) for verb in ("", "load_"))

    @property
    def encode_seconds(self) -> float:
        """Wall time spent on encoding once; 0 where the policy encodes."""
        return 0.0 if self.latent is None else self.latent.encode_seconds


def environment_seed(seed: int) -> int:
    """Seed of the first training environment: far from those of neighbouring training seeds."""
    return int(np.random.SeedSequence([seed, 0x656E76]).generate_state(1)[0])
