"""Figures: how they look, and the files they are written to. Nothing here draws data."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysense.common.files import write_bytes
from anysense.common.progress import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from anysense.representations.evaluation.records import Column

__all__ = [
    "FORMATS",
    "INTERVAL",
    "LINE",
    "Draw",
    "Look",
    "axis_label",
    "column_label",
    "look_of",
    "modality_colours",
    "new_figure",
    "save_figure",
    "style",
    "svg_of",
    "write_figure",
]

FORMATS = ("png", "svg", "pdf")
LINE = "#222222"
"""Colour of lines that belong to no method."""
INTERVAL = "#808080"
"""Colour of intervals on bars, seen on dark bars and beside them."""
Draw = Callable[[], "Figure"]

_COLOURS = (
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499",
)  # fmt: skip
"""The scheme "muted" of Paul Tol (Colour Schemes, SRON/EPS/TN/09-002, 2021), made for every kind of colour vision."""
_MARKERS, _HATCHES = "os^Dv<>PpXhd*H8", ("///", "...", "xxx", "\\\\\\")
_METHODS = {
    "gmc": 0, "gram": 1, "mfm": 2, "mvae": 3, "mmvae": 5, "nexus": 6, "muse": 7,
    "gmc-published": 8, "gram-published": 4, "symile": 9, "triangle": 10, "mopoe": 11, "mvtcae": 12, "workspace": 13,
    "gmc-supervised": 0, "gram-supervised": 1, "baseline": 3, "transformer": 3, "dropout": 6, "transformer-dropout": 6,
}  # fmt: skip
"""Place of a method in the scheme; methods that no figure shows together may share one. From its end on, colours come
again with a pattern."""
_PLAIN: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_TRIES = 6


@dataclass(frozen=True)
class Look:
    """How a method is drawn, the same in every figure.

    Attributes:
        colour: As ``#rrggbb``.
        marker: Of its points.
        hatch: Pattern of its bars; methods of one colour differ in it.
    """

    colour: str
    marker: str = "o"
    hatch: str = ""


def look_of(method: str) -> Look:
    """The look of a method, whatever other methods there are; names that are not known get one by their checksum."""
    if method in _METHODS:
        place = _METHODS[method]
        turn, colour = divmod(place, len(_COLOURS))
        return Look(_COLOURS[colour], _MARKERS[place], _HATCHES[turn - 1] if turn else "")
    turn, place = divmod(zlib.crc32(method.encode()), len(_COLOURS))
    return Look(_COLOURS[place], _MARKERS[turn % len(_COLOURS)], _HATCHES[turn % len(_HATCHES)])


def modality_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each modality, in their order."""
    return {name: _COLOURS[(0, 6, 3, 5, 1, 7, 2, 8, 4)[place % len(_COLOURS)]] for place, name in enumerate(names)}


def axis_label(column: Column) -> str:
    """Title, unit and direction, for example ``accuracy (%), higher is better``."""
    return f"{column_label(column)}{', axis upside down' if column.better == 'lower' else ''}"


def column_label(column: Column) -> str:
    """The same where no axis is turned."""
    unit = " (%)" if column.percent and "%" not in column.title else ""
    return f"{column.title}{unit}, {column.better} is better"


def new_figure(width: float = 7.0, height: float = 4.0) -> Figure:
    """A figure of some inches, without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def style() -> Iterator[None]:
    """What drawing and writing depend on: the same bytes each time, names as they are written, fonts in PDF files."""
    import matplotlib

    fixed: dict[Any, Any] = {
        "svg.hashsalt": "anysense",
        "pdf.fonttype": 42,
        "text.parse_math": False,
        "hatch.linewidth": 0.6,
    }
    with matplotlib.rc_context(fixed), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # Names in a script that the font lacks.
        yield


def save_figure(figure: Figure, path: str | Path, dpi: int = 130, formats: Sequence[str] = FORMATS) -> Path:
    """Write the figure as PNG to ``path``, and as SVG and PDF beside it; each completely or not at all.

    It grows where its texts need more room. The files hold neither the time nor random names.
    """
    path = Path(path)
    with style():
        _grow(figure)
        for kind in formats:
            content = BytesIO()
            figure.savefig(content, format=kind, dpi=dpi, metadata=_PLAIN[kind])
            write_bytes(path.with_suffix(f".{kind}"), content.getvalue())
    return path


def svg_of(figure: Figure) -> bytes:
    """The figure as SVG for a page: text stays text, and the ground is left out so that the page's own is seen."""
    import matplotlib

    with style(), matplotlib.rc_context({"svg.fonttype": "none"}), ExitStack() as after:
        _grow(figure)
        for patch in (figure.patch, *(ax.patch for ax in figure.axes)):
            after.callback(patch.set_visible, patch.get_visible())
            patch.set_visible(False)
        content = BytesIO()
        figure.savefig(content, format="svg", dpi=130, metadata=_PLAIN["svg"])
    return content.getvalue()


def write_figure(draw: Draw, path: str | Path) -> Path | None:
    """Draw a figure and save it; one warning, and None, where that fails, for the numbers matter more."""
    try:
        with style():
            figure = draw()
        return save_figure(figure, path)
    except Exception as error:  # Whatever it is, it must not end hours of work.
        say(f"Warning: the figure {path} was not written ({type(error).__name__}: {error}). All numbers are.")
        return None


def _grow(figure: Figure) -> None:
    """Make a figure larger until the layout works and no text leaves it."""
    for _ in range(_TRIES):
        width, height = figure.get_size_inches()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            figure.draw_without_rendering()
        if any("collapsed to zero" in str(one.message) for one in caught):
            figure.set_size_inches(1.4 * width, 1.4 * height)
            continue
        box = _needed(figure)
        more = max(0.0, -box.x0, box.x1 - width), max(0.0, -box.y0, box.y1 - height)
        if max(more) < 0.01:
            return
        figure.set_size_inches(width + 2.1 * more[0], height + 2.1 * more[1])


def _needed(figure: Figure) -> Bbox:
    """The box of all that a figure shows, in inches; before 3.11.1 matplotlib leaves out ends of long axis labels."""
    from matplotlib.transforms import Bbox

    axes = (axis for ax in figure.axes if ax.axison for axis in (ax.xaxis, ax.yaxis))
    boxes = [box for axis in axes if (box := axis.get_tightbbox()) is not None]
    inches = figure.dpi_scale_trans.inverted()
    return Bbox.union([figure.get_tightbbox(), *(box.transformed(inches) for box in boxes)])
