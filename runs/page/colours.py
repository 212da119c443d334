"""Colours of charts on a dark page: the same hue, light enough to be seen."""

__all__ = ["DARK", "contrast", "on_dark"]

DARK = "#15171c"
"""Ground of a dark page."""
LEAST = 4.5
"""Contrast that a colour has on it at least, as the guidelines ask for text (WCAG 2.2, 1.4.3)."""
STEPS = 50


def contrast(first: str, second: str) -> float:
    """Contrast of two colours (``#rrggbb``), 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def on_dark(colour: str) -> str:
    """The colour, mixed with as little white as it takes to be seen on a dark page."""
    for step in range(STEPS + 1):
        mixed = _mixed(colour, step / STEPS)
        if contrast(mixed, DARK) >= LEAST:
            return mixed
    return "#ffffff"


def _mixed(colour: str, white: float) -> str:
    return "#" + "".join(f"{round(255 * white + part * (1 - white)):02x}" for part in _parts(colour))


def _parts(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def _luminance(colour: str) -> float:
    shares = [part / 255 for part in _parts(colour)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
