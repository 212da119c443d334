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

from anysense.common.json_files import check_entries
from anysense.common.validation import check_choice, check_integer, check_positive_integer
from anysense.envs.audio.recording import SAMPLE_RATE
from anysense.envs.autoreset import check_reset_mask
from anysense.envs.random_streams import RandomStreams, Seeds
from anysense.envs.simulation import Flags, Floats, Observation, Rows, Simulation
from anysense.envs.validation import check_like, check_options, check_render_mode

__all__ = ["BatchedEnv", "BatchedVectorEnv"]

_ONLY = np.arange(1)
"""The rows of a simulation of one copy."""


class BatchedEnv(gym.Env[Observation, Any]):
    """The single form of a simulation of one copy; ``info["state"]`` is its state, float64 (K,)."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as the base class)

    def __init__(self, simulation: Simulation, render_mode: str | None) -> None:
        self._simulation = simulation
        self.observation_space = simulation.observation_space
        self.action_space = simulation.action_space
        self.metadata = {"render_fps": simulation.render_fps, **type(self).metadata}
        if simulation.sample_rate is not None:
            self.metadata[SAMPLE_RATE] = simulation.sample_rate
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self._started = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a new episode.

        Args:
            seed: Seed of the environment's random generator; None goes on with the present one.
            options: ``{"start": start}``, or what else the simulation calls it: starts from there, without a random
                draw.

        Returns:
            The first observation and ``{"state": state}``.

        Raises:
            ValueError: The seed is no whole number from 0, an option is unknown, or the start state is not possible.
            TypeError: The options are no dictionary.
        """
        simulation = self._simulation
        given = check_options(options, (simulation.start_option,)).get(simulation.start_option)
        chosen = None if given is None else simulation.starts_in(given, ())
        super().reset(seed=None if seed is None else check_integer("seed", seed, 0))
        simulation.restart(_ONLY, simulation.draw_start(self.np_random)[None] if chosen is None else chosen)
        self._started = True
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advance by one step.

        Returns:
            Observation, reward, terminated, truncated (always False: the time limit is a wrapper) and
            ``{"state": state}``.

        Raises:
            ValueError: The action is not in the space.
            RuntimeError: The environment was never reset.
        """
        if not self._started:
            raise RuntimeError("`step` was called before the first `reset`; call `reset` to start an episode.")
        rewards, over = self._simulation.step(self._simulation.actions_in("action", action, ()))
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
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": simulation.render_fps,
            "autoreset_mode": self.autoreset_mode,
        }
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
            options: ``"start"``, or what else the simulation calls it: start states (num_envs, start_size) instead of
                random ones. ``"reset_mask"``: bool (num_envs,), starts only these.

        Returns:
            The observations of all copies and the info; its mask ``"_state"`` marks those that were started.

        Raises:
            ValueError: An option is unknown or has a wrong shape or value, or there are not ``num_envs`` seeds.
            TypeError: The options are no dictionary, or the mask is not an array of bool.
        """
        checked = check_options(options, (self._simulation.start_option, "reset_mask"))
        mask = check_reset_mask(checked, self.num_envs)
        given = checked.get(self._simulation.start_option)
        starts = None if given is None else self._simulation.starts_in(given, (self.num_envs,))
        if not (self._started or mask.all()):
            raise ValueError("`options['reset_mask']` must be all True at the first `reset`, got some False.")
        rows = np.flatnonzero(mask)
        self._streams.seed(seed, rows)
        self._restart(rows, starts)
        self._started = True
        return self._simulation.observe(), self._info(mask)

    def step(self, actions: Any) -> tuple[Observation, Floats, Flags, Flags, dict[str, Any]]:
        """Advance all copies by one step; end and restart episodes as the autoreset mode says.

        Returns:
            Observations, rewards (float64), terminated, truncated, info.

        Raises:
            ValueError: The actions are not in the space.
            RuntimeError: ``reset`` is due: before the first step, or (autoreset disabled) after the end of an episode.
        """
        checked = self._simulation.actions_in("actions", actions, (self.num_envs,))
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
        """Return all that is needed to go on exactly from here: numpy arrays.

        Returns:
            ``"elapsed_steps"`` int64 (num_envs,); ``"ended"`` bool (num_envs,), episodes that are over and not yet
            restarted; ``"streams"`` uint64 (num_envs, 6), the states of the random generators; and what the simulation
            needs.
        """
        own = {"elapsed_steps": self._elapsed.copy(), "ended": self._ended.copy(), "streams": self._streams.state()}
        return own | self._simulation.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> Observation:
        """Take over a ``state_dict`` of an environment with the same settings.

        Returns:
            The present observations, as the last ``reset`` or ``step`` of the other environment returned them.

        Raises:
            ValueError: An entry is missing, has another shape or dtype, or holds what no episode leads to. Nothing is
                taken over.
        """
        present = self.state_dict()
        check_entries(state, dict.fromkeys(present, object), "state")
        arrays = {name: check_like(f"state[{name!r}]", state[name], own) for name, own in present.items()}
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
