"""The multimodal pendulum as a Gymnasium environment."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.envs.audio.live import LiveSound
from anysense.envs.audio.recording import SAMPLE_RATE
from anysense.envs.audio.waveform import Timbre
from anysense.envs.batched import BatchedEnv
from anysense.envs.pendulum.drawing import FRONTS
from anysense.envs.pendulum.hearing import STEPS_PER_SECOND, Sound
from anysense.envs.pendulum.physics import MAX_TORQUE, FloatArray, Physics
from anysense.envs.pendulum.rendering import Loudspeaker, Renderer
from anysense.envs.pendulum.simulation import (
    DEFAULT_RECEIVERS,
    DEFAULT_SAMPLE_RATE,
    MODALITIES,
    Action,
    PendulumSettings,
    PendulumSimulation,
)
from anysense.envs.simulation import Observation
from anysense.envs.validation import check_no_more


class MultimodalPendulumEnv(BatchedEnv):
    """A pendulum that is seen and heard.

    A rod turns around one end, driven by a torque that is too weak to lift it at once; it has to be swung up and held
    upright. The agent gets no state: it sees pictures of the rod, and hears a tone of 440 Hz that the tip emits, as
    fixed receivers hear it, shifted by the Doppler effect and weaker with distance. Either modality is enough to act.

    Dynamics and reward are those of Gymnasium's ``Pendulum-v1``; sound and picture follow the multimodal pendulum of
    Silva et al., "Playing Games in the Dark: An Approach for Cross-Modality Transfer in Reinforcement Learning"
    (AAMAS 2020), and Poklukar et al., "Geometric Multimodal Contrastive Representation Learning" (ICML 2022).

    ## Action

    | entry | meaning | range | unit |
    |---|---|---|---|
    | 0 | torque, positive counter-clockwise; clipped to the range | -2 to 2 | N m |

    ``Box(-2, 2, (1,), float32)``, one action for 0.05 s. A NaN is refused with a ValueError.

    ## Observation

    A dictionary of the chosen modalities, each with the last ``frame_stack`` frames, oldest first. After a reset all
    frames are copies of the first one. The arrays are new at each step.

    | key | type and shape | content | range |
    |---|---|---|---|
    | ``"image"`` | uint8 (stack, 60, 60) | share of each pixel that the rod covers, row 0 on top | 0 to 255 |
    | ``"sound"`` | float32 (stack, receivers, 2) | [..., 0]: frequency in Hz | 314.29 to 733.33 |
    | | | [..., 1]: amplitude, 1 / squared distance in m^2 | 0.0592 to 0.6945, see below |
    | with ``sound="waveform"`` | float32 (stack, receivers, 800) | audio of the step that led to the frame | ±0.6945 |
    | with ``sound="mel"`` | float32 (stack, receivers, 5, 32) | dB of mel bands over that step | -50 to 34.06 |

    A pixel is 0.044 m wide; the picture shows 1.32 m around the pivot, the rod is 1 m long and 0.2 m wide. It is looked
    up in a table of 8192 angles: at most 3 grey levels from the exact picture. The sound is exact.

    | receivers | height, left of the pivot in m | amplitude |
    |---|---|---|
    | ``left_bottom``, ``left_top``, ``right_top``, ``right_bottom`` | ±2.2, ±2.2 | 0.0592 to 0.2244 |
    | ``left_middle``, ``right_middle`` | 0, ±2.2 | 0.0976 to 0.6945 |
    | ``middle_top``, ``middle_bottom`` | ±2.2, 0 | 0.0976 to 0.6945 |

    The space holds the exact range of each receiver, rounded outwards to float32. The frequency is
    440 * 20 / (20 - v) with the speed v of the tip towards the receiver in m/s (speed of sound 20 m/s).

    Audio has at the ends of a step the frequency and the amplitude of the tones; in between both change linearly, and
    the phase never jumps. The first frame is a step of steady tones from phase 0. Its range is that of the loudest
    receiver, for all receivers. The spectrogram has five columns a step; each is a Hann window of the 0.05 s before it,
    in librosa's mel bands: 32 from 250 to 1000 Hz, 10 log10 of the power, at least 1e-5.

    ## State

    ``info["state"]`` is a float64 copy of [theta, omega]: the angle in rad, 0 upright, positive counter-clockwise (to
    the left), not wrapped; the angular speed in rad/s, within ±8.

    ## Reward

    -(theta^2 + 0.1 omega^2 + 0.001 torque^2) with the state before the step and theta wrapped to [-pi, pi): from
    -16.2736044 (hanging, at full speed and torque) to 0 (upright and still).

    ## Start and end

    theta ~ U(-pi, pi), omega ~ U(-1, 1); ``reset(options={"state": [theta, omega]})`` starts from a given state.
    An episode never terminates; the registered environment truncates it after 300 steps.

    ## Arguments

    Args:
        modalities: Which modalities the observation has: ``("image", "sound")`` or one of them.
        receivers: Names of the receivers, in the order of the sound array.
        frame_stack: Number of frames in an observation, at least 1. The speed shows in the picture only from 2 on.
        physics: ``"gymnasium"`` moves the rod with the clipped speed; ``"gym-0.19"``, as published, clips after moving.
        antialias: Smooth pictures (True) or, as published, a mask of 0 and 255: pixels whose centre the rod covers.
        initial_steps: Torque-free steps after each random start, before the first observation; a pair (low, high)
            draws low, ..., high - 1 anew at each reset. Published: 1.
        sound: ``"tones"``, ``"waveform"`` or ``"mel"``; see above.
        timbre: What the source sounds like as audio: ``"sine"``, ``"square"`` (odd multiples of the frequency, 1/k) or
            ``"harmonics"`` (the first eight, 1/k); multiples that the sample rate cannot hold are left out.
        sample_rate: Samples of audio in a second: a multiple of 20 above twice the highest frequency.
        render_mode: ``"rgb_array"``: ``render`` returns a picture for people, with rod, receivers, torque and wave
            fronts. ``"human"``: a window, with live sound where there is an audio device;
            ``pip install "anysense[window]"``.

    Raises:
        ValueError: An argument has a wrong value; the message names it.
        TypeError: ``modalities`` or ``receivers`` is not a sequence of strings, or an argument is unknown.

    ## Example

    >>> import gymnasium, anysense.envs
    >>> env = gymnasium.make("anysense/MultimodalPendulum-v0", modalities=("image", "sound"))
    >>> observation, info = env.reset(seed=1)
    >>> observation["image"].shape, observation["sound"].shape
    ((2, 60, 60), (2, 3, 2))
    >>> observation, reward, terminated, truncated, info = env.step(env.action_space.sample())

    ## Version history

    * v0: first version.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (as the base class)
        "render_modes": ["human", "rgb_array"],
        "render_fps": STEPS_PER_SECOND,
    }

    def __init__(
        self,
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
        **unknown: Any,
    ) -> None:
        check_no_more(unknown, type(self))
        self.settings = PendulumSettings(
            modalities, receivers, frame_stack, physics, antialias, initial_steps, sound, timbre, sample_rate
        )
        super().__init__(PendulumSimulation(self.settings, 1), render_mode)
        self.metadata[SAMPLE_RATE] = self.settings.sample_rate
        self._renderer = Renderer(self.settings.receivers)
        self._loudspeaker: Loudspeaker | None = None
        self._live = LiveSound(self.settings.sample_rate)
        self._episode, self._step = -1, 0
        self._torque, self._earlier = 0.0, deque[FloatArray](maxlen=FRONTS)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a new episode.

        Args:
            seed: Seed of the environment's random generator; None goes on with the present one.
            options: ``{"state": [theta, omega]}`` starts exactly there (no random draw, no initial steps).

        Returns:
            The first observation and ``{"state": array([theta, omega])}``.

        Raises:
            ValueError: The seed or an option is wrong; the state must be finite and within ±8 rad/s.
            TypeError: The options are no dictionary.
        """
        first = super().reset(seed=seed, options=options)
        self._episode, self._step, self._torque = self._episode + 1, 0, 0.0
        self._earlier.clear()
        self._present()
        return first

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply a torque for 0.05 s.

        Args:
            action: Torque in N m, shape (1,), clipped to [-2, 2].

        Returns:
            Observation, reward, terminated (always False), truncated (always False: the time limit is a wrapper) and
            ``{"state": array([theta, omega])}``.

        Raises:
            ValueError: The action has another shape or is NaN.
            RuntimeError: The environment was never reset.
        """
        before = None if self.render_mode is None else self._simulation.state()[0]
        outcome = super().step(action)
        self._step += 1
        if before is not None:  # Only pictures show what was before.
            self._earlier.appendleft(before)
            self._torque = float(np.clip(action, -MAX_TORQUE, MAX_TORQUE).item())
            self._present()
        return outcome

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Return a picture for people, uint8 (480, 480, 3), or show it in a window in mode ``"human"``.

        Raises:
            ImportError: Mode ``"human"`` without pygame.
        """
        if self.render_mode is None:
            gym.logger.warn('`render` was called without a render mode; pass `render_mode="rgb_array"` to `make`.')
            return None
        earlier = np.reshape(self._earlier, (-1, 2))
        picture = self._renderer.draw(self._simulation.state()[0], self._torque, earlier)
        if self.render_mode == "rgb_array":
            return picture
        self._renderer.show(picture, self.metadata["render_fps"])
        return None

    def render_sound(self) -> npt.NDArray[np.float32]:
        """Return the sound of the last step for people: float32 (2, samples) in stereo, within -1 to 1.

        It is what the receivers hear, whatever the modalities: those on the left in the left channel, those on the
        right in the right one, others in both. Called after each reset and step, it goes on without clicks.

        Raises:
            RuntimeError: The environment was never reset.
        """
        if not self._started:
            raise RuntimeError("`render_sound` was called before the first `reset`; call `reset` to start an episode.")
        settings = self.settings
        if self._loudspeaker is None:
            self._loudspeaker = Loudspeaker(settings.receivers, settings.timbre, settings.sample_rate)
        return self._loudspeaker.play(self._simulation.state()[0], self._episode, self._step)

    def close(self) -> None:
        """Close the window and the audio device, if they are open."""
        self._live.close()
        self._renderer.close()

    def _present(self) -> None:
        """Show the picture and play the sound, in mode ``"human"``."""
        if self.render_mode == "human":
            self._live.play(self.render_sound())
            self.render()
