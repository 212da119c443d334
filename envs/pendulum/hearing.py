"""What the sound of a frame is: tones, audio, or a spectrogram of it.

Letters: B pendulums, R receivers, N samples of a step, K pendulums that start anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_choice
from anysense.envs.audio.mel import BANDS, COLUMNS, HIGHEST, MelSpectrogram
from anysense.envs.audio.waveform import Rows, Timbre, Voices, check_sample_rate, wave_table
from anysense.envs.pendulum.acoustics import doppler_frequency, hear, receiver_positions, sound_bounds
from anysense.envs.pendulum.physics import LENGTH, MAX_SPEED, TIME_STEP, FloatArray
from anysense.envs.validation import check_array

__all__ = ["STEPS_PER_SECOND", "Hearing", "Sound", "check_audio", "hearing", "voices"]

Sound = Literal["tones", "waveform", "mel"]
Frame = npt.NDArray[np.float32]

STEPS_PER_SECOND = round(1 / TIME_STEP)
HIGHEST_TONE = float(doppler_frequency(MAX_SPEED * LENGTH))
"""Highest frequency in Hz that a receiver hears."""
_ROOM = 1.0 + 2.0**-20
"""Factor on the largest amplitude that holds its rounding to float32."""


class Hearing(ABC):
    """The sound of the newest frame of B pendulums.

    Args:
        receivers: Names of the R receivers.
        count: B.
    """

    frame_shape: tuple[int, ...]

    def __init__(self, receivers: Sequence[str], count: int) -> None:
        self.receivers, self.count = receivers, count
        self.positions = receiver_positions(receivers)

    @abstractmethod
    def bounds(self) -> tuple[Any, Any]:
        """Smallest and largest values of a frame: numbers, or arrays of its shape."""

    @abstractmethod
    def start(self, rows: Rows, tones: FloatArray) -> Frame:
        """The first frame of pendulums that start anew, (K, *frame_shape), from their tones (K, R, 2)."""

    @abstractmethod
    def advance(self, tones: FloatArray) -> Frame:
        """The next frame of all pendulums, (B, *frame_shape), from their tones (B, R, 2)."""

    def tones(self, theta: FloatArray, omega: FloatArray) -> FloatArray:
        """Frequency in Hz and amplitude at each receiver, (B, R, 2)."""
        return hear(theta, omega, self.positions)

    def space(self, stack: int) -> gym.spaces.Box:
        """Space of ``stack`` frames."""
        low, high = (
            np.broadcast_to(np.asarray(bound, np.float32), (stack, *self.frame_shape)) for bound in self.bounds()
        )
        return gym.spaces.Box(low, high, dtype=np.float32)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that the next frames depend on beside the present state."""
        return {}

    def load(self, state: Mapping[str, npt.NDArray[Any]], tones: FloatArray) -> None:  # noqa: B027 (nothing to do)
        """Take over what `state` gave and the present tones (B, R, 2)."""


class Tones(Hearing):
    """Frequency in Hz and amplitude of each receiver, (R, 2)."""

    def __init__(self, receivers: Sequence[str], count: int) -> None:
        super().__init__(receivers, count)
        self.frame_shape = (len(receivers), 2)

    def bounds(self) -> tuple[Any, Any]:
        """Exact for each receiver."""
        return sound_bounds(self.receivers)

    def start(self, rows: Rows, tones: FloatArray) -> Frame:
        """The tones."""
        return tones.astype(np.float32)

    def advance(self, tones: FloatArray) -> Frame:
        """The tones."""
        return tones.astype(np.float32)


class Waveform(Hearing):
    """Audio of the step that led to the frame, (R, N); at the start steady tones."""

    def __init__(self, receivers: Sequence[str], count: int, timbre: Timbre, rate: int) -> None:
        super().__init__(receivers, count)
        self.voices = voices(receivers, count, timbre, rate)
        self.frame_shape = (len(receivers), self.voices.samples)
        self.loudest = float(sound_bounds(receivers)[1][:, 1].max()) * _ROOM

    def bounds(self) -> tuple[Any, Any]:
        """One range for all receivers: that of the loudest."""
        return -self.loudest, self.loudest

    def start(self, rows: Rows, tones: FloatArray) -> Frame:
        """A step of steady tones, from phase 0."""
        return self.voices.start(rows, tones)

    def advance(self, tones: FloatArray) -> Frame:
        """The step from the tones before to these."""
        return self.voices.advance(tones)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The phases."""
        return {"phases": self.voices.phase.copy()}

    def load(self, state: Mapping[str, npt.NDArray[Any]], tones: FloatArray) -> None:
        """Phases must lie in 0 to 1."""
        self.voices.phase = check_array("state['phases']", state["phases"], self.voices.phase, 0, 1)
        self.voices.tones = tones


class Mel(Waveform):
    """Levels in dB of the mel bands over the step that led to the frame, (R, columns, bands)."""

    def __init__(self, receivers: Sequence[str], count: int, timbre: Timbre, rate: int) -> None:
        super().__init__(receivers, count, timbre, rate)
        self.spectrogram = MelSpectrogram(rate, self.voices.samples)
        self.last = np.zeros((count, *self.frame_shape), np.float32)
        self.frame_shape = (len(receivers), COLUMNS, BANDS)

    def bounds(self) -> tuple[Any, Any]:
        """One range for all receivers and bands."""
        return self.spectrogram.low, self.spectrogram.highest(self.loudest)

    def start(self, rows: Rows, tones: FloatArray) -> Frame:
        """Levels of steady tones."""
        now = self.last[rows] = self.voices.start(rows, tones)
        return self.spectrogram(self.voices.lead_in(tones), now)

    def advance(self, tones: FloatArray) -> Frame:
        """Levels over the step from the tones before to these."""
        before, self.last = self.last, self.voices.advance(tones)
        return self.spectrogram(before, self.last)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The phases, and the audio of the last step."""
        return {**super().state(), "audio": self.last.copy()}

    def load(self, state: Mapping[str, npt.NDArray[Any]], tones: FloatArray) -> None:
        """Phases must lie in 0 to 1, the audio in its bounds."""
        audio = check_array("state['audio']", state["audio"], self.last, *super().bounds())
        super().load(state, tones)
        self.last = audio


def hearing(sound: Sound, receivers: Sequence[str], count: int, timbre: Timbre, rate: int) -> Hearing:
    """The hearing of an observation; arguments as in `MultimodalPendulumEnv`, checked before."""
    if sound == "tones":
        return Tones(receivers, count)
    return (Waveform if sound == "waveform" else Mel)(receivers, count, timbre, rate)


def voices(receivers: Sequence[str], count: int, timbre: Timbre, rate: int) -> Voices:
    """The voices that the receivers of ``count`` pendulums hear, without a tone yet."""
    table = wave_table(timbre, HIGHEST_TONE, rate)
    return Voices(count, len(receivers), table, rate, rate // STEPS_PER_SECOND)


def check_audio(sound: str, timbre: Timbre, rate: int) -> int:
    """The sample rate if it fits sound and timbre; ValueError if not, or if one of them is unknown."""
    check_choice("sound", sound, get_args(Sound))
    highest = max(HIGHEST_TONE, HIGHEST) if sound == "mel" else HIGHEST_TONE
    return check_sample_rate(rate, STEPS_PER_SECOND, timbre, highest)
