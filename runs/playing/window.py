"""The window: shows a session at its pace, and turns what happens on the keyboard into what is done to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol

from anysense.common.extras import import_extra
from anysense.common.native_output import quiet_libraries
from anysense.runs.playing.hands import DRIVING
from anysense.runs.playing.keys import QUIT, STEP, TOGGLE_HELP, Binding, find_binding
from anysense.runs.playing.pace import Pace
from anysense.runs.playing.session import AGENT, Session
from anysense.runs.playing.sound import Audio, Listening, heard, sample_rate
from anysense.runs.playing.view import SMALLEST, Picture, View

__all__ = ["Recorder", "Window", "import_pygame"]

SIZE = (1280, 800)
ROOM = 60
"""Rows of the screen that frame and bars of the desktop take."""
IDLE_FPS = 30
"""Ticks per second while paused."""
DRAWING_MS, LATE_MS, MESSAGE_MS = 15, 120, 3000
"""Least time between two pictures, the same where steps come too late, and how long a message is shown."""


class Recorder(Protocol):
    """Keeps what is seen and heard of each step."""

    def add(self, picture: Picture, audio: Audio | None) -> None:
        """A step."""


def import_pygame() -> Any:
    """Pygame without its greeting; ModuleNotFoundError that says how to install it.

    To desktops the program is ``anysense``, however it was started.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "anysense")
    return import_extra("pygame", "window", "The window of `anysense play`")


class Window:
    """Plays a session until it is over or the window is closed.

    Args:
        session: What is played.
        view: Draws it.
        bound: The keys.
        fps: Steps per second at speed 1.
        recorder: Keeps every step; None for nobody.

    Raises:
        ModuleNotFoundError: pygame is not installed; the message says how to install it.
        OSError: There is no screen; the message says what to do.
    """

    def __init__(
        self, session: Session, view: View, bound: list[Binding], fps: float, recorder: Recorder | None = None
    ) -> None:
        self._session, self._view, self._bound, self._fps = session, view, bound, fps
        self._recorder = recorder
        self._pygame = import_pygame()
        self._open = True
        self._down: set[str] = set()
        self._tapped: set[str] = set()
        check_screen(self._pygame)
        self._message, self._said, self._drawn, self._due = "", 0, -LATE_MS, 0.0
        self._pace, self._wanted = Pace(), 0.0

    def run(self) -> None:
        """Show and play; returns when it is over."""
        session = self._session
        audio = heard(session.env, session.observation, session.info)
        listening = Listening(sample_rate(session.env, audio, self._fps))
        with self._screen() as screen, closing(listening):
            self._take_in(screen, listening)
            self._due = self._pygame.time.get_ticks()
            while self._open and not session.finished:
                if self._handle_events() or (self._open and self._tick()):
                    self._take_in(screen, listening)
                self._show(screen)
                self._wait()

    @property
    def _held(self) -> set[str]:
        """Keys that are held, or were since the last step."""
        return self._down | self._tapped

    def _tick(self) -> bool:
        """Let time pass; whether there is something new to perceive."""
        before = self._session.observation
        if self._session.tick(self._held):
            self._tapped.clear()
            self._pace.step(self._pygame.time.get_ticks())
        return self._session.observation is not before

    def _handle_events(self) -> bool:
        """Do what was typed; whether there is something new to perceive."""
        pygame, before = self._pygame, self._session.observation
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self._open = False
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._down.clear()
            elif event.type == pygame.KEYUP:
                self._down.discard(pygame.key.name(event.key))
            elif event.type == pygame.KEYDOWN:
                self._press(pygame.key.name(event.key), getattr(event, "unicode", ""))
        return self._session.observation is not before

    def _press(self, key: str, typed: str) -> None:
        binding = find_binding(self._bound, key, typed)
        if binding is not None:
            self._do(binding)
        elif key in DRIVING:
            self._down.add(key)
            self._tapped.add(key)
            if self._session.acting == AGENT:
                self._session.message = "The agent acts. H: you act."

    def _do(self, binding: Binding) -> None:
        session = self._session
        if binding.does == QUIT and self._view.help:
            self._view.help = False
        elif binding.does == QUIT:
            self._open = False
        elif binding.does == TOGGLE_HELP:
            self._view.help = not self._view.help
        elif binding.does == STEP:
            session.single_step(self._held)
            self._tapped.clear()
        elif not isinstance(binding.does, str):
            binding.does(session)

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
        """Draw, unless that was done a moment ago: then the pace of the steps is worth more."""
        now = self._pygame.time.get_ticks()
        if self._session.message != self._message:
            self._message, self._said = self._session.message, now
        elif self._message and now - self._said > MESSAGE_MS:
            self._session.message = ""
        if now - self._drawn < (LATE_MS if now > self._due else DRAWING_MS):
            return
        self._drawn = now
        self._view.slow = self._slow(now)
        picture = self._view.draw(*screen.get_size())
        self._pygame.surfarray.blit_array(screen, picture.swapaxes(0, 1))
        self._pygame.display.flip()

    def _slow(self, now: int) -> str:
        """What is said where the steps are fewer than wanted; counted anew after a pause and at another speed."""
        session, before = self._session, self._wanted
        self._wanted = self._fps * session.speed
        if session.paused or session.ending or self._wanted != before:
            self._pace.forget()
        return self._pace.slow(now, self._wanted)

    def _wait(self) -> None:
        """Wait for the next tick; what was lost on a slow machine is made up for, if it is not much."""
        session, now = self._session, self._pygame.time.get_ticks()
        self._due = max(self._due + 1000 / (IDLE_FPS if session.paused else self._fps * session.speed), now - LATE_MS)
        self._pygame.time.wait(max(round(self._due - now), 1))

    @contextmanager
    def _screen(self) -> Iterator[Any]:
        pygame = self._pygame
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
        with quiet_libraries():
            pygame.display.init()
    except pygame.error as error:
        raise OSError(f"No window can be opened: {str(error).rstrip('.')}. {advice}") from error
    if pygame.display.get_driver() in ("offscreen", "dummy") and not os.environ.get("SDL_VIDEODRIVER"):
        pygame.display.quit()
        raise OSError(f"No window can be opened: there is no screen. {advice}")
