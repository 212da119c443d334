"""The multimodal pendulum as a native vector environment: all pendulums advance in one pass through numpy."""

from collections.abc import Sequence
from typing import Any

from gymnasium.vector import AutoresetMode

from anysense.common.validation import check_integer
from anysense.envs.audio.waveform import Timbre
from anysense.envs.batched import BatchedVectorEnv
from anysense.envs.pendulum.hearing import Sound
from anysense.envs.pendulum.physics import Physics
from anysense.envs.pendulum.simulation import (
    DEFAULT_RECEIVERS,
    DEFAULT_SAMPLE_RATE,
    MODALITIES,
    PendulumSettings,
    PendulumSimulation,
)
from anysense.envs.validation import check_no_more


class MultimodalPendulumVectorEnv(BatchedVectorEnv):
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
        count = check_integer("num_envs", num_envs, 1, self.settings.most_envs())
        simulation = PendulumSimulation(self.settings, count)
        super().__init__(simulation, count, render_mode, max_episode_steps, autoreset_mode)
