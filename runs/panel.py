"""What an agent perceives, drawn beside the picture of its environment.

Letters: H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from anysense.envs.guide import Labels
from anysense.runs.perceived import BACK, FAINT, TEXT, Perceived, text_font

if TYPE_CHECKING:
    from anysense.representations.modality import Modality

__all__ = ["WithPanel"]

WIDTH = 320
"""Pixels of the panel from left to right."""
SMALLEST = 360
"""A lower picture is enlarged by a whole number."""
MARGIN, LINE = 12, 24
"""Pixels around boxes, and from one line of text to the next."""


class WithPanel(gym.Wrapper[Any, Any, Any, Any]):
    """Renders the environment with a panel: each modality of an agent as it perceives it, and how it is doing.

    Args:
        env: Environment that renders frames, and whose observation holds the modalities.
        modalities: All modalities that the agent knows.
        given: Names of those that it has; the others are shown as missing.
        title: First line of the panel.
        labels: What the numbers of modalities are called.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        modalities: Mapping[str, Modality],
        given: Sequence[str],
        title: str,
        labels: Mapping[str, Labels] | None = None,
    ) -> None:
        super().__init__(env)
        names = labels or {}
        self._boxes = {name: Perceived(modality, names.get(name)) for name, modality in modalities.items()}
        self._given, self._title = tuple(given), title
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
        from PIL import Image, ImageDraw

        picture: Any = self.env.render()
        picture = np.asarray(picture, np.uint8)
        picture = np.kron(picture, np.ones((-(-SMALLEST // len(picture)),) * 2 + (1,), np.uint8))
        panel = Image.new("RGB", (WIDTH, len(picture)), BACK)
        draw, font = ImageDraw.Draw(panel), text_font(16)
        draw.text((MARGIN, 6), self._title, TEXT, font)
        top, bottom = LINE + MARGIN, len(picture) - LINE * len(self._lines) - MARGIN
        each = (bottom - top) // len(self._boxes)
        for number, (name, box) in enumerate(self._boxes.items()):
            place = top + number * each
            given = name in self._given
            draw.text((MARGIN, place), f"{name}: {'perceived' if given else 'missing'}", TEXT if given else FAINT, font)
            if given:
                draw.text((WIDTH - MARGIN, place + 4), box.caption, FAINT, text_font(12), anchor="ra")
            drawn = box.draw(each - LINE - MARGIN, WIDTH - 2 * MARGIN)
            panel.paste(Image.fromarray(drawn), (MARGIN, place + LINE))
        for number, line in enumerate(self._lines):
            draw.text((MARGIN, bottom + MARGIN // 2 + number * LINE), line, TEXT, font)
        return np.concatenate([picture, np.asarray(panel)], axis=1)

    def _perceive(self, observation: Mapping[str, Any], action: str) -> None:
        for name, box in self._boxes.items():
            box.add(observation[name] if name in self._given else None, anew=self._steps == 0)
        self._lines = [
            f"step {self._steps}   {action}",
            f"average reward {self._return / max(self._steps, 1):.2f}   return {self._return:.1f}",
        ]
