"""What a modality is, told by its shape, dtype and bounds: an image, waveform, spectrogram, sequence or vector.

A *kind* is written as its name and the order of its axes, such as ``image:hwc``. Letters: s frames of a stack,
c channels, h height, w width, t steps, f features, n samples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from anysense.common.errors import unknown_name

__all__ = ["AXES", "COLOURS", "GRIDS", "KINDS", "Given", "decided_kind", "full_kind", "grid_order"]

KINDS = {
    "image": ("hw", "chw", "hwc", "schw", "shwc"),
    "spectrogram": ("tf", "ctf", "tfc", "sctf"),
    "sequence": ("t", "tf", "ft"),
    "waveform": ("n", "nc", "cn", "scn"),
    "vector": (),
}
"""Kinds, and the orders of axes that each may have; a vector has any axes, in any order."""
AXES = {
    "s": "frames",
    "c": "channels",
    "h": "height",
    "w": "width",
    "t": "steps",
    "f": "features",
    "n": "samples",
}
"""What the letters of an order mean."""
GRIDS = {"image": "schw", "spectrogram": "sctf", "sequence": "ft", "waveform": "scn"}
"""The order in which networks read a kind; what comes before the last two axes (the last of one) are channels."""

COLOURS = (1, 3, 4)
"""Sizes of an axis of colours: grey, RGB, RGBA."""
SHORTEST_WAVEFORM = 256
MOST_CHANNELS = 16
"""Most channels of a waveform."""
LONG = 32
"""A waveform has so many times more samples than channels, at least."""
LONGEST_VECTOR = 4096
"""Longest vector that nobody has to confirm."""
SMALLEST_SPECTROGRAM = 8
"""Three axes, all of them shorter, are a vector."""
SHORTEST_GRID = 4
"""Four axes with bounds, the last two no shorter, are a stack of spectrograms."""
SHORTEST_SIDE = 16
"""Shortest side of an image of floats without an axis of channels."""


@dataclass(frozen=True)
class Given:
    """What a kind is told by.

    Attributes:
        name: Name of the modality.
        shape: Shape of one sample.
        dtype: ``"uint8"`` or ``"float32"``.
        low: Smallest value, if it is the same for all entries; otherwise None.
        high: Largest value, likewise.
        bounded: Whether there are bounds at all.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float | None
    high: float | None
    bounded: bool

    @property
    def is_byte(self) -> bool:
        """Whether entries are bytes from 0 to 255."""
        return self.dtype == "uint8" and (not self.bounded or (self.low, self.high) == (0.0, 255.0))

    @property
    def is_brightness(self) -> bool:
        """Whether entries are floats from 0 to 1, or to 255."""
        return self.low == 0.0 and self.high in (1.0, 255.0)

    @property
    def swings(self) -> bool:
        """Whether all entries lie in one range around 0, as sound does."""
        low, high = self.low, self.high
        return low is not None and high is not None and low < 0 < high and abs(low + high) <= 0.01 * high


def decided_kind(given: Given) -> str:
    """The kind with the order of its axes, as the table in docs/representations.md says.

    Raises:
        ValueError: Shape, dtype and bounds fit several kinds or orders; the message names them and how to choose.
    """
    decide = {1: _of_one_axis, 2: _of_two_axes, 3: _of_three_axes}.get(len(given.shape), _of_more_axes)
    return full_kind(given.name, decide(given), given.shape)


def full_kind(name: str, kind: str, shape: tuple[int, ...]) -> str:
    """A kind that somebody named, with the order of its axes.

    Raises:
        ValueError: An unknown kind or order, one of another number of axes, or an order that the shape leaves open.
    """
    word, colon, order = kind.partition(":") if isinstance(kind, str) else (kind, "", "")
    if word not in KINDS:
        raise ValueError(f"modality {name!r}: {unknown_name('kind', word, KINDS)}")
    fitting = [known for known in KINDS[word] if len(known) == len(shape)]
    if word == "vector" and not colon:
        return word
    if (colon and order not in fitting) or not fitting:
        known = ", ".join(f"{word}:{order}" for order in fitting or KINDS[word]) or "vector, without an order"
        raise ValueError(
            f"modality {name!r} of shape {shape} cannot be of the kind {kind!r}; expected {known} "
            f"({', '.join(f'{letter} {meaning}' for letter, meaning in AXES.items())})."
        )
    return f"{word}:{order or _order(name, word, fitting, shape)}"


