"""Environments that advance as a batch: one class for the single form and one for the vector form of any simulation.

A `Simulation` advances B copies of a world at once. `BatchedEnv` shows one copy as a Gymnasium environment,
`BatchedVectorEnv` all of them as a native vector environment with Gymnasium's three ways to go on after an episode.
Copy i of a vector that is reset with seed k gives exactly what the single form gives with seed k + i.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from anysense.common.validation import check_choice, check_positive_integer
from anysense.envs.audio.recording import SAMPLE_RATE
from anysense.envs.autoreset import check_reset_mask
from anysense.envs.pendulum.validation import check_options, check_render_mode
from anysense.envs.random_streams import RandomStreams, Seeds
from anysense.envs.simulation import Flags, Floats, Observation, Rows, Simulation, checked_actions, checked_starts

__all__ = ["BatchedEnv", "BatchedVectorEnv"]


class BatchedEnv(gym.Env[Observation, Any]):
    """The single form of a simulation of one copy; ``info["state"]`` is its state, float64 (K,)."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 (as the base class)

    def __init__(self, simulation: Simulation, render_mode: str | None) -> None:
        self._simulation = simulation
        self.observation_space = simulation.observation_space
        self.action_space = simulation.action_space
        if simulation.sample_rate is not None:
            self.metadata = {**type(self).metadata, SAMPLE_RATE: simulation.sample_rate}
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self._started = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a new episode.

        Args:
            seed: Seed of the environment's random generator; None goes on with the present one.
            options: ``{"start": start}`` starts from there, without a random draw.

        Raises:
            ValueError: An option is unknown, or the start state is not possible.
        """
        super().reset(seed=seed)
        given = check_options(options, ("start",)).get("start")
        starts = (
            self._simulation.draw_start(self.np_random)[None]
            if given is None
            else checked_starts(self._simulation, given, (self._simulation.start_size,))[None]
        )
        self._simulation.restart(np.arange(1), starts)
        self._started = True
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advance by one step; ``truncated`` is always False, because the time limit is a wrapper.

        Raises:
            ValueError: The action is not in the space.
            RuntimeError: The environment was never reset.
        """
        if not self._started:
            raise RuntimeError("`step` was called before the first `reset`; call `reset` to start an episode.")
        rewards, over = self._simulation.step(checked_actions("action", self.action_space, action, ())[None])
        return self._observe(), float(rewards[0]), bool(over[0]), False, self._info()

    def render(self) -> npt.NDArray[np.uint8] | None:
        """A picture for people, uint8 (height, width, 3); None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn('`render` was called without a render mode; pass `render_mode="rgb_array"` to `make`.')
            return None
        return self._simulation.picture(0)

    def _observe(self) -> Observation:
        return {modality: batch[0] for modality, batch in self._simulation.observe().items()}

    def _info(self) -> dict[str, Any]:
        return {"state": self._simulation.state()[0]}


class BatchedVectorEnv(gym.vector.VectorEnv[Observation, Any, npt.NDArray[Any]]):
    """The vector form of a simulation of ``num_envs`` copies.

    Observations, rewards (float64) and flags have the batch in front, in fresh arrays. ``info["state"]`` is float64
    (num_envs, K); ``info["_state"]`` marks those that the call changed. With ``SAME_STEP``, ``info["final_obs"]`` and
    ``info["final_info"]`` hold the last observations and states of the episodes that ended, as Gymnasium defines it.

    Args:
        simulation: Of ``num_envs`` copies.
        num_envs: Number of copies.
        render_mode: ``"rgb_array"`` (a picture of each) or None.
        max_episode_steps: Steps after which an episode is truncated; None for no limit.
        autoreset_mode: A ``gymnasium.vector.AutoresetMode``, or its value as a string such as ``"SameStep"``.
    """

    def __init__(
        self,
        simulation: Simulation,
        num_envs: int,
        render_mode: str | None,
        max_episode_steps: int | None,
        autoreset_mode: AutoresetMode | str,
    ) -> None:
        self._simulation = simulation
        self.num_envs = num_envs
        self.max_episode_steps = (
            None if max_episode_steps is None else check_positive_integer("max_episode_steps", max_episode_steps)
        )
        modes = [known.value for known in AutoresetMode]
        mode = autoreset_mode.value if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
        self.autoreset_mode = AutoresetMode(check_choice("autoreset_mode", mode, modes))
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 30, "autoreset_mode": self.autoreset_mode}
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self.single_observation_space = simulation.observation_space
        self.single_action_space = simulation.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._streams = RandomStreams(num_envs, _generator)
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        self._started = False

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The random generators, one for each copy."""
        return tuple(self._streams[row] for row in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the random generators; -1 where the generator was restored by ``load_state_dict``."""
        return tuple(self._streams.seeds)

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start new episodes.

        Args:
            seed: A number k seeds the copies with k, k + 1, ...; a sequence gives each its own seed (None: go on);
                None goes on with all present generators.
            options: ``"start"``: start states (num_envs, start_size) instead of random ones. ``"reset_mask"``: bool
                (num_envs,), starts only these.

        Raises:
            ValueError: An option is unknown or has a wrong shape or value, or there are not ``num_envs`` seeds.
            TypeError: The mask is not an array of bool.
        """
        checked = check_options(options, ("start", "reset_mask"))
        mask = check_reset_mask(checked, self.num_envs)
        starts = checked.get("start")
        if starts is not None:
            starts = checked_starts(self._simulation, starts, (self.num_envs, self._simulation.start_size))
        if not (self._started or mask.all()):
            raise ValueError("`options['reset_mask']` must be all True at the first `reset`, got some False.")
        rows = np.flatnonzero(mask)
        self._streams.seed(seed, rows)
        self._restart(rows, starts)
        self._started = True
        return self._simulation.observe(), self._info(mask)

    def step(self, actions: Any) -> tuple[Observation, Floats, Flags, Flags, dict[str, Any]]:
        """Advance all copies by one step; end and restart episodes as the autoreset mode says.

        Raises:
            ValueError: The actions are not in the space.
            RuntimeError: ``reset`` is due: before the first step, or (autoreset disabled) after the end of an episode.
        """
        checked = checked_actions("actions", self.single_action_space, actions, (self.num_envs,))
        self._check_running()
        restarting = self._ended & (self.autoreset_mode is AutoresetMode.NEXT_STEP)
        rewards, terminated = self._simulation.step(checked)
        self._elapsed += 1
        if restarting.any():
            rewards[restarting], terminated[restarting] = 0.0, False
            self._restart(np.flatnonzero(restarting), None)
        limit = self.max_episode_steps
        truncated = np.zeros_like(terminated) if limit is None else self._elapsed >= limit
        self._ended = terminated | truncated
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP and self._ended.any()
        final = self._restart_ended() if same_step else {}
        info = final | self._info(np.ones(self.num_envs, dtype=np.bool_))
        return self._simulation.observe(), rewards, terminated, truncated, info

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """One picture for people for each copy, uint8 (height, width, 3), or None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn('`render` was called without a render mode; pass `render_mode="rgb_array"` to `make_vec`.')
            return None
        return tuple(self._simulation.picture(row) for row in range(self.num_envs))

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on exactly from here: numpy arrays."""
        own = {"elapsed_steps": self._elapsed.copy(), "ended": self._ended.copy(), "streams": self._streams.state()}
        return own | self._simulation.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> Observation:
        """Take over a ``state_dict`` of an environment with the same settings; returns the present observations.

        Raises:
            ValueError: An entry is missing, or has another shape or dtype.
        """
        arrays = {}
        for name, own in self.state_dict().items():
            if name not in state:
                raise ValueError(f"`state` must come from `state_dict`; it lacks {name!r}.")
            found = arrays[name] = np.array(state[name])
            if found.shape != own.shape or found.dtype != own.dtype:
                raise ValueError(
                    f"`state[{name!r}]` must be {own.dtype} {own.shape}, got {found.dtype} {found.shape}; load it into "
                    "an environment with the same settings."
                )
        elapsed, ended, streams = (arrays.pop(name) for name in ("elapsed_steps", "ended", "streams"))
        if elapsed.min(initial=0) < 0:
            raise ValueError(f"`state['elapsed_steps']` must not be negative; got {elapsed}.")
        self._simulation.load_state_dict(arrays)
        self._streams.load_state(streams)
        self._elapsed, self._ended = elapsed, ended
        self._started = True
        return self._simulation.observe()

    def _check_running(self) -> None:
        if not self._started:
            raise RuntimeError("`step` was called before the first `reset`; call `reset` to start the episodes.")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            raise RuntimeError(
                f"`step` was called although the episodes {np.flatnonzero(self._ended).tolist()} are over and "
                "autoreset is disabled; call `reset(options={'reset_mask': terminated | truncated})` first."
            )

    def _restart(self, rows: Rows, starts: Floats | None) -> None:
        drawn = [self._simulation.draw_start(self._streams[row]) for row in rows] if starts is None else None
        self._simulation.restart(rows, np.array(drawn) if starts is None else starts[rows])
        self._elapsed[rows] = 0
        self._ended[rows] = False

    def _restart_ended(self) -> dict[str, Any]:
        """Restart all episodes that are over; their last observations and infos as info entries."""
        ended = self._ended.copy()
        observation, states = self._simulation.observe(), self._simulation.state()
        last = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(ended):
            last[row] = {modality: batch[row].copy() for modality, batch in observation.items()}
        states[~ended] = 0.0
        self._restart(np.flatnonzero(ended), None)
        return {
            "final_obs": last,
            "_final_obs": ended,
            "final_info": {"state": states, "_state": ended.copy()},
            "_final_info": ended.copy(),
        }

    def _info(self, mask: Flags) -> dict[str, Any]:
        return {"state": self._simulation.state(), "_state": mask}


def _generator(seed: int | None) -> np.random.Generator:
    return seeding.np_random(seed)[0]
