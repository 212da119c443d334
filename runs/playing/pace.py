"""How many steps a second are shown, where they are fewer than they should be."""

from collections import deque

__all__ = ["Pace"]

SPAN_MS, LEAST_MS = 2000, 1000
"""Time over which steps are counted, and the least after which something is said."""
SLOW = 0.8
"""Share of the steps below which the pace is not kept."""


class Pace:
    """Counts steps; times are in milliseconds."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()
        self._begun: int | None = None

    def step(self, now: int) -> None:
        """A step was done; the first one only starts the clock."""
        if self._begun is None:
            self._begun = now
        else:
            self._times.append(now)

    def forget(self) -> None:
        """Time stood still, or another pace is wanted."""
        self._begun = None
        self._times.clear()

    def slow(self, now: int, wanted: float) -> str:
        """How many of the ``wanted`` steps a second there were lately; empty if enough, or too early to tell."""
        while self._times and self._times[0] <= now - SPAN_MS:
            self._times.popleft()
        span = 0 if self._begun is None else min(now - self._begun, SPAN_MS)
        if span < LEAST_MS:
            return ""
        rate = 1000 * len(self._times) / span
        return f"{rate:.0f} of {wanted:g} steps/s" if rate < SLOW * wanted else ""
