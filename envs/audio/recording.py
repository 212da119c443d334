"""A wrapper that records episodes with picture and sound, for any environment that renders frames and gives audio."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import RecordConstructorArgs

from anysense.common.files import check_folder
from anysense.common.validation import check_integer, check_names, check_range
from anysense.envs.audio.clips import FORMATS, NO_PICTURE, Clip, require_video
from anysense.envs.audio.waveform import MAX_SAMPLE_RATE

__all__ = ["SAMPLE_RATE", "RecordVideoWithSound", "as_audio", "audio_of"]

SAMPLE_RATE = "render_sample_rate"
"""Entry of an environment's metadata: samples per second of what ``render_sound`` returns."""
SHORTEST = 64
"""Fewer samples are no audio."""
LOUDEST = 1 + 1e-4
"""What rounding may leave of a loudness of 1."""
Audio = npt.NDArray[np.float32]


class RecordVideoWithSound(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Records whole episodes as clips with picture and sound, ``FOLDER/episode-0.mp4`` and the like.

    The sound of a step is the first of these that the environment has: what ``render_sound()`` returns (a method of
    the environment, like ``render``: float32 (channels, samples) within -1 to 1), the entry ``sound`` or ``audio`` of
    the observation where it is a waveform, and the entry ``sound`` or ``audio`` of ``info``. Waveforms may be
    (samples,), (channels, samples), (samples, channels) or a stack of frames (stack, channels, samples), of floats, or
    of whole numbers over the range of their type. More than two channels become one. Floats beyond -1 to 1 are cut
    there, with one warning; NaN and infinity are refused. A file that is there already is kept: the name of the new one
    ends in -2, -3 and so on.

    >>> import gymnasium, anysense.envs
    >>> env = gymnasium.make("anysense/MultimodalPendulum-v0", render_mode="rgb_array")
    >>> env = anysense.envs.RecordVideoWithSound(env, "clips")  # doctest: +SKIP
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        folder: str | Path,
        episode_trigger: Callable[[int], bool] | None = None,
        name: str = "episode-{}",
        formats: Sequence[str] = ("mp4",),
        fps: float | None = None,
        sound: str | Callable[[Any, Mapping[str, Any]], Any] | None = None,
        sample_rate: int | None = None,
    ) -> None:
        """Wraps ``env``.

        Args:
            env: Environment made with ``render_mode="rgb_array"``; any environment if ``wav`` is the only format.
            folder: Where the clips go; it is made when the first one is written.
            episode_trigger: Which episodes, counted from 0, are recorded; all by default.
            name: Names of the files without ending; ``{}`` stands for the number of the episode.
            formats: ``mp4`` (H.264 and AAC, needs ``pip install 'anysense[video]'``), ``gif``, ``wav``.
            fps: Pictures per second; what ``metadata["render_fps"]`` says by default, else 30.
            sound: Entry of the observation, or a function of observation and info; found as above by default.
            sample_rate: Samples per second; what ``metadata["render_sample_rate"]`` says by default, else as many as
                let the sound of a step last as long as its picture. Sound that is shorter than that is repeated.

        Raises:
            OSError: No files can be written into the folder.
            ValueError: The environment renders no frames, or an argument is wrong.
            ModuleNotFoundError: PyAV is not installed; the message says how to install it.
        """
        RecordConstructorArgs.__init__(
            self, folder=folder, episode_trigger=episode_trigger, name=name, formats=formats, fps=fps, sound=sound,
            sample_rate=sample_rate,
        )  # fmt: skip
        super().__init__(env)
        self._formats = check_names("formats", formats, FORMATS)
        self._seen, self._audible = self._formats != ("wav",), self._formats != ("gif",)
        if self._seen and env.render_mode != "rgb_array":
            raise ValueError(
                f"`env` must be made with render_mode='rgb_array', or `formats` be ('wav',); got {env.render_mode!r}."
            )
        self._name, self._sound = name, sound
        self._wanted = episode_trigger or (lambda _: True)
        metadata = getattr(env, "metadata", None) or {}
        self.fps = check_range("fps", fps or metadata.get("render_fps") or 30, 0, 1000, ends="(]")
        self._rate = sample_rate or metadata.get(SAMPLE_RATE)
        if self._rate is not None:
            check_integer("sample_rate", self._rate, 1, MAX_SAMPLE_RATE)
        if "mp4" in self._formats:
            require_video()
        self._folder = check_folder(folder)
        self._warned = False
        self.episode = -1
        self.paths: list[Path] = []
        """Files that were written so far."""
        self._clip: Clip | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode, and its clip."""
        self.finish()
        observation, info = self.env.reset(seed=seed, options=options)
        self.episode += 1
        if self._wanted(self.episode):
            self._add(observation, info)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps, and records what is seen and heard."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._clip is not None:
            self._add(observation, info)
            if terminated or truncated:
                self.finish()
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Finishes the clip of an episode that has not ended."""
        self.finish()
        super().close()

    def finish(self) -> None:
        """Ends the clip of the present episode here, if there is one."""
        if self._clip is not None:
            self.paths += self._clip.finish()
            self._clip = None

    def discard(self) -> None:
        """Throws away what was recorded of the present episode."""
        if self._clip is not None:
            self._clip.discard()
            self._clip = None

    def _add(self, observation: Any, info: Mapping[str, Any]) -> None:
        picture: Any = self.env.render() if self._seen else NO_PICTURE
        audio = self._within(self._heard(observation, info)) if self._audible else np.zeros((1, SHORTEST), np.float32)
        if self._clip is None:
            rate = self._rate or min(round(audio.shape[1] * self.fps), MAX_SAMPLE_RATE)
            self._clip = Clip(self._folder / self._name.replace("{}", str(self.episode)), self.fps, rate, self._formats)
        try:
            self._clip.add(np.asarray(picture, np.uint8), audio)
        except BaseException:
            self.discard()
            raise

    def _heard(self, observation: Any, info: Mapping[str, Any]) -> Audio:
        if callable(self._sound):
            return _unlimited(self._sound(observation, info), "`sound`")
        audio = audio_of(self.env, observation, info, self._sound)
        if audio is None:
            named = "'sound' or 'audio'" if self._sound is None else repr(self._sound)
            raise ValueError(
                f"`env` gives no audio: it has no method `render_sound`, and neither observation nor info has a "
                f"waveform called {named}. Say where the sound is with `sound`."
            )
        return audio

    def _within(self, audio: Audio) -> Audio:
        peak = float(np.abs(audio).max())
        if peak > LOUDEST and not self._warned:
            self._warned = True
            gym.logger.warn(f"the sound of `env` reaches {peak:.3g}; it is cut at -1 and 1. Make it quieter.")
        return audio.clip(-1, 1)