def grid_order(kind: str) -> tuple[str, str]:
    """Order of the axes of a kind, and the order in which networks read them."""
    word, _, order = kind.partition(":")
    return order, "".join(letter for letter in GRIDS[word] if letter in order)


def _of_one_axis(given: Given) -> str:
    size = given.shape[0]
    if size < SHORTEST_WAVEFORM:
        return "vector"
    if given.is_byte or given.swings:
        return "waveform"
    if given.dtype != "uint8" and (not given.bounded or (given.low is not None and size > LONGEST_VECTOR)):
        raise _question(given, ("waveform", "vector"))
    return "vector"


def _of_two_axes(given: Given) -> str:
    short, long = sorted(given.shape)
    is_line = long >= SHORTEST_WAVEFORM and short <= MOST_CHANNELS and long >= LONG * short
    if is_line and (given.is_byte or given.swings or (not given.bounded and short <= 2)):
        return "waveform"
    if given.dtype == "uint8":
        return "image"
    if is_line and not given.bounded and given.shape[1] == long:
        raise _question(given, ("waveform:cn", "sequence:tf"))
    if given.is_brightness and short >= SHORTEST_SIDE and long <= 2 * short:
        return "image"
    return "spectrogram" if given.high is not None and given.high <= 0 else "sequence"


def _of_three_axes(given: Given) -> str:
    if given.dtype == "uint8" or given.is_brightness:
        return "image"
    _, channels, long = given.shape
    if given.swings and long >= max(SHORTEST_WAVEFORM, LONG * channels) and channels <= MOST_CHANNELS:
        return "waveform"
    return "spectrogram" if max(given.shape) >= SMALLEST_SPECTROGRAM else "vector"


def _of_more_axes(given: Given) -> str:
    if len(given.shape) == 4 and (given.dtype == "uint8" or given.is_brightness):
        return "image"
    short, long = sorted(given.shape[-2:])
    if len(given.shape) == 4 and given.bounded and short >= SHORTEST_GRID and long >= SMALLEST_SPECTROGRAM:
        return "spectrogram"
    if math.prod(given.shape) > LONGEST_VECTOR:
        raise _question(given, ("image", "vector") if len(given.shape) == 4 else ("vector",))
    return "vector"


def _order(name: str, word: str, fitting: Sequence[str], shape: tuple[int, ...]) -> str:
    """Which of several orders a shape has."""
    if len(fitting) == 1:
        return fitting[0]
    if word == "waveform":
        return "nc" if shape[0] >= shape[1] else "cn"
    if word == "sequence":
        return "tf"
    first, middle, last = shape[-3:]
    leads, ends = first < min(middle, last), last < min(first, middle)
    if leads == ends:
        leads, ends = first in COLOURS, last in COLOURS
    if leads == ends and sorted(shape[-3:])[1] > 1:
        known = " or ".join(f"--kind {name}={word}:{order}" for order in fitting)
        raise ValueError(
            f"modality {name!r} of shape {shape} is of the kind {word!r}, but which of its axes holds the channels "
            f"cannot be told; say so with {known} (in code: `kind` of its Modality)."
        )
    return fitting[1] if ends and not leads else fitting[0]


def _question(given: Given, kinds: Sequence[str]) -> ValueError:
    known = " or ".join(f"--kind {given.name}={kind}" for kind in kinds)
    bounds = "with bounds" if given.bounded else "without bounds"
    return ValueError(
        f"what modality {given.name!r} is cannot be told by {given.dtype} {given.shape} {bounds}; say so with {known} "
        "(in code: `kind` of its Modality)."
    )
