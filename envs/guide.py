"""What people who look at a world or drive it are told: names of what is measured, and of actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Guide", "Labels"]


@dataclass(frozen=True)
class Labels:
    """Names for the axes of one modality.

    Attributes:
        rows: Names along the axis after the stack of frames, such as those of receivers; empty: they have none.
        values: Names along the last axis, such as ``frequency`` and ``amplitude``; empty: they have none.
    """

    rows: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guide:
    """Names of a world.

    Attributes:
        labels: What the numbers of modalities are called, by modality, where they have names.
        actions: What the choices of a discrete action, or the numbers of a continuous one, are called.
        steering: For each number of a continuous action 1 where the right (up) arrow key makes it larger, else -1.
    """

    labels: Mapping[str, Labels] = field(default_factory=dict)
    actions: tuple[str, ...] = ()
    steering: tuple[int, ...] = ()
