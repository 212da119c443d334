"""What happens in the window as a clip with picture and sound."""

from pathlib import Path

import numpy as np

from anysense.envs.audio.clips import FORMATS, Clip
from anysense.runs.playing.sound import Audio
from anysense.runs.playing.view import Picture

__all__ = ["Film", "check_film"]


def check_film(path: Path) -> None:
    """Check where a clip shall go.

    Raises:
        ValueError: Its ending is not that of a format.
        FileExistsError: There is something already.
        FileNotFoundError: Its folder is missing.
    """
    if path.suffix not in {f".{name}" for name in FORMATS}:
        raise ValueError(f"`record` must end in {' or '.join(f'.{name}' for name in FORMATS)}; got `{path}`.")
    if path.exists():
        raise FileExistsError(f"`record`: `{path}` is there already; give another name, or remove it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`record`: there is no folder `{path.parent}`; make it first.")


class Film:
    """A clip of a game: one picture for each step, with its sound, at speed 1.

    Args:
        path: File, checked by `check_film`.
        fps: Steps per second.
        rate: Samples of audio per second.
    """

    def __init__(self, path: Path, fps: float, rate: int) -> None:
        self._clip = Clip(path.with_suffix(""), fps, rate, (path.suffix[1:],))
        self._silence = np.zeros((2, max(round(rate / fps), 1)), np.float32)
        self._shape: tuple[int, ...] | None = None

    def add(self, picture: Picture, audio: Audio | None) -> None:
        """A step; a window that has changed its size is fitted to what it was."""
        self._shape = self._shape or picture.shape
        if picture.shape != self._shape:
            from PIL import Image

            height, width, _ = self._shape
            picture = np.asarray(Image.fromarray(picture).resize((width, height)))
        self._clip.add(picture, self._silence if audio is None else audio)

    def finish(self) -> list[Path]:
        """Write the file; its path, none where nothing was shown."""
        return self._clip.finish()
