"""What a world sounds like while somebody plays: two channels at the pace of the window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.common.progress import say
from anysense.envs.audio.live import LiveSound
from anysense.envs.audio.recording import SAMPLE_RATE, audio_of

__all__ = ["Listening", "at_pace", "heard", "sample_rate", "stereo"]

SILENT_RATE = 16_000
"""Samples per second of silence."""
Audio = npt.NDArray[np.float32]


def heard(env: Any, observation: Any, info: Mapping[str, Any]) -> Audio | None:
    """The sound of the last step as two channels, float32 (2, samples); None where the world has none."""
    found = audio_of(env, observation, info)
    return None if found is None else stereo(found)


def stereo(audio: Audio) -> Audio:
    """Two channels of one, of two as they are, of more their mean on both sides."""
    return audio if len(audio) == 2 else np.repeat(audio.mean(axis=0, keepdims=True, dtype=np.float32), 2, axis=0)


def sample_rate(env: Any, audio: Audio | None, fps: float) -> int:
    """Samples per second: what the environment says, else as many as let the sound of a step last as long as it."""
    said = (env.metadata or {}).get(SAMPLE_RATE)
    return int(said or (SILENT_RATE if audio is None else round(audio.shape[1] * fps)))


def at_pace(audio: Audio, rate: int, seconds: float) -> Audio:
    """The same sound as if a tape ran faster or slower: it lasts ``seconds``, its pitch changes with it."""
    wanted = max(round(rate * seconds), 1)
    if wanted == audio.shape[1]:
        return audio
    places = (np.arange(wanted) + 0.5) * audio.shape[1] / wanted - 0.5
    return np.stack([np.interp(places, np.arange(audio.shape[1]), channel) for channel in audio]).astype(np.float32)


class Listening:
    """Plays the sound of steps; says once, in a line, why nothing can be heard.

    Args:
        rate: Samples per second.
    """

    def __init__(self, rate: int) -> None:
        self._rate, self._live, self._said = rate, LiveSound(rate), False

    def play(self, audio: Audio | None, seconds: float) -> None:
        """Let the sound of a step (2, samples) last ``seconds``."""
        if audio is None:
            self._say("the environment makes none")
            return
        self._live.play(at_pace(audio, self._rate, seconds))
        if self._live.silent_because:
            self._say(self._live.silent_because)

    def close(self) -> None:
        """Give the audio device back."""
        self._live.close()

    def _say(self, reason: str) -> None:
        if not self._said:
            self._said = True
            say(f"No sound: {reason}.")
