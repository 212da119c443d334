"""`anysense data PART`: fetch, make, check and look at data sets."""

import importlib
from collections.abc import Callable, Mapping, Sequence

from anysense.common.errors import unknown_name

__all__ = ["PARTS", "Part", "main"]

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


def main(arguments: Sequence[str]) -> None:
    """Do one part."""
    if not arguments or arguments[0] in ("-h", "--help"):
        parts = "\n".join(f"  {name:<15}{text}" for name, (_, text) in PARTS.items())
        print("usage: anysense data PART [OPTIONS]\n\nFetch, make, check and look at data sets.\n")
        print(f"parts:\n{parts}\n\nanysense data PART --help lists the options.")
        return
    name = arguments[0]
    if name not in PARTS:
        raise ValueError(unknown_name("data", name, PARTS))
    part: Part = importlib.import_module(PARTS[name][0]).PARTS[name]
    part(arguments[1:])
