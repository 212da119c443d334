"""A figure as a part of a page: inline SVG with a name and a description, in colours that follow the page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from anysense.runs.figures import LINE, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Drawing", "drawing", "variable"]

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
PIXELS = 96 / 72
"""Pixels of a page in a point of a figure."""
READABLE = 10
"""Pixels of the smallest text of a chart that is made narrower to fit into a page."""
MOST_NAMES = 40
"""Names of ticks or lines that a description lists."""
_COLOUR = re.compile(r"(?<=: )#[0-9a-fA-F]{6}\b")
_SIZE = re.compile(r"font(?:-size)?:[^;\"]*?([\d.]+)px")
_FAMILY = re.compile(r"font-family: [^;]*;?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_INK = {"#000000": "currentColor", LINE: "currentColor", "#ffffff": "var(--ground)"}


@dataclass(frozen=True)
class Drawing:
    """A figure on a page.

    Attributes:
        svg: The element, which names and describes itself.
        width: Pixels from left to right at its natural size.
        least: Pixels from left to right at which its smallest text is still read: `READABLE` pixels high.
        colours: The colours (``#rrggbb``) whose variables it uses; see `variable`.
        paper: Whether it holds an image, whose colours cannot change: it is shown on white, also on a dark page.
    """

    svg: str
    width: int
    least: int
    colours: frozenset[str]
    paper: bool


def variable(colour: str) -> str:
    """Name of the variable of the page that holds a colour."""
    return f"--c{colour[1:].lower()}"


def drawing(figure: Figure, name: str, title: str) -> Drawing:
    """The figure as an element of a page.

    Args:
        figure: What to show.
        name: Begins every id in it; different for every figure of a page.
        title: What the figure is called.
    """
    root = ElementTree.fromstring(svg_of(figure))  # Written by matplotlib a moment ago.
    width, colours = round(PIXELS * float(root.get("width", "0pt").removesuffix("pt"))), set[str]()
    for parent in list(root.iter()):
        for child in [one for one in parent if one.tag in (f"{SVG}metadata", f"{SVG}style")]:
            parent.remove(child)
    smallest = min((float(size) for size in _SIZE.findall(ElementTree.tostring(root, encoding="unicode"))), default=10)
    _page_colours(root, colours)
    for element in root.iter():
        _own_ids(element, name)
        element.tag = element.tag.removeprefix(SVG)
    heading, words = ElementTree.Element("title", id=f"{name}-title"), ElementTree.Element("desc", id=f"{name}-desc")
    heading.text, words.text = title, described(figure)
    root.insert(0, heading)
    root.insert(1, words)
    box = {"viewBox": root.get("viewBox", ""), "role": "img", "aria-labelledby": f"{name}-title {name}-desc"}
    paper = any(element.tag == "image" for element in root.iter())
    root.attrib.clear()
    root.attrib |= box
    least = min(width, round(width * READABLE / (PIXELS * smallest)))
    return Drawing(ElementTree.tostring(root, encoding="unicode"), width, least, frozenset(colours), paper)


def _page_colours(element: Any, colours: set[str]) -> None:
    """Replace colours by variables of the page."""

    def variable_of(found: re.Match[str]) -> str:
        colour = found.group().lower()
        if colour in _INK:
            return _INK[colour]
        colours.add(colour)
        return f"var({variable(colour)})"

    rules = [f"{name}: {element.attrib.pop(name)}" for name in ("fill", "stroke") if name in element.attrib]
    style = "; ".join([*rules, *([element.attrib["style"]] if "style" in element.attrib else [])])
    if style:
        element.set("style", _COLOUR.sub(variable_of, _FAMILY.sub("", style)))
    for child in element:
        _page_colours(child, colours)


def _own_ids(element: Any, name: str) -> None:
    """Begin ids, and what refers to them, with the name of the figure."""
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key in ("href", f"{XLINK}href"):
            del element.attrib[key]
            element.set("href", f"#{name}-{value[1:]}" if value.startswith("#") else value)
        elif "url(#" in value:
            element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))


def described(figure: Figure) -> str:
    """What a figure shows, in words: of each panel its title, axes and series."""
    panels = [words for ax in figure.axes if ax.axison and (words := _panel(ax))]
    names = [text for legend in figure.legends if (text := _listed([one.get_text() for one in legend.get_texts()]))]
    return " ".join([*panels, *(f"Legend: {text}." for text in names)])


def _panel(ax: Axes) -> str:
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    named = [text for text in ticks if re.search("[A-Za-z]", text)]
    parts = [
        ("panel ", ax.get_title()),
        ("vertical axis: ", ax.get_ylabel()),
        ("horizontal axis: ", ax.get_xlabel() or _listed(named)),
    ]
    words = "; ".join(f"{before}{' '.join(text.split())}" for before, text in parts if text)
    return f"{words[0].upper()}{words[1:]}." if words else ""


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - MOST_NAMES} more" if len(texts) > MOST_NAMES else ""
    return ", ".join(" ".join(text.split()) for text in texts[:MOST_NAMES]) + more
