"""Encode once: environments whose observations are latents.

With an encoder inside the policy, every gradient step encodes observations again, and the replay buffer holds images.
These wrappers encode each observation once, when it is made, so that policies and buffers hold short vectors only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from anysense.agents.frozen import FrozenEncoder
from anysense.representations.contract import Representation

__all__ = ["EncodeObservation", "LatentVecEnv"]

Observation = Mapping[str, NDArray[Any]]
Encoder = FrozenEncoder | str | Path | Representation


class LatentVecEnv(VecEnvWrapper):
    """Vector environment of Stable-Baselines3 whose observations are latents, float32 (features_dim,).

    Each step is encoded once, in one batch, together with the terminal observations of episodes that just ended.

    Args:
        venv: Environment with a ``Dict`` observation space of modalities (and optionally ``present``), and any actions.
        encoder: Frozen encoder, folder of a saved representation, or a representation.
        passthrough: Other entries that are appended to the latent; a `FrozenEncoder` has its own.

    Attributes:
        encode_seconds: Wall time spent on encoding so far, in seconds.

    Raises:
        TypeError, ValueError: The observations do not fit the representation.
    """

    def __init__(self, venv: VecEnv, encoder: Encoder, passthrough: Sequence[str] = ()) -> None:
        self.encoder = _frozen_encoder(encoder, passthrough)
        self.encoder.check_space(venv.observation_space)
        self.encode_seconds = 0.0
        super().__init__(venv, observation_space=self.encoder.latent_space)

    def reset(self) -> NDArray[np.float32]:
        """Latents (n_envs, latent_dim) of the first observations."""
        observations = self.venv.reset()
        assert isinstance(observations, Mapping)
        return self._encode(observations, ())

    def step_wait(self) -> VecEnvStepReturn:
        """Latents, rewards, dones and infos; ``terminal_observation`` is a latent, too."""
        observations, rewards, dones, infos = self.venv.step_wait()
        assert isinstance(observations, Mapping)
        ended = [int(index) for index in np.flatnonzero(dones) if infos[index].get("terminal_observation") is not None]
        latents = self._encode(observations, [infos[index]["terminal_observation"] for index in ended])
        for row, index in enumerate(ended, start=self.num_envs):
            infos[index] = {**infos[index], "terminal_observation": latents[row]}
        return latents[: self.num_envs], rewards, dones, infos

    def _encode(self, observations: Observation, terminal: Sequence[Observation]) -> NDArray[np.float32]:
        start = perf_counter()
        if terminal:
            observations = {
                name: np.concatenate([value, np.stack([last[name] for last in terminal])])
                for name, value in observations.items()
            }
        latents = self.encoder.encode_arrays(observations)
        self.encode_seconds += perf_counter() - start
        return latents


class EncodeObservation(
    gymnasium.ObservationWrapper[NDArray[np.float32], Any, dict[str, NDArray[Any]]], RecordConstructorArgs
):
    """Single environment whose observations are latents, float32 (latent_dim,); otherwise as `LatentVecEnv`."""

    def __init__(
        self, env: gymnasium.Env[dict[str, NDArray[Any]], Any], encoder: Encoder, passthrough: Sequence[str] = ()
    ) -> None:
        RecordConstructorArgs.__init__(self, _disable_deepcopy=True, encoder=encoder, passthrough=passthrough)
        super().__init__(env)
        self.encoder = _frozen_encoder(encoder, passthrough)
        self.encoder.check_space(env.observation_space)
        self.observation_space: spaces.Space[Any] = self.encoder.latent_space

    def observation(self, observation: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Latent (latent_dim,) of one observation."""
        batch = {name: np.asarray(value)[None] for name, value in observation.items()}
        latent: NDArray[np.float32] = self.encoder.encode_arrays(batch)[0]
        return latent


def _frozen_encoder(encoder: Encoder, passthrough: Sequence[str]) -> FrozenEncoder:
    if not isinstance(encoder, FrozenEncoder):
        return FrozenEncoder(encoder, passthrough=passthrough)
    if passthrough and tuple(passthrough) != encoder.passthrough.names:
        raise ValueError(f"`passthrough` is {encoder.passthrough.names} in `encoder`; got {passthrough!r}.")
    return encoder
