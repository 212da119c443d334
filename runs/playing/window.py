"""The window: shows a session at its pace, and turns what happens on the keyboard into what is done to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol

from anysense.common.extras import import_extra
from anysense.runs.playing.keys import QUIT, STEP, TOGGLE_HELP, Binding, driving_keys, find_binding
from anysense.runs.playing.session import Session
from anysense.runs.playing.sound import Audio, Listening, heard, sample_rate
from anysense.runs.playing.view import SMALLEST, Picture, View

__all__ = ["Recorder", "Window", "import_pygame"]

SIZE = (1280, 800)
ROOM = 60
"""Rows of the screen that frame and bars of the desktop take."""
IDLE_FPS = 30
"""Ticks per second while paused."""
DRAWING_MS, MESSAGE_MS = 25, 3000
"""Least time between two pictures, and how long a message is shown."""


class Recorder(Protocol):
    """Keeps what is seen and heard of each step."""

    def add(self, picture: Picture, audio: Audio | None) -> None:
        """A step."""


def import_pygame() -> Any:
    """Pygame without its greeting; ModuleNotFoundError that says how to install it."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return import_extra("pygame", "window", "The window of `anysense play`")


class Window:
    """Plays a session until it is over or the window is closed.

    Args:
        session: What is played.
        view: Draws it.
        bound: The keys.
        fps: Steps per second at speed 1.
        recorder: Keeps every step that is shown; None for nobody.
    """

    def __init__(
        self, session: Session, view: View, bound: list[Binding], fps: float, recorder: Recorder | None = None
    ) -> None:
        self._session, self._view, self._bound, self._fps = session, view, bound, fps
        self._recorder = recorder
        self._pygame = import_pygame()
        self._open = True
        self._message, self._said, self._drawn = "", 0, -DRAWING_MS

    def run(self) -> None:
        """Show and play; returns when it is over.

        Raises:
            OSError: There is no screen; the message says what to do.
        """
        session = self._session
        audio = heard(session.env, session.observation, session.info)
        listening = Listening(sample_rate(session.env, audio, self._fps))
        with self._screen() as screen, closing(listening):
            clock, codes = self._pygame.time.Clock(), self._codes()
            self._take_in(screen, listening)
            while self._open and not session.finished:
                held = driving_keys(self._pygame.key.get_pressed(), codes)
                moved = self._handle_events(held)
                moved = self._tick(held) or moved
                if moved:
                    self._take_in(screen, listening)
                self._show(screen)
                clock.tick(IDLE_FPS if session.paused else self._fps * session.speed)

    def _tick(self, held: frozenset[str]) -> bool:
        step, episode = self._session.step, self._session.totals.episodes
        moved = self._session.tick(held)
        return moved or (step, episode) != (self._session.step, self._session.totals.episodes)

    def _handle_events(self, held: frozenset[str]) -> bool:
        """Do what was typed; whether the world has moved."""
        moved = False
        for event in self._pygame.event.get():
            if event.type == self._pygame.QUIT:
                self._open = False
            elif event.type == self._pygame.KEYDOWN:
                name = self._pygame.key.name(event.key)
                binding = find_binding(self._bound, name, getattr(event, "unicode", ""))
                moved = self._do(binding, held) or moved
        return moved

    def _do(self, binding: Binding | None, held: frozenset[str]) -> bool:
        if binding is None:
            return False
        session, before = self._session, self._session.observation
        if binding.does == QUIT:
            if self._view.help:
                self._view.help = False
            else:
                self._open = False
        elif binding.does == TOGGLE_HELP:
            self._view.help = not self._view.help
        elif binding.does == STEP:
            session.single_step(held)
        elif not isinstance(binding.does, str):
            binding.does(session)
        return session.observation is not before

    def _take_in(self, screen: Any, listening: Listening) -> None:
        """A step: its sound is played, and it is recorded."""
        session = self._session
        self._view.perceive()
        audio = heard(session.env, session.observation, session.info)
        if not session.muted:
            listening.play(audio, 1 / (self._fps * session.speed))
        if self._recorder is not None:
            self._recorder.add(self._view.draw(*screen.get_size()), audio)

    def _show(self, screen: Any) -> None:
        """Draw, unless that was done a moment ago: then time for the next step is worth more."""
        now = self._pygame.time.get_ticks()
        if self._session.message != self._message:
            self._message, self._said = self._session.message, now
        elif self._message and now - self._said > MESSAGE_MS:
            self._session.message = ""
        if now - self._drawn < DRAWING_MS:
            return
        self._drawn = now
        picture = self._view.draw(*screen.get_size())
        self._pygame.surfarray.blit_array(screen, picture.swapaxes(0, 1))
        self._pygame.display.flip()

    def _codes(self) -> dict[str, int]:
        pygame = self._pygame
        return {
            "left": pygame.K_LEFT,
            "right": pygame.K_RIGHT,
            "up": pygame.K_UP,
            "down": pygame.K_DOWN,
            "space": pygame.K_SPACE,
        }

    @contextmanager
    def _screen(self) -> Iterator[Any]:
        pygame = self._pygame
        check_screen(pygame)
        try:
            ((wide, high), *_) = pygame.display.get_desktop_sizes() or [SIZE]
            size = (max(min(SIZE[0], wide), SMALLEST[0]), max(min(SIZE[1], high - ROOM), SMALLEST[1]))
            if os.environ.get("SDL_VIDEODRIVER") == "dummy":
                size = SIZE
            screen = pygame.display.set_mode(size, pygame.RESIZABLE)
            pygame.display.set_caption("anysense play")
            yield screen
        finally:
            pygame.display.quit()


def check_screen(pygame: Any) -> None:
    """Open the display; OSError that says what to do where there is none."""
    advice = (
        "Start it on a desktop, over `ssh -X`, or in a virtual display: xvfb-run anysense play. Without any screen, "
        "SDL_VIDEODRIVER=dummy plays unseen, such as with --steps 100."
    )
    try:
        pygame.display.init()
    except pygame.error as error:
        raise OSError(f"No window can be opened: {str(error).rstrip('.')}. {advice}") from error
    if pygame.display.get_driver() in ("offscreen", "dummy") and not os.environ.get("SDL_VIDEODRIVER"):
        pygame.display.quit()
        raise OSError(f"No window can be opened: there is no screen. {advice}")
