"""The picture in the window: the world, each modality as it is perceived, the latent, numbers, keys.

It is drawn by Pillow, so that it can be recorded, tested and looked at without a window. Letters: H x W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anysense.envs.guide import Labels
from anysense.runs.perceived import BACK, FAINT, TEXT, Perceived, text_font
from anysense.runs.playing.keys import Binding
from anysense.runs.playing.session import AGENT, Session, facts

if TYPE_CHECKING:
    from anysense.representations.modality import Modality

__all__ = ["SMALLEST", "View"]

SMALLEST = (960, 600)
"""Width and height below which nothing would be legible."""
MARGIN, LINE = 14, 22
PANEL = 460
"""Width of the right side."""
LATENT, KEYS = 64, 100
"""Height of the box of the latent; width of the names of keys."""
_TITLE, _BODY, _NOTE = 20, 16, 14
_ACCENT, _WARM, _LANE = (102, 204, 238), (255, 214, 102), (12, 13, 16)

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


class View:
    """Draws a session.

    Args:
        session: What is drawn.
        modalities: What each modality looks like.
        labels: What the numbers of modalities are called.
        bound: The keys.
        names: What is shown on top: of the world, and of the agent ("" for none).
    """

    def __init__(
        self,
        session: Session,
        modalities: Mapping[str, Modality],
        labels: Mapping[str, Labels],
        bound: Sequence[Binding],
        names: tuple[str, str],
    ) -> None:
        self._session, self._bound, self._names = session, bound, names
        self._boxes = {name: Perceived(modality, labels.get(name)) for name, modality in modalities.items()}
        self._present: tuple[str, ...] = ()
        self._largest = 1e-6
        self.help = False
        """Whether the keys are explained over the picture."""
        self.slow = ""
        """How many steps a second there are, where they are fewer than they should be."""

    def perceive(self) -> None:
        """Take note of the present step; to be called after each."""
        session = self._session
        self._present = session.present
        for name, box in self._boxes.items():
            box.add(session.observation[name] if name in self._present else None, anew=session.step == 0)

    def _correct(self) -> None:
        """Take note of what was switched since the last step."""
        session = self._session
        changed = {*self._present} ^ {*session.present}
        self._present = session.present
        for name in changed:
            self._boxes[name].correct(session.observation[name] if name in self._present else None)

    def draw(self, width: int, height: int) -> Picture:
        """The picture, uint8 (height, width, 3)."""
        from PIL import Image, ImageDraw

        self._correct()
        image = Image.new("RGB", (width, height), BACK)
        draw = ImageDraw.Draw(image)
        foot = height - MARGIN - LINE * (len(self._footer()) - 1) - _NOTE
        self._draw_world(image, draw, (MARGIN, MARGIN + LINE + 8, width - PANEL - 2 * MARGIN, foot - MARGIN))
        self._draw_panel(image, draw, width - PANEL, foot - MARGIN)
        for number, line in enumerate(self._footer()):
            draw.text((MARGIN, foot + number * LINE), line, TEXT if number == 0 else FAINT, text_font(_NOTE))
        if self.help:
            self._draw_help(image, width, height)
        return np.asarray(image)

    def _footer(self) -> list[str]:
        driving, *more = self._session.hand.explained()
        return [f"Driving:   {driving}", *more, "     ".join(f"{it.label}  {it.meaning}" for it in self._bound)]

    def _draw_world(self, image: Any, draw: Any, place: tuple[int, int, int, int]) -> None:
        """The picture of the world as large as it fits, what is going on above it, and signs over it."""
        from PIL import Image

        session, (left, top, right, bottom) = self._session, place
        draw.text((left, MARGIN), self._names[0], TEXT, text_font(_TITLE))
        pace = "paused" if session.paused else "   ".join(filter(None, (self.slow, f"speed x {session.speed:g}")))
        signs = f"{'sound off   ' if session.muted else ''}{pace}"
        draw.text(
            (right, MARGIN + 3), signs, _WARM if session.paused or self.slow else FAINT, text_font(_BODY), anchor="ra"
        )
        picture = Image.fromarray(np.asarray(session.env.render(), np.uint8))
        scale = min((right - left) / picture.width, (bottom - top) / picture.height)
        size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
        shown = picture.resize(size, Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.BILINEAR)
        corner = (left + (right - left - size[0]) // 2, top + (bottom - top - size[1]) // 2)
        image.paste(shown, corner)
        middle = (left + right) // 2
        if session.ending:
            _sign(draw, (middle, top + size[1] // 6), session.ending, _WARM)
        elif session.paused:
            _sign(draw, (middle, top + size[1] // 6), "Paused", _WARM)
        if session.message:
            _sign(draw, (middle, bottom - 24), session.message, TEXT)

    def _draw_panel(self, image: Any, draw: Any, left: int, bottom: int) -> None:
        session, right = self._session, left + PANEL - MARGIN
        acting = f"{self._names[1]} acts" if session.acting == AGENT else "You act"
        draw.text((left, MARGIN), acting, _ACCENT if session.acting == AGENT else _WARM, text_font(_TITLE))
        numbers = list(facts(session).items())
        rows = -(-len(numbers) // 2)
        top = MARGIN + LINE + 8
        for number, (name, value) in enumerate(numbers):
            x, y = left + number // rows * (PANEL // 2 - 10), top + number % rows * LINE
            draw.text((x, y), name, FAINT, text_font(_BODY))
            draw.text((x + (128 if number >= rows else 76), y), value, TEXT, text_font(_BODY))
        top += rows * LINE + MARGIN // 2
        end = bottom - (0 if session.latent is None else LATENT + LINE + MARGIN)
        each = (end - top) // len(self._boxes)
        for number, name in enumerate(self._boxes):
            place = (left, top + number * each, right, top + (number + 1) * each)
            self._draw_modality(image, draw, number, name, place)
        self._draw_latent(image, draw, (left, end, right, bottom))

    def _draw_modality(self, image: Any, draw: Any, number: int, name: str, place: tuple[int, int, int, int]) -> None:
        from PIL import Image

        (left, top, right, bottom), box, session = place, self._boxes[name], self._session
        on, here = name in session.given, name in session.present
        word = "perceived" if here else "absent now" if on else "switched off"
        draw.text((left, top), f"{number + 1}  {name}: {word}", TEXT if here else FAINT, text_font(_BODY))
        if here:
            draw.text((right, top + 3), box.caption, FAINT, text_font(_NOTE), anchor="ra")
        height, width = bottom - top - LINE - MARGIN // 2, right - left
        image.paste(Image.fromarray(box.draw(height, width)), (left, top + LINE))

    def _draw_latent(self, image: Any, draw: Any, place: tuple[int, int, int, int]) -> None:
        """A bar for each number, as high as the largest one that was seen; nothing without an agent."""
        (left, top, right, bottom), latent = place, self._session.latent
        if latent is None:
            return
        draw.text((left, top), f"latent: {len(latent)} numbers", TEXT, text_font(_BODY))
        draw.rectangle((left, top + LINE, right - 1, bottom), _LANE)
        most = self._largest = max(float(np.abs(latent).max()), self._largest)
        draw.text((right, top + 3), f"-{most:.2g} to {most:.2g}", FAINT, text_font(_NOTE), anchor="ra")
        middle, half = (top + LINE + bottom) / 2, (bottom - top - LINE) / 2 - 3
        edges = np.linspace(left + 4, right - 4, len(latent) + 1)
        for number, value in enumerate(latent):
            ends = sorted((middle, middle - half * float(value) / most))
            draw.rectangle((edges[number], ends[0], max(edges[number + 1] - 2, edges[number]), ends[1]), _ACCENT)
        draw.line((left, middle, right - 1, middle), FAINT)

    def _draw_help(self, image: Any, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        image.paste(Image.blend(image, Image.new("RGB", image.size, _LANE), 0.8))
        draw = ImageDraw.Draw(image)
        driving = (
            ("driving" if number == 0 else "", line) for number, line in enumerate(self._session.hand.explained())
        )
        lines = [(self._names[0], ""), *driving, ("", "")]
        lines += [(binding.label, binding.meaning) for binding in self._bound]
        font, step = text_font(_BODY), min(LINE * 1.3, (height - 2 * MARGIN) / len(lines))
        widest = max(draw.textlength(meaning, font) for _, meaning in lines)
        left, top = (width - KEYS - widest) / 2, (height - step * len(lines)) / 2
        right, bottom = left + KEYS + widest, top + step * len(lines)
        draw.rectangle((left - 2 * MARGIN, top - MARGIN, right + 2 * MARGIN, bottom + MARGIN), _LANE, FAINT)
        for number, (label, meaning) in enumerate(lines):
            y = top + number * step
            draw.text((left, y), label, _WARM, font)
            draw.text((left + KEYS, y), meaning, TEXT, font)


def _sign(draw: Any, place: tuple[float, float], text: str, colour: Colour) -> None:
    """Text in the middle of a dark sign."""
    left, top, right, bottom = draw.textbbox(place, text, text_font(_TITLE), anchor="mm")
    draw.rounded_rectangle((left - 14, top - 9, right + 14, bottom + 9), 8, _LANE)
    draw.text(place, text, colour, text_font(_TITLE), anchor="mm")
