"""How figures were measured, in the same points under the tables of every report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anysense.representations.methods.catalogue import METHODS

__all__ = ["Protocol", "filled", "listed"]


@dataclass(frozen=True)
class Protocol:
    """How the figures of a report were measured."""

    measured: str
    """What the table shows."""
    training: str
    """What was trained on what, and what was missing meanwhile."""
    test: str
    """What was missing in the test."""
    filled: str
    """What stood in the place of what was missing."""
    rates: str
    """Chances that a modality was missing, and what else was varied."""
    seeds: str
    """Seeds, and what the figures over them are."""
    splits: str
    """What was trained on, what chosen by, what tested on."""

    def points(self) -> list[tuple[str, str]]:
        """Name and text of each point, in order."""
        names = {"measured": "Measured", "training": "Training", "test": "Missing in the test", "filled": "Filled with"}
        names |= {"rates": "Rates", "seeds": "Seeds", "splits": "Splits"}
        return [(title, getattr(self, name)) for name, title in names.items()]

    def markdown(self) -> str:
        """As a list."""
        return "\n".join(f"- {title}: {text}" for title, text in self.points())


def filled(methods: Mapping[str, str]) -> str:
    """What stands in the place of a missing modality; methods by their name in the report, with that in the registry.

    Methods that are not known here, such as those of a package that is not installed, are taken to fill nothing.
    """
    fillings = {name: METHODS.get(method).filling for name, method in methods.items() if method in METHODS}
    nothing = "nothing, it is left out before anything is encoded"
    others = "; ".join(f"`{name}` gets {filling}" for name, filling in fillings.items() if filling)
    return f"{nothing}{f'; {others}' if others else ''}."


def listed(values: Iterable[object]) -> str:
    """Values apart by commas."""
    return ", ".join(map(str, values))
