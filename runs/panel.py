"""What an agent perceives, drawn beside the picture of its environment.

Letters: H x W pixels, T steps that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from anysense.representations.modality import Modality

__all__ = ["WithPanel"]

WIDTH = 320
"""Pixels of the panel from left to right."""
SMALLEST = 360
"""A lower picture is enlarged by a whole number."""
SHOWN = 60
"""T."""
MOST_TRACES = 24
"""Numbers of a modality that are drawn as traces."""
MARGIN, LINE = 12, 24
"""Pixels around boxes, and from one line of text to the next."""
_BACK, _BOX, _TEXT, _FAINT = (24, 26, 30), (44, 47, 53), (236, 236, 236), (140, 143, 150)
_TRACES = ((102, 204, 238), (238, 102, 119), (204, 187, 68), (68, 170, 153), (170, 119, 221), (240, 240, 240))
_DARK, _MIDDLE, _BRIGHT = (20, 16, 40), (190, 60, 90), (255, 236, 150)

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


class WithPanel(gym.Wrapper[Any, Any, Any, Any]):
    """Renders the environment with a panel: each modality of an agent as it perceives it, and how it is doing.

    Args:
        env: Environment that renders frames, and whose observation holds the modalities.
        modalities: All modalities that the agent knows.
        given: Names of those that it has; the others are shown as missing.
        title: First line of the panel.
    """

    def __init__(
        self, env: gym.Env[Any, Any], modalities: Mapping[str, Modality], given: Sequence[str], title: str
    ) -> None:
        super().__init__(env)
        self._boxes = {name: _Box(modality, name in given) for name, modality in modalities.items()}
        self._title = title
        self._lines: list[str] = []
        self._steps, self._return = 0, 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._steps, self._return = 0, 0.0
        self._perceive(observation, "action -")
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._steps, self._return = self._steps + 1, self._return + float(reward)
        numbers = " ".join(f"{number:+.2f}" if np.ndim(action) else f"{number}" for number in np.ravel(action)[:4])
        self._perceive(observation, f"action {numbers}")
        return observation, reward, terminated, truncated, info

    def render(self) -> Any:
        """The picture of the environment with the panel on its right, uint8 (H, W, 3)."""
        from PIL import Image, ImageDraw, ImageFont

        picture: Any = self.env.render()
        picture = np.asarray(picture, np.uint8)
        picture = np.kron(picture, np.ones((-(-SMALLEST // len(picture)),) * 2 + (1,), np.uint8))
        panel = Image.new("RGB", (WIDTH, len(picture)), _BACK)
        draw, font = ImageDraw.Draw(panel), ImageFont.load_default(16)
        draw.text((MARGIN, 6), self._title, _TEXT, font)
        top, bottom = LINE + MARGIN, len(picture) - LINE * len(self._lines) - MARGIN
        each = (bottom - top) // len(self._boxes)
        for number, (name, box) in enumerate(self._boxes.items()):
            place = top + number * each
            word = "perceived" if box.given else "missing"
            draw.text((MARGIN, place), f"{name}: {word}", _TEXT if box.given else _FAINT, font)
            drawn = box.draw(each - LINE - MARGIN, WIDTH - 2 * MARGIN)
            panel.paste(Image.fromarray(drawn), (MARGIN, place + LINE))
        for number, line in enumerate(self._lines):
            draw.text((MARGIN, bottom + MARGIN // 2 + number * LINE), line, _TEXT, font)
        return np.concatenate([picture, np.asarray(panel)], axis=1)

    def _perceive(self, observation: Mapping[str, Any], action: str) -> None:
        for name, box in self._boxes.items():
            box.add(np.asarray(observation[name]), anew=self._steps == 0)
        self._lines = [
            f"step {self._steps}   {action}",
            f"average reward {self._return / max(self._steps, 1):.2f}   return {self._return:.1f}",
        ]


class _Box:
    """One modality: the newest picture, or the last steps of what it measures as traces or as a spectrogram."""

    def __init__(self, modality: Modality, given: bool) -> None:
        self.given = given
        self._bounds = None if modality.low is None else modality.bounds()
        self._picture = modality.dtype == "uint8" and len(modality.shape) > 1
        self._columns: list[Any] = []

    def add(self, value: npt.NDArray[Any], anew: bool) -> None:
        self._columns = [] if anew else self._columns[-SHOWN + 1 :]
        self._columns.append(value if self._picture else self._column(value))

    def draw(self, height: int, width: int) -> Picture:
        """The box, uint8 (height, width, 3)."""
        drawn = np.empty((height, width, 3), np.uint8)
        drawn[:] = _BOX
        if self.given and self._picture:
            frame = _frame(self._columns[-1])
            scale = min(height / frame.shape[0], width / frame.shape[1])
            rows, columns = (np.arange(int(size * scale)) / scale for size in frame.shape[:2])
            drawn[: len(rows), : len(columns)] = frame[rows.astype(int)][:, columns.astype(int)]
        elif self.given and self._columns[-1].ndim == 2:
            self._draw_levels(drawn)
        elif self.given:
            return self._draw_traces(drawn)
        return drawn

    def _column(self, value: npt.NDArray[Any]) -> Floats:
        """Levels (bands, columns) of a spectrogram or of audio, else values in 0 to 1; of a stack the newest."""
        number = value.astype(np.float64)
        if number.shape[-1] >= 256 and number.ndim <= 3:
            audio = number.reshape(-1, number.shape[-1])[-1]
            heard = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))[:64]
            return np.asarray(np.clip((np.log10(heard + 1e-3) + 1) / 4, 0, 1))[::-1, None]
        if self._bounds is not None:
            low, high = self._bounds
            number = np.clip((number - low) / (high - low), 0, 1)
        else:
            number = 0.5 + 0.5 * np.tanh(number)
        newest = number[-1] if number.ndim > 2 else number
        if newest.ndim == 3 and min(newest.shape[1:]) >= 4:
            return np.concatenate([levels.T[::-1] for levels in newest])
        return np.asarray(newest.ravel())

    def _draw_levels(self, drawn: Picture) -> None:
        height, width, _ = drawn.shape
        levels = np.concatenate(self._columns, axis=1)
        shown = SHOWN * self._columns[-1].shape[1]
        rows = np.arange(height) * len(levels) // height
        columns = np.arange(width) * shown // width
        columns = columns[columns < levels.shape[1]]
        values = levels[rows][:, columns][..., None]
        low, high = np.minimum(2 * values, 1), np.maximum(2 * values - 1, 0)
        colours = np.array(_DARK) * (1 - low) + np.array(_MIDDLE) * (low - high) + np.array(_BRIGHT) * high
        drawn[:, : len(columns)] = colours.astype(np.uint8)

    def _draw_traces(self, drawn: Picture) -> Picture:
        from PIL import Image, ImageDraw

        height, width, _ = drawn.shape
        image, values = Image.fromarray(drawn), np.array(self._columns)
        draw, places = ImageDraw.Draw(image), np.arange(len(values)) * width / SHOWN
        for number in range(min(values.shape[1], MOST_TRACES)):
            rows = 2 + (1 - values[:, number]) * (height - 5)
            points = np.stack([places, rows], axis=1).ravel().tolist()
            draw.line([*points, points[-2] + width / SHOWN, points[-1]], _TRACES[number % len(_TRACES)], 2)
        return np.array(image)


def _frame(value: npt.NDArray[Any]) -> Picture:
    """The newest picture of a stack as (H, W, 3)."""
    picture = value[-1] if value.ndim == 4 else value
    if picture.ndim == 3 and picture.shape[-1] in (1, 3, 4):
        picture = picture[..., :3]
    elif picture.ndim == 3 and len(picture) == 3:
        picture = np.moveaxis(picture, 0, -1)
    elif picture.ndim == 3:
        picture = picture[-1][..., None]
    else:
        picture = picture[..., None]
    return np.asarray(np.broadcast_to(picture, (*picture.shape[:2], 3)), np.uint8)
