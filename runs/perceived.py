"""One modality drawn as it is perceived: the frames of a stack, or the last steps as traces or spectrograms.

Letters: H x W pixels, R rows (such as receivers), N numbers of a row, K columns of a spectrogram in a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anysense.envs.guide import Labels

if TYPE_CHECKING:
    from anysense.representations.modality import Modality

__all__ = ["BACK", "BOX", "FAINT", "SHOWN", "TEXT", "TRACES", "Perceived", "text_font"]

SHOWN = 60
"""Steps that are shown."""
MOST_TRACES = 24
"""Numbers of a row that are drawn as traces."""
MOST_FRAMES = 4
"""Frames of a stack that are drawn."""
BACK, BOX, TEXT, FAINT = (24, 26, 30), (44, 47, 53), (236, 236, 236), (150, 153, 160)
"""Colours: behind boxes, of a box without anything, of text, of text that matters less."""
TRACES = ((102, 204, 238), (238, 102, 119), (204, 187, 68), (68, 170, 153), (170, 119, 221), (240, 240, 240))
_LANE = (12, 13, 16)
_DARK, _MIDDLE, _BRIGHT = (20, 16, 40), (190, 60, 90), (255, 236, 150)
_GAP = 3
"""Pixels between two frames or rows."""
_BEFORE = "before the start"
_SMALL = 12
"""Height of the font in boxes."""

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@cache
def text_font(size: int) -> Any:
    """The font that Pillow brings, in a size."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


