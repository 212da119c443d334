"""Which key does what in the window, and how that is told to people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anysense.runs.playing.hands import Hand
from anysense.runs.playing.session import AGENT, HAND, Session

__all__ = ["QUIT", "STEP", "TOGGLE_HELP", "Binding", "bindings", "find_binding"]

QUIT, TOGGLE_HELP, STEP = "quit", "help", "step"
"""What the window itself has to do."""
MOST_MODALITIES = 9


@dataclass(frozen=True)
class Binding:
    """Keys that do one thing.

    Attributes:
        keys: Names of keys as pygame has them, or the characters that they type.
        does: What is done to the session; a text for what the window does itself.
        label: The keys for people.
        meaning: What they do, for people.
    """

    keys: tuple[str, ...]
    does: Callable[[Session], None] | str
    label: str
    meaning: str


def _toggling(number: int) -> Callable[[Session], None]:
    return lambda session: session.toggle_modality(number)


def bindings(modalities: Sequence[str], hand: Hand) -> list[Binding]:
    """All keys beside those that drive; space pauses where it does not drive."""
    pausing = ("p",) if hand.uses_space else ("p", "space")
    return [
        *(
            Binding((str(number + 1), f"[{number + 1}]"), _toggling(number), str(number + 1), f"{name} on / off")
            for number, name in enumerate(modalities[:MOST_MODALITIES])
        ),
        Binding(("h",), lambda session: session.set_acting(HAND), "H", "you act"),
        Binding(("a",), lambda session: session.set_acting(AGENT), "A", "agent acts"),
        Binding(pausing, Session.toggle_pause, " / ".join(key if key == "space" else "P" for key in pausing), "pause"),
        Binding((".",), STEP, ".", "one step"),
        Binding(("r",), Session.restart, "R", "new episode"),
        Binding(("+", "=", "[+]"), lambda session: session.change_speed(1), "+", "faster"),
        Binding(("-", "[-]"), lambda session: session.change_speed(-1), "-", "slower"),
        Binding(("m",), Session.toggle_sound, "M", "sound on / off"),
        Binding(("f1", "?"), TOGGLE_HELP, "F1 / ?", "help"),
        Binding(("escape", "q"), QUIT, "Esc / Q", "quit"),
    ]


def find_binding(bound: Sequence[Binding], key: str, typed: str) -> Binding | None:
    """The binding of a key, by the character that it typed (``+`` is elsewhere on each keyboard) or by its name."""
    for name in (typed, key):
        found = next((binding for binding in bound if name and name.lower() in binding.keys), None)
        if found is not None:
            return found
    return None
