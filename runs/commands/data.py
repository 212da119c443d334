"""`anysense data PART`: fetch, make, check and look at data sets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from anysense.common.errors import unknown_name

__all__ = ["PARTS", "Part", "main"]

Part = Callable[[Sequence[str]], None]
"""Parses the arguments after the name of the part and does the work; errors are raised."""

# name: (module, one line of help); the module is imported when it is needed and has a mapping PARTS from name to `Part`
PARTS: Mapping[str, tuple[str, str]] = {
    "mhd": (
        "anysense.runs.commands.data_digits",
        "download and check MHD, the published multimodal handwritten digits",
    ),
    "mhd-offline": (
        "anysense.runs.commands.data_digits",
        "make the stand-in for MHD on this machine, without a download",
    ),
    "mosei": (
        "anysense.runs.commands.data_sentiment",
        "check and convert CMU-MOSEI, sentiment in text, voice and face",
    ),
    "mosi": ("anysense.runs.commands.data_sentiment", "check and convert CMU-MOSI"),
    "mosei-offline": ("anysense.runs.commands.data_sentiment", "make the stand-in for CMU-MOSEI on this machine"),
    "show": ("anysense.runs.commands.data_show", "draw samples of mhd or mhd-offline and write their sounds as WAV"),
}


def main(arguments: Sequence[str]) -> None:
    """Do one part."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return
    name = arguments[0]
    if name not in PARTS:
        raise ValueError(unknown_name("data", name, PARTS))
    parts = cast(Mapping[str, Part], importlib.import_module(PARTS[name][0]).PARTS)
    parts[name](arguments[1:])


def _help() -> str:
    parts = "\n".join(f"  {name:<15}{text}" for name, (_, text) in PARTS.items())
    return (
        f"usage: anysense data PART [OPTIONS]\n\nFetch, make, check and look at data sets.\n\nparts:\n{parts}\n\n"
        "anysense data PART --help lists the options."
    )