def audio_of(
    env: gym.Env[Any, Any], observation: Any, info: Mapping[str, Any], name: str | None = None
) -> Audio | None:
    """The audio of the last step, float32 (channels, samples), found as `RecordVideoWithSound` says; None for none.

    It is as loud as the environment gives it, which may be beyond -1 to 1.

    Args:
        env: The environment.
        observation: Its last observation.
        info: What came with it.
        name: Entry of observation or info; None: ``render_sound()``, else ``sound`` or ``audio``.
    """
    if name is None and env.has_wrapper_attr("render_sound"):
        return _unlimited(env.get_wrapper_attr("render_sound")(), "`render_sound()`")
    entries = observation if isinstance(observation, Mapping) else {}
    for where, place in (("observation", entries), ("info", info)):
        for entry in ("sound", "audio") if name is None else (name,):
            if entry in place and _is_waveform(place[entry]):
                return _unlimited(place[entry], f"`{where}[{entry!r}]`")
    return None


def as_audio(values: Any) -> Audio:
    """A waveform in one of the usual forms as float32 (channels, samples), cut at -1 and 1; of a stack the newest.

    Raises:
        ValueError: It is none, or holds NaN or infinity.
    """
    return _unlimited(values, "sound").clip(-1, 1)


def _unlimited(values: Any, name: str) -> Audio:
    """The same, as loud as it is given; ``name`` is what messages call it."""
    array = np.asarray(values)
    if not _is_waveform(array):
        raise ValueError(
            f"{name} must be a waveform, (samples,), (channels, samples) or a stack of such, with at least {SHORTEST} "
            f"samples; got shape {array.shape} of {array.dtype}."
        )
    frame: npt.NDArray[Any] = np.atleast_2d(array[-1] if array.ndim == 3 else array)
    frame = frame.T if frame.shape[0] > frame.shape[1] else frame
    if frame.dtype.kind == "f":
        wrong = int((~np.isfinite(frame)).sum())
        if wrong:
            raise ValueError(
                f"{name} must be finite, within -1 to 1; {wrong} of {frame.size} samples are NaN or infinite."
            )
        return frame.astype(np.float32)
    limits = np.iinfo(frame.dtype)
    middle, half = (limits.max + limits.min + 1) / 2, (float(limits.max) - limits.min + 1) / 2
    still = frame.min() == frame.max()  # silence, whatever the number
    return np.zeros(frame.shape, np.float32) if still else ((frame - middle) / half).astype(np.float32)


def _is_waveform(values: Any) -> bool:
    array = np.asarray(values)
    return array.ndim in (1, 2, 3) and array.dtype.kind in "fiu" and max(array.shape[-2:]) >= SHORTEST
