"""`anysense data PART`: fetch, make, check and look at data sets."""

import importlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from anysense.common.errors import unknown_name
from anysense.runs.overview import listed

__all__ = ["PARTS", "Part", "main", "use_of"]

Part = Callable[[Sequence[str]], None]
"""Parses the arguments after the name of the part and does the work; errors are raised."""

FETCH, MAKE = "anysense.runs.commands.data_fetch", "anysense.runs.commands.data_make"
SHOW = "anysense.runs.commands.data_show"
# name: (module, one line of help); the module is imported when it is needed and has a mapping PARTS from name to `Part`
PARTS: Mapping[str, tuple[str, str]] = {
    "digits": (FETCH, "fetch and check real digits: images, recordings, pen strokes"),
    "mfeat": (FETCH, "fetch and check UCI Multiple Features, numerals in six views"),
    "mhd": (MAKE, "download and check MHD, the published handwritten digits"),
    "mhd-offline": (MAKE, "make the stand-in for MHD on this machine, without a download"),
    "mosei": (MAKE, "check and convert CMU-MOSEI, sentiment in text, voice and face"),
    "mosi": (MAKE, "check and convert CMU-MOSI"),
    "mosei-offline": (MAKE, "make the stand-in for CMU-MOSEI on this machine"),
    "show": (SHOW, "draw samples of digits, mhd, mhd-offline; write sounds as WAV"),
}


def use_of(name: str, folder: Path | None = None) -> str:
    """A line that says how a data set is used; options with their usual values are left out."""
    from anysense.runs.commands.classify import DATA

    usual = folder is None or folder == Path("data") / name
    options = [*([] if name == DATA else ["--data", name]), *([] if usual else ["--folder", str(folder)])]
    return f"Use it: {shlex.join(['anysense', 'classify', *options])}"


def main(arguments: Sequence[str]) -> None:
    """Do one part."""
    if not arguments or arguments[0] in ("-h", "--help"):
        parts = listed({name: text for name, (_, text) in PARTS.items()}, 15)
        print("usage: anysense data PART [OPTIONS]\n\nFetch, make, check and look at data sets.\n")
        print(f"parts:\n{parts}\n\nanysense data PART --help lists the options.")
        return
    name = arguments[0]
    if name not in PARTS:
        raise ValueError(unknown_name("data", name, PARTS))
    part: Part = importlib.import_module(PARTS[name][0]).PARTS[name]
    part(arguments[1:])
