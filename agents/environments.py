"""Training environments: the vector form of a world as Stable-Baselines3 wants it, timed, and encoded once."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from anysense.agents.algorithms.published import TerminalTimeLimit
from anysense.agents.frozen import FrozenEncoder
from anysense.agents.latent import LatentVecEnv
from anysense.envs.autoreset import VectorEnvironment
from anysense.envs.sb3_adapter import GymnasiumVecEnv
from anysense.envs.sensors.missing import VectorMissingModalities
from anysense.envs.world import World

__all__ = ["ScaledReward", "StepTimer", "TrainingEnvironment", "environment_seed"]


class StepTimer(VecEnvWrapper):
    """Measures the wall time that an environment takes.

    Attributes:
        seconds: Time spent in it so far.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.seconds = 0.0

    def reset(self) -> VecEnvObs:
        """First observations."""
        start = perf_counter()
        observations = self.venv.reset()
        self.seconds += perf_counter() - start
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Hand over actions."""
        start = perf_counter()
        self.venv.step_async(actions)
        self.seconds += perf_counter() - start

    def step_wait(self) -> VecEnvStepReturn:
        """What the environment returns."""
        start = perf_counter()
        result = self.venv.step_wait()
        self.seconds += perf_counter() - start
        return result


class ScaledReward(VecEnvWrapper):
    """Multiplies rewards, so that values of the size of a sum of rewards stay easy to learn."""

    def __init__(self, venv: VecEnv, scale: float) -> None:
        super().__init__(venv)
        self.scale = np.float32(scale)

    def reset(self) -> VecEnvObs:
        """First observations."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """What the environment returns, with scaled rewards."""
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, rewards * self.scale, dones, infos


@dataclass(frozen=True)
class TrainingEnvironment:
    """The layers of a training environment.

    Attributes:
        venv: Outermost layer: what the agent sees.
        adapter: Innermost layer: the state of the environments.
        timer: Measures the environments without encoding.
        latent: The encoding layer, if encoding happens once per step.
    """

    venv: VecEnv
    adapter: GymnasiumVecEnv
    timer: StepTimer
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
        """Build all layers.

        Args:
            world: Where the agent acts.
            n_envs: Environments that are stepped together.
            modalities: Modalities that they offer.
            encoder: Encodes once per step; None leaves raw observations to the policy.
            missing: Probability of each modality to be missing for an episode.
            terminal_time_limit: Whether the agent takes the time limit for a real end, as published.
            reward_scale: Factor on the rewards.
            episode_steps: Time limit of an episode; that of the world if None.

        Raises:
            TypeError, ValueError: An option is unknown or out of range, or the modalities do not fit the encoder.
        """
        env: VectorEnvironment = world.make_vec(n_envs, modalities, episode_steps=episode_steps or world.episode_steps)
        if missing:
            env = VectorMissingModalities(env, missing)
        adapter = GymnasiumVecEnv(env)
        timer = StepTimer(adapter)
        venv: VecEnv = TerminalTimeLimit(timer) if terminal_time_limit else timer
        if reward_scale != 1.0:
            venv = ScaledReward(venv, reward_scale)
        latent = None if encoder is None else LatentVecEnv(venv, encoder)
        return cls(latent or venv, adapter, timer, latent)

    @property
    def encode_seconds(self) -> float:
        """Wall time spent on encoding once; 0 where the policy encodes."""
        return 0.0 if self.latent is None else self.latent.encode_seconds


def environment_seed(seed: int) -> int:
    """Seed of the first training environment: far from those of neighbouring training seeds."""
    return int(np.random.SeedSequence([seed, 0x656E76]).generate_state(1)[0])