class Perceived:
    """What is perceived of one modality, step by step.

    Args:
        modality: What it looks like.
        labels: What its numbers are called.
    """

    def __init__(self, modality: Modality, labels: Labels | None = None) -> None:
        self._labels = labels or Labels()
        self._bounds = None if modality.low is None else modality.bounds()
        self._is_picture = modality.dtype == "uint8" and len(modality.shape) > 1
        self._columns: list[Any] = []

    @property
    def caption(self) -> str:
        """What the box shows, in a few words."""
        if not self._is_picture:
            return f"last {SHOWN} steps"
        count = 0 if not self._columns or self._columns[-1] is None else len(_frames(self._columns[-1]))
        return f"last {count} frames" if count > 1 else ""

    def add(self, value: Any, anew: bool) -> None:
        """The value of a step, None where it was not perceived; ``anew`` for the first one of an episode."""
        self._columns = [] if anew else self._columns[-SHOWN + 1 :]
        self._columns.append(self._kept(value))

    def correct(self, value: Any) -> None:
        """Take another value, or None, in the place of the last one."""
        self._columns[-1:] = [self._kept(value)]

    def draw(self, height: int, width: int) -> Picture:
        """The box, uint8 (height, width, 3); the newest is on the right. Plain where nothing is perceived now."""
        drawn = np.empty((height, width, 3), np.uint8)
        drawn[:] = BOX
        if not self._columns or self._columns[-1] is None:
            return drawn
        if self._is_picture:
            self._draw_frames(drawn)
            return drawn
        return self._draw_rows(drawn)

    def _kept(self, value: Any) -> Any:
        return value if value is None or self._is_picture else self._column(np.asarray(value))

    def _column(self, value: npt.NDArray[Any]) -> Floats:
        """Levels (R, bands, K) of spectrograms or of audio, else values (R, N) in 0 to 1; of a stack the newest."""
        number = value.astype(np.float64)
        if number.shape[-1] >= 256 and number.ndim <= 3:
            audio = number[-1] if number.ndim == 3 else np.atleast_2d(number)
            heard = np.abs(np.fft.rfft(audio * np.hanning(audio.shape[-1])))[:, :64]
            return np.asarray(np.clip((np.log10(heard + 1e-3) + 1) / 4, 0, 1))[:, ::-1, None]
        if self._bounds is not None:
            low, high = self._bounds
            number = np.clip((number - low) / (high - low), 0, 1)
        else:
            number = 0.5 + 0.5 * np.tanh(number)
        newest = number[-1] if number.ndim > 2 else number
        if newest.ndim == 3 and min(newest.shape[1:]) >= 4:
            return np.asarray(newest.swapaxes(1, 2)[:, ::-1])
        rows = len(newest) if newest.ndim > 1 and len(newest) == len(self._labels.rows) else 1
        return np.asarray(newest.reshape(rows, -1))

    def _draw_frames(self, drawn: Picture) -> None:
        """The frames of the stack side by side, as large as they fit; behind them is what is behind the box."""
        drawn[:] = BACK
        height, width, _ = drawn.shape
        frames = _frames(self._columns[-1])
        room = (width - _GAP * (len(frames) - 1)) / len(frames)
        scale = min(height / frames[0].shape[0], room / frames[0].shape[1])
        rows, columns = (np.arange(max(int(size * scale), 1)) / scale for size in frames[0].shape[:2])
        for number, frame in enumerate(frames):
            left = number * (len(columns) + _GAP)
            drawn[: len(rows), left : left + len(columns)] = frame[rows.astype(int)][:, columns.astype(int)]

    def _draw_rows(self, drawn: Picture) -> Picture:
        """A lane for each row, with its name."""
        from PIL import Image, ImageDraw

        height, width, _ = drawn.shape
        count = len(self._columns[-1])
        edges = np.linspace(0, height + _GAP, count + 1).astype(int)
        image = Image.fromarray(drawn)
        for row, (top, bottom) in enumerate(zip(edges[:-1], edges[1:] - _GAP, strict=True)):
            lane = np.empty((max(bottom - top, 1), width, 3), np.uint8)
            lane[:] = BACK
            image.paste(Image.fromarray(self._draw_lane(lane, row)), (0, int(top)))
            if len(self._labels.rows) == count:
                _write(ImageDraw.Draw(image), (4, int(top) + 1), self._labels.rows[row], TEXT)
        draw = ImageDraw.Draw(image)
        free = round(width - len(self._columns) * width / SHOWN) - 8
        if free > draw.textlength(_BEFORE, text_font(_SMALL)):
            draw.text((free, height // 2), _BEFORE, FAINT, text_font(_SMALL), anchor="rm")
        if self._columns[-1].ndim == 2:
            self._write_legend(draw, width)
        return np.array(image)

    def _write_legend(self, draw: Any, width: int) -> None:
        """Names of the traces by colour, and how many there are of each."""
        right, numbers = width - 4, self._columns[-1].shape[-1]
        each = min(numbers, MOST_TRACES) // max(len(self._labels.values), 1)
        for number, name in reversed(list(enumerate(self._labels.values))):
            text = f"{name} x {each}" if each > 1 else name
            right -= round(draw.textlength(text, text_font(_SMALL))) + 8
            _write(draw, (right, 1), text, TRACES[number % len(TRACES)])

    def _draw_lane(self, lane: Picture, row: int) -> Picture:
        """The steps of a row; time before the episode is as dark as what is behind, time without perception grey."""
        width = lane.shape[1]
        edges = width - np.arange(len(self._columns), -1, -1) * width / SHOWN
        for column, (left, right) in zip(self._columns, pairwise(edges), strict=True):
            lane[:, round(left) : round(right)] = BOX if column is None else _LANE
        if self._columns[-1].ndim == 3:
            for column, (left, right) in zip(self._columns, pairwise(edges), strict=True):
                if column is not None:
                    _draw_levels(lane[:, round(left) : round(right)], column[row])
            return lane
        return self._draw_traces(lane, row, edges)

    def _draw_traces(self, lane: Picture, row: int, edges: Floats) -> Picture:
        from PIL import Image, ImageDraw

        image = Image.fromarray(lane)
        draw = ImageDraw.Draw(image)
        for run in _runs(self._columns):
            values = np.array([self._columns[step][row] for step in run])
            count = min(values.shape[1], MOST_TRACES)
            for number in range(count):
                rows = 2 + (1 - values[:, number]) * (len(lane) - 5)
                points = np.stack([edges[run], rows], axis=1).ravel().tolist()
                colours = len(self._labels.values) or len(TRACES)
                colour = TRACES[number % colours % len(TRACES)]
                draw.line([*points, edges[run[-1] + 1], points[-1]], colour, 2 if count <= len(TRACES) else 1)
        return np.array(image)


def _draw_levels(place: Picture, levels: Floats) -> None:
    """Levels (bands, K) into a place."""
    rows = np.arange(place.shape[0]) * len(levels) // place.shape[0]
    columns = np.arange(place.shape[1]) * levels.shape[1] // max(place.shape[1], 1)
    values = levels[rows][:, columns][..., None]
    low, high = np.minimum(2 * values, 1), np.maximum(2 * values - 1, 0)
    colours = np.array(_DARK) * (1 - low) + np.array(_MIDDLE) * (low - high) + np.array(_BRIGHT) * high
    place[:] = colours.astype(np.uint8)


def _runs(columns: Sequence[Any]) -> list[list[int]]:
    """Steps that follow each other in which something was perceived."""
    runs: list[list[int]] = []
    for step, column in enumerate(columns):
        if column is not None:
            if runs and runs[-1][-1] == step - 1:
                runs[-1].append(step)
            else:
                runs.append([step])
    return runs


def _write(draw: Any, place: tuple[int, int], text: str, colour: tuple[int, int, int]) -> None:
    """Text on a dark ground of its own, so that it can be read on anything."""
    font = text_font(_SMALL)
    left, top, right, bottom = draw.textbbox(place, text, font)
    draw.rectangle((left - 2, top - 1, right + 2, bottom + 1), _LANE)
    draw.text(place, text, colour, font)


def _frames(value: Any) -> list[Picture]:
    """The newest pictures of a stack as (H, W, 3), oldest first."""
    array = np.asarray(value)
    if array.ndim == 4:
        return [_coloured(frame) for frame in array[-MOST_FRAMES:]]
    if array.ndim == 2 or array.shape[-1] in (1, 3, 4) or len(array) == 3:
        return [_coloured(array)]
    if len(array) % 3 == 0 and len(array) < min(array.shape[1:]):  # colours of each frame of a stack
        return [_coloured(frame) for frame in np.split(array, len(array) // 3)[-MOST_FRAMES:]]
    return [_coloured(frame) for frame in array[-MOST_FRAMES:]]


def _coloured(picture: npt.NDArray[Any]) -> Picture:
    """(H, W), (H, W, 1 to 4) or (3, H, W) as (H, W, 3)."""
    if picture.ndim == 2:
        picture = picture[..., None]
    elif picture.shape[-1] not in (1, 3, 4):
        picture = np.moveaxis(picture, 0, -1)
    colours = picture[..., :3] if picture.shape[-1] >= 3 else picture[..., :1]
    return np.asarray(np.broadcast_to(colours, (*colours.shape[:2], 3)), np.uint8)
