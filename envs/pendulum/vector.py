"""The multimodal pendulum as a native vector environment: all pendulums advance in one pass through numpy."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from anysense.common.json_files import check_entries
from anysense.common.validation import check_choice, check_integer, check_positive_integer
from anysense.envs.audio.waveform import Timbre
from anysense.envs.autoreset import check_reset_mask
from anysense.envs.pendulum.hearing import Sound
from anysense.envs.pendulum.physics import FloatArray, Physics
from anysense.envs.pendulum.rendering import Renderer
from anysense.envs.pendulum.simulation import (
    DEFAULT_RECEIVERS,
    DEFAULT_SAMPLE_RATE,
    MODALITIES,
    Action,
    Observation,
    PendulumSettings,
    Simulation,
)
from anysense.envs.pendulum.validation import (
    as_numbers,
    check_actions,
    check_no_more,
    check_options,
    check_render_mode,
    check_states,
)
from anysense.envs.random_streams import RandomStreams, Seeds

Flags = npt.NDArray[np.bool_]


class MultimodalPendulumVectorEnv(gym.vector.VectorEnv[Observation, Action, npt.NDArray[Any]]):
    """``num_envs`` pendulums that are seen and heard, advanced together.

    Physics, modalities, reward and the arguments that they share are described in ``MultimodalPendulumEnv``. Pendulum i
    of a vector that is reset with seed k gives exactly what the single environment gives with seed k + i, across
    restarts too: each pendulum has a random generator of its own.

    ## Shapes

    Observations, actions (``(num_envs, 1)``), rewards (float64) and flags have the batch in front; all are fresh arrays
    at each step. ``info["state"]`` is float64 ``(num_envs, 2)``; ``info["_state"]`` marks those that this call changed.

    ## End of an episode

    Episodes are truncated after ``max_episode_steps`` steps and never terminated. What follows depends on
    ``autoreset_mode``, as Gymnasium defines it:

    | mode | what happens |
    |---|---|
    | ``NEXT_STEP`` (default) | the next ``step`` ignores the action, returns the first observation, reward 0 |
    | ``SAME_STEP`` | the same ``step`` returns the first observation of the next episode; the last one of the old \
      episode is in ``info["final_obs"]`` (an object array of dictionaries), its state in ``info["final_info"]``; the \
      masks ``"_final_obs"`` and ``"_final_info"`` mark the episodes that ended |
    | ``DISABLED`` | call ``reset(options={"reset_mask": truncated})`` before the next ``step`` |

    ## Further arguments

    Args:
        num_envs: Number of pendulums.
        modalities: As in ``MultimodalPendulumEnv``, like the other arguments that are not listed here.
        render_mode: ``"rgb_array"`` (one picture for each pendulum) or None.
        max_episode_steps: Length of an episode in steps; None for episodes without end.
        autoreset_mode: A ``gymnasium.vector.AutoresetMode``, or its value as a string such as ``"SameStep"``.

    Raises:
        ValueError: An argument has a wrong value; the message names it.
        TypeError: ``modalities`` or ``receivers`` is not a sequence of strings, or an argument is unknown.

    ## Example

    >>> import gymnasium, anysense.envs
    >>> envs = gymnasium.make_vec("anysense/MultimodalPendulum-v0", num_envs=64)
    >>> observation, info = envs.reset(seed=1)
    >>> observation["image"].shape, observation["sound"].shape
    ((64, 2, 60, 60), (64, 2, 3, 2))
    >>> observation, reward, terminated, truncated, info = envs.step(envs.action_space.sample())
    """

    def __init__(
        self,
        num_envs: int = 1,
        modalities: Sequence[str] = MODALITIES,
        receivers: Sequence[str] = DEFAULT_RECEIVERS,
        frame_stack: int = 2,
        physics: Physics = "gymnasium",
        antialias: bool = True,
        initial_steps: int | Sequence[int] = 0,
        sound: Sound = "tones",
        timbre: Timbre = "sine",
        sample_rate: int = DEFAULT_SAMPLE_RATE,
        render_mode: str | None = None,
        max_episode_steps: int | None = 300,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **unknown: Any,
    ) -> None:
        check_no_more(unknown, type(self))
        self.settings = PendulumSettings(
            modalities, receivers, frame_stack, physics, antialias, initial_steps, sound, timbre, sample_rate
        )
        self.num_envs = check_integer("num_envs", num_envs, 1, self.settings.most_envs())
        self.max_episode_steps = (
            None if max_episode_steps is None else check_positive_integer("max_episode_steps", max_episode_steps)
        )
        self.autoreset_mode = _as_autoreset_mode(autoreset_mode)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 20, "autoreset_mode": self.autoreset_mode}
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self.single_observation_space = self.settings.observation_space()
        self.single_action_space = self.settings.action_space()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._simulation = Simulation(self.settings, self.num_envs)
        self._renderer = Renderer(self.settings.receivers)
        self._streams = RandomStreams(self.num_envs, _generator)
        self._elapsed_steps = np.zeros(self.num_envs, dtype=np.int64)
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)
        self._started = False

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The random generators, one for each pendulum."""
        return tuple(self._streams[row] for row in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the random generators; -1 where the generator was restored by ``load_state_dict``."""
        return tuple(self._streams.seeds)

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start new episodes.

        Args:
            seed: A number k seeds the pendulums with k, k + 1, ...; a sequence gives each its own seed (where None:
                go on with the present generator); None goes on with all present generators.
            options: ``"state"``: start states, shape (num_envs, 2), instead of random ones (no draw, no initial steps).
                ``"reset_mask"``: bool of shape (num_envs,), resets only these pendulums.

        Returns:
            The observations of all pendulums and the info; its mask ``"_state"`` marks those that were reset.

        Raises:
            ValueError: An option is unknown or has a wrong shape or value, or there are not ``num_envs`` seeds.
            TypeError: The options are no dictionary, or the mask is not an array of bool.
        """
        checked = check_options(options, ("state", "reset_mask"))
        mask = check_reset_mask(checked, self.num_envs)
        states = checked.get("state")
        if states is not None:
            states = check_states("options['state']", states, (self.num_envs, 2))
        if not (self._started or mask.all()):
            raise ValueError("`options['reset_mask']` must be all True at the first `reset`, got some False.")
        rows = np.flatnonzero(mask)
        self._streams.seed(seed, rows)
        self._restart(rows, states)
        self._started = True
        return self._simulation.observe(), self._info(mask)

    def step(self, actions: Action) -> tuple[Observation, FloatArray, Flags, Flags, dict[str, Any]]:
        """Apply torques for 0.05 s; end and restart episodes as the autoreset mode says.

        Args:
            actions: Torques in N m, shape (num_envs, 1), clipped to [-2, 2].

        Returns:
            Observations, rewards (float64), terminated (always False), truncated, info.

        Raises:
            ValueError: The actions have another shape or one is NaN.
            RuntimeError: ``reset`` is due: before the first step, or (autoreset disabled) after the end of an episode.
        """
        torque = check_actions("actions", actions, (self.num_envs, 1))
        self._check_running()
        restarting = self._ended if self.autoreset_mode is AutoresetMode.NEXT_STEP else np.zeros_like(self._ended)
        rewards = self._simulation.step(torque)
        self._elapsed_steps += 1
        if restarting.any():
            rewards[restarting] = 0.0
            self._restart(np.flatnonzero(restarting), None)
        truncated = self._truncated()
        self._ended = truncated.copy()
        final = self._restart_ended() if self.autoreset_mode is AutoresetMode.SAME_STEP and truncated.any() else {}
        info = final | self._info(np.ones(self.num_envs, dtype=np.bool_))
        return self._simulation.observe(), rewards, np.zeros_like(truncated), truncated, info

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Return one picture for people for each pendulum, uint8 (480, 480, 3), or None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn('`render` was called without a render mode; pass `render_mode="rgb_array"` to `make_vec`.')
            return None
        return tuple(self._renderer.draw(state) for state in self._simulation.states())

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly from here: numpy arrays.

        Returns:
            ``"states"`` float64 (num_envs, stack, 2), the states of the stacked frames, oldest first, and of audio
            what it has sounded like and goes on with;
            ``"elapsed_steps"`` int64 (num_envs,); ``"ended"`` bool (num_envs,), episodes that are over and not yet
            restarted; ``"streams"`` uint64 (num_envs, 6), the states of the random generators.
        """
        return {
            **self._simulation.state_dict(),
            "elapsed_steps": self._elapsed_steps.copy(),
            "ended": self._ended.copy(),
            "streams": self._streams.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> Observation:
        """Take over a ``state_dict`` of an environment with the same settings.

        Returns:
            The present observations, as the last ``reset`` or ``step`` of the other environment returned them.

        Raises:
            ValueError: An entry is missing, has another shape or dtype, or holds what no episode leads to.
        """
        check_entries(state, dict.fromkeys(self.state_dict(), object), "state")
        elapsed, ended = (as_numbers(f"state[{name!r}]", state[name]) for name in ("elapsed_steps", "ended"))
        whole = elapsed.dtype.kind in "iu" and elapsed.shape == (self.num_envs,) and elapsed.min() >= 0
        if not whole or ended.shape != (self.num_envs,) or ended.dtype != np.bool_:
            raise ValueError(
                f"`state` must have 'elapsed_steps', whole numbers from 0, and 'ended', bool, of shape "
                f"({self.num_envs},); got {state['elapsed_steps']!r} and {state['ended']!r}."
            )
        simulation = Simulation(self.settings, self.num_envs)
        simulation.load_state_dict(state)
        self._streams.load_state(state["streams"])
        self._simulation = simulation
        self._elapsed_steps, self._ended, self._started = elapsed.astype(np.int64), ended.copy(), True
        return self._simulation.observe()

    def _check_running(self) -> None:
        if not self._started:
            raise RuntimeError("`step` was called before the first `reset`; call `reset` to start the episodes.")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            raise RuntimeError(
                f"`step` was called although the episodes {np.flatnonzero(self._ended).tolist()} are over and "
                "autoreset is disabled; call `reset(options={'reset_mask': truncated})` first."
            )

    def _truncated(self) -> Flags:
        if self.max_episode_steps is None:
            return np.zeros(self.num_envs, dtype=np.bool_)
        return self._elapsed_steps >= self.max_episode_steps

    def _restart(self, rows: npt.NDArray[np.intp], states: FloatArray | None) -> None:
        if states is None:
            drawn = [self.settings.draw_start(self._streams[row]) for row in rows]
            starts = np.array([start for start, _ in drawn])
            initial_steps = np.array([count for _, count in drawn])
        else:
            starts, initial_steps = states[rows], np.zeros(len(rows), dtype=np.intp)
        self._simulation.restart(rows, starts, initial_steps)
        self._elapsed_steps[rows] = 0
        self._ended[rows] = False

    def _restart_ended(self) -> dict[str, Any]:
        """Restart all episodes that are over; return their last observations and infos as info entries."""
        ended = self._ended.copy()
        observation, states = self._simulation.observe(), self._simulation.states()
        final_observations = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(ended):
            final_observations[row] = {modality: batch[row].copy() for modality, batch in observation.items()}
        states[~ended] = 0.0
        self._restart(np.flatnonzero(ended), None)
        return {
            "final_obs": final_observations,
            "_final_obs": ended,
            "final_info": {"state": states, "_state": ended.copy()},
            "_final_info": ended.copy(),
        }

    def _info(self, mask: Flags) -> dict[str, Any]:
        return {"state": self._simulation.states(), "_state": mask}


def _generator(seed: int | None) -> np.random.Generator:
    return seeding.np_random(seed)[0]


def _as_autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    return AutoresetMode(check_choice("autoreset_mode", mode, [known.value for known in AutoresetMode]))
