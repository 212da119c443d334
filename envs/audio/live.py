"""Sound that is heard at once, through pygame's mixer, where there is an audio device."""

from typing import Any

import numpy as np
import numpy.typing as npt

from anysense.common.native_output import quiet_libraries

__all__ = ["LiveSound"]


class LiveSound:
    """Plays the sound of steps one after the other; silent, without an error, where that is not possible.

    Args:
        rate: Samples per second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._mixer: Any = None
        self._channel: Any = None
        self._tried = False
        self.silent_because = ""
        """Why nothing is heard; empty where something is, or nothing was played yet."""

    def play(self, audio: npt.NDArray[np.float32]) -> None:
        """Play audio (2, samples) within -1 to 1 after what is playing."""
        if not self._tried:
            self._tried = True
            self._open()
        if self._channel is None:
            return
        samples = np.rint(np.clip(audio.T, -1, 1) * 32767).astype(np.int16).tobytes()
        self._channel.queue(self._mixer.Sound(buffer=samples))  # plays at once if nothing is playing

    def close(self) -> None:
        """Give the audio device back."""
        if self._channel is not None:
            self._mixer.quit()
        self._mixer = self._channel = None
        self._tried = False

    def _open(self) -> None:
        """Open the audio device, unless the program plays something of its own or there is none."""
        try:
            from pygame import mixer

            if mixer.get_init() is None:
                with quiet_libraries():
                    mixer.init(self._rate, -16, 2, buffer=512, allowedchanges=0)
                self._mixer, self._channel = mixer, mixer.Channel(0)
                self.silent_because = ""
            else:
                self.silent_because = "the program plays something of its own"
        except Exception as error:  # Whatever is wrong with the sound, the window goes on.
            self._mixer = self._channel = None
            self.silent_because = f"there is no audio device ({str(error).rstrip('.') or type(error).__name__})"
