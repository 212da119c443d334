"""Hyperhot as Gymnasium environments: a single form and a native vector form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from anysense.common.validation import check_integer
from anysense.envs.batched import BatchedEnv, BatchedVectorEnv
from anysense.envs.hyperhot.rules import (
    DEFAULT_RECEIVERS,
    EPISODE_STEPS,
    MODALITIES,
    MOST_ENVS,
    Picture,
    Settings,
    Sound,
)
from anysense.envs.hyperhot.simulation import HyperhotSimulation
from anysense.envs.validation import check_no_more

__all__ = ["HyperhotEnv", "HyperhotVectorEnv"]


class HyperhotEnv(BatchedEnv):
    """A ship at the bottom of the screen shoots at enemies that move together above it and shoot back.

    The agent gets no state: it sees the screen, and hears the notes of enemies, their shots and the bullet of the ship.
    After Silva, Vasco et al., "Playing Games in the Dark: An Approach for Cross-Modality Transfer in Reinforcement
    Learning" (AAMAS 2020) and Vasco et al., "How to Sense the World: Leveraging Hierarchy in Multimodal Perception for
    Robust Reinforcement Learning Agents" (AAMAS 2022).

    ## Action

    ``Discrete(6)``: 0 nothing, 1 left, 2 right, 3 shoot, 4 shoot and left, 5 shoot and right. The ship moves by 5
    pixels in a step (1/30 s). It has one bullet at a time; a shot while there is one is ignored.

    ## Observation

    A dictionary of the chosen modalities, each with the last ``frame_stack`` frames, oldest first.

    | key | arguments | type and shape | content | range |
    |---|---|---|---|---|
    | ``"image"`` | ``picture="grey"`` | uint8 (stack, 105, 80) | half size; ship and its bullet 255, enemies 170, \
      shots 128 | 0 to 255 |
    | | ``picture="published"`` | uint8 (stack, 80, 80) | every second pixel, 255 where there is anything; without the \
      upper 30 and lower 20 rows | 0, 255 |
    | | ``picture="screen"`` | uint8 (3 stack, 210, 160) | colours of the screen | 0 to 255 |
    | ``"sound"`` | ``sound="tones"`` | float32 (stack, receivers, sources, 2) | [..., 0]: frequency in Hz, 0 where \
      the source is silent | 0 to 466.16 |
    | | | | [..., 1]: amplitude exp(-0.025 d), d the distance in pixels | 0 to below 1, exact per receiver and source |
    | | ``sound="waveform"`` | float32 (stack, receivers, 1047) | the sound of the step at 31 410 Hz | -1 to 1 |

    Sources in order: enemies (do, do, mi, mi), their shots (sol), the bullet of the ship (la sharp).
    Receivers: ``left_bottom``, ``right_bottom``, ``bottom`` (corners and middle of the lower edge), and ``left_ship``,
    ``right_ship``, ``bottom_ship``, ``top_ship``, ``center_ship``, which move with the ship.

    ## State

    ``info["state"]``, float64 (7 + 4 enemies,): x of the ship, common offset of the enemies and their direction, which
    enemies are alive; of the ship's bullet whether it is there, x and y; the same of the enemies' shots; step.

    ## Reward, start and end

    10 when the last enemy is hit, -1 when a shot hits the ship; both end the episode. All other rewards are 0. The
    registered environment truncates after 450 steps. The ship starts at any x, the enemies go left or right with equal
    chance. ``reset(options={"start": [x, direction, shots]})`` starts from there; ``shots``, a whole number from 0 to
    2^53 - 1, decides which enemy shoots at each turn.

    ## Rules, corrected and published

    | corrected (default) | published (``legacy=True``) |
    |---|---|
    | hits are resolved, then the step is observed; a win comes with the last hit, before a loss in the same step | \
      enemies vanish, and a game is won, one step after the hit; a loss in that step counts |
    | a dead bullet is gone at once | it is seen, heard and blocks the next shot for one step, and still hits |
    | bullets that meet within a step vanish | they can pass through each other |
    | shooting without direction stops the ship | it goes on as commanded last |
    | the ship stays in x 12 to 148 and starts anywhere there | starts in 10 to 130, cannot go left below 22 |
    | time over is a truncation without reward | after 450 steps it is a loss, whatever else happens |
    | waveform: one clock for all sources, fixed gain 1/3 | phases start anew per source and receiver; loud blocks are \
      rescaled, int16 |

    Circles of half the diagonal of an object's box decide about hits in both, as published; they are larger than what
    is drawn.

    Args:
        modalities: Which modalities the observation has: ``("image", "sound")`` or one of them.
        receivers: Names of the receivers, in the order of the sound array.
        frame_stack: Number of frames in an observation, 1 to 64. Motion shows from 2 on.
        enemies: 1 to 4.
        picture: ``"grey"``, ``"published"`` or ``"screen"``.
        sound: ``"tones"`` or ``"waveform"``.
        pacifist: Enemies do not shoot.
        legacy: The published rules and waveform.
        render_mode: ``"rgb_array"``: ``render`` returns the screen, uint8 (210, 160, 3).

    Raises:
        ValueError: An argument has a wrong value; the message names it.
        TypeError: An argument has a wrong type, or is unknown.

    ## Example

    >>> import gymnasium, anysense.envs
    >>> env = gymnasium.make("anysense/Hyperhot-v0", modalities=("image", "sound"))
    >>> observation, info = env.reset(seed=1)
    >>> observation["image"].shape, observation["sound"].shape
    ((2, 105, 80), (2, 4, 9, 2))

    ## Version history

    * v0: first version.
    """

    def __init__(
        self,
        modalities: Sequence[str] = MODALITIES,
        receivers: Sequence[str] = DEFAULT_RECEIVERS,
        frame_stack: int = 2,
        enemies: int = 4,
        picture: Picture = "grey",
        sound: Sound = "tones",
        pacifist: bool = False,
        legacy: bool = False,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        check_no_more(unknown, type(self))
        self.settings = Settings(modalities, receivers, frame_stack, enemies, picture, sound, pacifist, legacy)
        super().__init__(HyperhotSimulation(self.settings, 1), render_mode)

    def render_sound(self) -> npt.NDArray[np.float32]:
        """Return the sound of the last step for people, whatever the modalities: float32 (2, 1047) in stereo."""
        return self._simulation.audio(0)


class HyperhotVectorEnv(BatchedVectorEnv):
    """``num_envs`` games, advanced together; see ``HyperhotEnv`` for the world and ``BatchedVectorEnv`` for the rest.

    Args:
        num_envs: Number of games.
        modalities: As in ``HyperhotEnv``, like the other arguments that are not listed here.
        render_mode: ``"rgb_array"`` (one screen for each game) or None.
        max_episode_steps: Length of an episode in steps; None for episodes that only a win or a loss ends.
        autoreset_mode: A ``gymnasium.vector.AutoresetMode``, or its value as a string such as ``"SameStep"``.

    Raises:
        ValueError: An argument has a wrong value; the message names it.
        TypeError: An argument has a wrong type, or is unknown.
    """

    def __init__(
        self,
        num_envs: int = 1,
        modalities: Sequence[str] = MODALITIES,
        receivers: Sequence[str] = DEFAULT_RECEIVERS,
        frame_stack: int = 2,
        enemies: int = 4,
        picture: Picture = "grey",
        sound: Sound = "tones",
        pacifist: bool = False,
        legacy: bool = False,
        render_mode: str | None = None,
        max_episode_steps: int | None = EPISODE_STEPS,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **unknown: Any,
    ) -> None:
        check_no_more(unknown, type(self))
        self.settings = Settings(modalities, receivers, frame_stack, enemies, picture, sound, pacifist, legacy)
        count = check_integer("num_envs", num_envs, 1, MOST_ENVS)
        simulation = HyperhotSimulation(self.settings, count)
        self.games = simulation.games
        """The games; only to look at."""
        super().__init__(simulation, count, render_mode, max_episode_steps, autoreset_mode)
