"""Clips: picture and sound as MP4 (H.264 and AAC), GIF or WAV, written while they are made.

Letters: H x W pixels, C channels of sound (1 or 2), N samples.
"""

import itertools
import shutil
import tempfile
import wave
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anysense.common.extras import import_extra
from anysense.common.files import replace_file
from anysense.common.validation import check_names

__all__ = ["FORMATS", "NO_PICTURE", "Clip"]

FORMATS = ("mp4", "gif", "wav")
GIF_SIDE = 480
"""Longest side of a GIF; larger pictures are thinned out."""
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)

Picture = npt.NDArray[np.uint8]
Audio = npt.NDArray[np.float32]

NO_PICTURE: Picture = np.zeros((0, 0, 3), np.uint8)
"""Stands for the picture where a clip is sound alone."""


class Clip:
    """One clip in one or several formats; a clip that is not finished leaves no file.

    A file that is there already is kept: the name of the clip then ends in -2, -3 and so on.

    Args:
        stem: Path of the files without the ending.
        fps: Pictures per second.
        rate: Samples per second.
        formats: Some of ``FORMATS``.

    Raises:
        ModuleNotFoundError: PyAV, which writes MP4, is not installed; the message says how to install it.
        ValueError: An unknown format.
    """

    def __init__(self, stem: Path, fps: float, rate: int, formats: Sequence[str] = ("mp4",)) -> None:
        self.fps, self.rate = Fraction(fps).limit_denominator(1001), rate
        names = check_names("formats", formats, FORMATS)
        if "mp4" in names:
            require_video()
        self._stem, self._names = stem, names
        self._folder = tempfile.TemporaryDirectory(prefix="anysense-clip-")
        self._writers: dict[str, _Writer] | None = None
        self.pictures = self.samples = 0

    def add(self, picture: Picture, audio: Audio) -> None:
        """One picture (H, W, 3) and the sound that goes with it, (C, N) within -1 to 1.

        Sound that is shorter than the picture lasts is repeated, longer one cut, so that both stay together.
        """
        self.pictures += 1
        wanted = round(self.pictures * self.rate / self.fps) - self.samples
        self.samples += wanted
        channels = audio if len(audio) <= 2 else audio.mean(axis=0, keepdims=True)
        times = -(-wanted // channels.shape[1])
        fitted = np.clip(np.tile(channels, times)[:, :wanted], -1, 1).astype(np.float32)
        if self._writers is None:
            made: dict[str, type[_Writer]] = {"mp4": _Mp4, "gif": _Gif, "wav": _Wav}
            self._writers = {}
            for name in self._names:
                self._writers[name] = made[name](self._part(name), self.fps, self.rate, picture, len(fitted))
        for writer in self._writers.values():
            writer.add(picture, fitted)

    def finish(self) -> list[Path]:
        """Close the files; their paths, none where no picture was added."""
        found, paths = [], self._free()
        for name, writer in (self._writers or {}).items():
            writer.close()
            found.append(replace_file(paths[name], partial(shutil.copyfile, self._part(name))))
        self._writers = None
        self._folder.cleanup()
        return found

    def discard(self) -> None:
        """Leave no file of an unfinished clip."""
        for writer in (self._writers or {}).values():
            with suppress(Exception):  # it is thrown away
                writer.close()
        self._writers = None
        self._folder.cleanup()

    def _free(self) -> dict[str, Path]:
        """Path of the file of each format, with the first number that none of them has yet."""
        for number in itertools.count(1):
            stem = self._stem.name if number == 1 else f"{self._stem.name}-{number}"
            paths = {name: self._stem.with_name(f"{stem}.{name}") for name in self._names}
            if not any(path.exists() for path in paths.values()):
                break
        return paths

    def _part(self, name: str) -> Path:
        return Path(self._folder.name, name)


def require_video() -> Any:
    """PyAV; ModuleNotFoundError that says how to install it."""
    return import_extra("av", "video", "A clip with picture and sound")


class _Writer(Protocol):
    def __init__(self, path: Path, fps: Fraction, rate: int, picture: Picture, channels: int) -> None: ...

    def add(self, picture: Picture, audio: Audio) -> None: ...

    def close(self) -> None: ...


class _Mp4:
    def __init__(self, path: Path, fps: Fraction, rate: int, picture: Picture, channels: int) -> None:
        self._av = av = require_video()
        self._rate, self._layout = rate, "stereo" if channels == 2 else "mono"
        self._file = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._video = self._file.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "20"})
        self._video.height, self._video.width = (size + size % 2 for size in picture.shape[:2])
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.thread_count = 1
        heard = rate if rate in _AAC_RATES else 48_000
        self._audio = self._file.add_stream("aac", rate=heard, layout=self._layout)
        self._audio.bit_rate = 128_000
        self._pictures = self._samples = 0

    def add(self, picture: Picture, audio: Audio) -> None:
        even = np.pad(picture, [(0, size % 2) for size in picture.shape[:2]] + [(0, 0)], mode="edge")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame.pts, frame.time_base = self._pictures, 1 / self._video.average_rate
        self._file.mux(self._video.encode(frame))
        sound = self._av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout=self._layout)
        sound.sample_rate, sound.pts, sound.time_base = self._rate, self._samples, Fraction(1, self._rate)
        self._file.mux(self._audio.encode(sound))
        self._pictures, self._samples = self._pictures + 1, self._samples + audio.shape[1]

    def close(self) -> None:
        for stream in (self._video, self._audio):
            self._file.mux(stream.encode(None))
        self._file.close()


class _Gif:
    def __init__(self, path: Path, fps: Fraction, rate: int, picture: Picture, channels: int) -> None:
        self._path, self._milliseconds = path, float(1000 / fps)
        self._thinned = -(-max(picture.shape[:2]) // GIF_SIDE)
        self._frames: list[Any] = []

    def add(self, picture: Picture, audio: Audio) -> None:
        from PIL import Image

        thin = Image.fromarray(np.ascontiguousarray(picture)).reduce(self._thinned)
        self._frames.append(thin.quantize(128, dither=Image.Dither.NONE))

    def close(self) -> None:
        first, *others = self._frames
        ends = np.rint(np.arange(len(self._frames) + 1) * self._milliseconds / 10) * 10  # GIF counts hundredths
        lasting = np.diff(ends).astype(int).tolist()
        first.save(self._path, "GIF", save_all=True, append_images=others, duration=lasting, loop=0)


class _Wav:
    def __init__(self, path: Path, fps: Fraction, rate: int, picture: Picture, channels: int) -> None:
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 (closed in `close`)
        self._file.setparams((channels, 2, rate, 0, "NONE", ""))

    def add(self, picture: Picture, audio: Audio) -> None:
        self._file.writeframesraw(np.rint(audio.T * 32767).astype("<i2").tobytes())

    def close(self) -> None:
        self._file.close()
